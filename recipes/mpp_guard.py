"""The weights of `pathopipe.models.mpp_guard`, and how well they do.

    python recipes/mpp_guard.py measure DATA OUT.tsv [MODEL]    # hours; goes on where it was stopped
    python recipes/mpp_guard.py fit OUT.tsv

DATA holds nuclei/ as `recipes/sheets.py` has it, and nuclei/nuinsseg (NuInsSeg, CC BY 4.0), and in
grade/glas_train GlaS with its slides.tsv. `measure` runs the workflow up to `detect` on every image, at its own mpp and
at multiples of it. `fit` prints, cross-validated, how often a wrong mpp is noticed and a right one doubted, then the
constants. A fold leaves out a set, and of NuInsSeg a fifth of the organs; its limits come from the other images, too.
MoNuSeg and GlaS, whose licences don't allow it, are never fitted on.
"""

import csv
import hashlib
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from pathopipe.jobs.execution import execute
from pathopipe.models import registry
from pathopipe.models.mpp_guard import LEAST_NUCLEI, Discriminant, Sight, measures, seen
from pathopipe.ops.stain import Stains
from pathopipe.pipeline import Config
from pathopipe.samples import Sample
from pathopipe.stages import detect

# Those that are fitted on come first.
FACTORS = (1.0, 0.5, 2.0, 1.5, 0.67, 4.0)
WRONG = {"small": 0.5, "large": 2.0}
FITTED = ("nucls", "tnbc", "brca_m2c", "nuinsseg")
# MoNuSeg's images of a scale in doubt: docs/network.md.
DOUBTFUL = ("TCGA-HE-7128", "TCGA-HE-7129", "TCGA-HE-7130", "TCGA-KB-A93J", "TCGA-RD-A8N9")
# Images with fewer nuclei teach nothing; those that limits are taken from have `LEAST_NUCLEI`.
LEAST_TO_LEARN = 30
# NuInsSeg's images with fewer are left out: they are most of it, and hardly any is judged.
LEAST_ANNOTATED = 50
# These and the margins (log odds between limit and threshold) were chosen on the figures of docs/mpp.md.
RIDGE = 0.003
QUANTILE = 0.99
MARGIN = {"small": 1.0, "large": -0.5}
COLUMNS = ("set", "group", "image", "mpp", "factor", "nuclei", "reason", "scales", "score")


@dataclass(frozen=True)
class Image:
    """An image, its true mpp, and the patient or organ that it must not be parted from."""

    of: str
    group: str
    path: Path
    mpp: float


def images(data: Path) -> Iterator[Image]:
    with (data / "nuclei" / "nuinsseg" / "images.tsv").open(newline="") as stream:
        few = {row["image"] for row in csv.DictReader(stream, delimiter="\t") if int(row["nuclei"]) < LEAST_ANNOTATED}
    for name, mpp in (("nucls", 0.25), ("tnbc", 0.25), ("brca_m2c", 0.5), ("monuseg_train", 0.25), ("nuinsseg", 0.25)):
        for path in sorted((data / "nuclei" / name / "images").iterdir()):
            group = group_of(name, path.stem)
            if path.name not in few:
                yield Image("doubtful" if group in DOUBTFUL else name, group, path, mpp)
    folder = data / "grade" / "glas_train"
    with (folder / "slides.tsv").open(newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            yield Image("glas_train", row["patient"], folder / row["path"], float(row["mpp"]))


def group_of(name: str, stem: str) -> str:
    if name == "tnbc":
        return stem.split("_", 1)[0]
    return stem.rsplit("_", 1)[0] if name == "nuinsseg" else "-".join(stem.split("-")[:3])


def shuffled(found: list[Image]) -> list[Image]:
    """Mix the sets, small ones a little ahead, so that a part of the work stands for the whole."""
    mixed = sorted(found, key=lambda image: hashlib.sha256(f"{image.of}{image.path.stem}".encode()).hexdigest())
    places = {name: [image for image in mixed if image.of == name] for name in {image.of for image in found}}
    return sorted(mixed, key=lambda image: (places[image.of].index(image) + 1) / math.sqrt(len(places[image.of])))


def measure(data: Path, out: Path, model: str = "open") -> None:
    make = registry.create
    shared = cache(lambda name: make(name, Stains(), None, "cpu", "auto", 1))
    detect.create = lambda name, *_: shared(name)  # loaded once
    known = {(row["set"], row["image"], row["factor"]) for row in read(out)} if out.exists() else set()
    with out.open("a", newline="") as stream, tempfile.TemporaryDirectory() as folder:
        table = csv.writer(stream, delimiter="\t")
        if not known:
            table.writerow(COLUMNS)
        mixed = shuffled(list(images(data)))
        for image, factor in (*product(mixed, FACTORS[:3]), *product(mixed, FACTORS[3:])):
            if (image.of, image.path.stem, f"{factor:g}") not in known:
                found = run(image, factor, model, Path(folder) / "results")
                table.writerow((image.of, image.group, image.path.stem, image.mpp, f"{factor:g}", *found))
                stream.flush()


def run(image: Image, factor: float, model: str, results: Path) -> tuple[int, str, str, float]:
    """Nuclei, why there are none, what was seen at each scale, and the mean score."""
    mpp, config = image.mpp * factor, Config.model_validate({"detect": {"model": model}})
    sample = Sample("image", image.path.resolve(), (mpp, mpp))
    for stage in ("tissue", "quality", "tiles", "detect"):
        manifest = execute(stage, sample.slide, results, getattr(config, stage), sample)
    if manifest["state"] != "done":
        return 0, manifest["reason"], "[]", 0.0
    return manifest["counts"]["seeds"], "", json.dumps(manifest["scales"]), manifest["score"]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@dataclass(frozen=True)
class Table:
    """All images that anything was seen in: measures (N, 9), and of each image what it is, and its nuclei."""

    measures: np.ndarray
    factor: np.ndarray
    of: np.ndarray
    group: np.ndarray
    nuclei: np.ndarray
    seen: dict[str, np.ndarray]


def tabulate(rows: list[dict[str, str]]) -> Table:
    rows = [row for row in rows if row["scales"] != "[]"]
    sights = [[Sight(**look) for look in json.loads(row["scales"])] for row in rows]
    nuclei = [int(row["nuclei"]) for row in rows]
    return Table(
        np.array([measures(some) for some in sights]),
        np.array([float(row["factor"]) for row in rows]),
        np.array([row["set"] for row in rows]),
        np.array([row["group"] for row in rows]),
        np.array(nuclei),
        {side: np.array([seen(side, n, some) for n, some in zip(nuclei, sights, strict=True)]) for side in WRONG},
    )


def learn(table: Table, train: np.ndarray, side: str) -> Discriminant:
    """A ridge logistic regression of half or twice the true mpp against the true one and the opposite."""
    wrong = table.factor == WRONG[side]
    used = train & np.isin(table.of, FITTED) & np.isin(table.factor, (1.0, *WRONG.values()))
    learned = used & (table.seen[side] >= LEAST_TO_LEARN)
    weights, intercept = logistic(table.measures[learned], wrong[learned], balance(table.of[learned], wrong[learned]))
    right = used & (table.factor == 1) & (table.seen[side] >= LEAST_NUCLEI)
    threshold = np.quantile(table.measures[right] @ weights + intercept, QUANTILE) + MARGIN[side]
    rounded = tuple(round(float(weight), 4) for weight in weights)
    return Discriminant(rounded, round(float(intercept), 4), round(float(threshold), 4))


def balance(of: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Weights by which both classes count the same, and a set by the root of its images."""
    weights = np.ones(len(of))
    for name in set(of):
        for kind in (False, True):
            these = (of == name) & (wrong == kind)
            weights[these] = 1 / math.sqrt(max(1, these.sum()))
    for kind in (False, True):
        weights[wrong == kind] /= weights[wrong == kind].sum()
    return weights * len(of)


def logistic(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Newton's method, on standardized measures; returns weights of the measures as they are, and the intercept."""
    mean, sd = x.mean(axis=0), x.std(axis=0)
    z = np.c_[(x - mean) / sd, np.ones(len(x))]
    penalty = RIDGE * weights.sum() * np.diag([1.0] * x.shape[1] + [0.0])
    found = np.zeros(z.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(z @ found, -30, 30)))
        slope = z.T @ (weights * (p - y)) + penalty @ found
        curve = z.T @ (z * (weights * (p * (1 - p) + 1e-6))[:, None]) + penalty
        found -= np.linalg.solve(curve, slope)
    return found[:-1] / sd, float(found[-1] - (found[:-1] * mean / sd).sum())


def folds(table: Table) -> Iterator[np.ndarray]:
    """Masks of the images that are kept apart in turn."""
    for name in sorted(set(table.of)):
        here = table.of == name
        if name != "nuinsseg":
            yield here
            continue
        organs = sorted({str(group).split("_", 1)[1] for group in table.group[here]})
        for first in range(5):
            yield here & np.array([str(group).split("_", 1)[-1] in organs[first::5] for group in table.group])


def doubted(table: Table, learned: dict[str, Discriminant]) -> np.ndarray:
    found = np.zeros(len(table.factor), bool)
    for side, one in learned.items():
        found |= (table.measures @ np.array(one.weights) + one.intercept > one.threshold) & (
            table.seen[side] >= LEAST_NUCLEI
        )
    return found


def wilson(hits: int, count: int) -> str:
    """Share with its 95 % interval (Wilson 1927)."""
    z, share = 1.96, hits / count
    middle, half = share + z * z / 2 / count, z * math.sqrt(share * (1 - share) / count + (z / 2 / count) ** 2)
    low, high = (abs(middle + sign * half) / (1 + z * z / count) for sign in (-1, 1))
    return f"{hits}/{count} = {share:.0%} [{low:.0%}, {high:.0%}]"


def report(table: Table, noticed: np.ndarray, counted: np.ndarray) -> None:
    """By set and factor, of the images counted, in whose doubt or not the guard is right or wrong."""
    print("| set | " + " | ".join(f"x{factor:g}" for factor in sorted(FACTORS)) + " |")
    for name in [*sorted(set(table.of) - {"doubtful"}), "all", "doubtful"]:
        inside = counted & (table.of != "doubtful" if name == "all" else table.of == name)
        cells = [inside & (table.factor == factor) for factor in sorted(FACTORS)]
        texts = [wilson(int(noticed[cell].sum()), int(cell.sum())) if cell.any() else "-" for cell in cells]
        print(f"| {name} | " + " | ".join(texts) + " |")


def fit(path: Path) -> None:
    rows = read(path)
    table = tabulate(rows)
    noticed = np.zeros(len(table.factor), bool)
    for test in folds(table):
        learned = {side: learn(table, ~test, side) for side in WRONG}
        noticed[test] = doubted(table, learned)[test]
    print(f"with {LEAST_NUCLEI} nuclei or more as the mpp given says:")
    report(table, noticed, table.nuclei >= LEAST_NUCLEI)
    print("with fewer, that are judged by the nuclei seen at the finer scale:")
    report(table, noticed, (table.nuclei < LEAST_NUCLEI) & (table.seen["small"] >= LEAST_NUCLEI))
    print("largest mean score of an image:", max(float(row["score"] or 0) for row in rows))
    for side in WRONG:
        print(f'        "{side}": {learn(table, np.ones(len(noticed), bool), side)!r},')


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        measure(Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
    else:
        fit(Path(sys.argv[2]))
