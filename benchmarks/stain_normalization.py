"""What normalizing the stain brings and costs on annotated fields whose stain was changed, as Markdown tables.

    python benchmarks/stain_normalization.py OUT IMAGES LABELS MPP [--every 3]

Each field is restained by computation, as another laboratory might have stained it. Then, with pixels as they are and
with the stain of the target (`ops.normalization`), estimated anew on each image as `tissue` does:

* detection: F1 at IoU 0.5 of nuclei found by the default model (`tissue` to `segment`);
* features: the nuclei of the labels are measured on the same outlines. Per group of measures, the median over measures
  of Spearman's correlation with the unchanged field, and of the absolute median shift in units of the interquartile
  range between nuclei. Unchanged, normalized is compared with native.

Where the stain could not be estimated, or would have to be strengthened more than threefold, the image is left as it
is; the column "normalized" counts the others. A finished field is kept in OUT and is not computed again: delete OUT to
start anew.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import spearmanr

from pathopipe.annotations import Annotated, match, paint, read_annotations
from pathopipe.config import Config
from pathopipe.evaluation.metrics import Counts, compare, scores
from pathopipe.evaluation.perturbation import Perturbation, perturb
from pathopipe.evaluation.scoring import STAGES
from pathopipe.jobs.execution import execute
from pathopipe.ops.labeled import largest_parts
from pathopipe.ops.measures import measure_pixels
from pathopipe.ops.normalization import MOST_AMPLIFIED, TARGET, amplification_of, normalized
from pathopipe.ops.outline import Outlines, boxes_of, outline
from pathopipe.ops.stain import Stains, estimate_stains
from pathopipe.results.outlines import polygons_of
from pathopipe.results.schemas.features import GROUPS
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.tables import read_table
from pathopipe.samples import Sample
from pathopipe.slide import open_slide

CHANGES = (
    Perturbation("unchanged"),
    Perturbation("stain × 0.5", strength=0.5),
    Perturbation("stain × 0.75", strength=0.75),
    Perturbation("stain × 1.5", strength=1.5),
    Perturbation("stain × 2", strength=2.0),
    Perturbation("turned to blue by 8°", turn_deg=-8),
    Perturbation("turned to red by 8°", turn_deg=8),
    Perturbation("pale and bluer", strength=0.6, turn_deg=-8),
    Perturbation("dark and redder", strength=1.5, turn_deg=8),
)
KINDS = ("native", "normalized")
MEASURED = ("stain", "texture", "chromatin")
COLUMNS = {group: [column.name for column in GROUPS[group]] for group in MEASURED}
FEWEST = 20


def stained(rgb: np.ndarray, kind: str) -> tuple[np.ndarray, Stains, bool]:
    """The image to measure, its stains, and whether it was normalized."""
    stains = estimate_stains(rgb.reshape(-1, 3)[::7])
    if kind == "native" or stains.source == "default" or amplification_of(stains) > MOST_AMPLIFIED:
        return rgb, stains, False
    return normalized(rgb, stains), TARGET, True


def traced_from(labels: np.ndarray) -> Outlines:
    """Outlines of the largest part of each label."""
    padded = np.pad(labels, 1)
    starts, sizes = largest_parts(padded, int(labels.max()))
    rest = {"smooth": False, "smallest": 1, "largest": padded.size}
    there = sizes > 0
    return outline(padded, boxes_of(padded), starts, np.ones_like(labels, np.uint8), there, ~there, **rest)


def counted(rgb: np.ndarray, mpp: float, labels: np.ndarray, folder: Path) -> Counts:
    """Nuclei found by the default model against labels (H, W)."""
    path, config = folder / "image.png", Config()
    cv2.imwrite(str(path), rgb[..., ::-1])
    for stage in STAGES:
        execute(stage, "s", folder / "results", getattr(config, stage), Sample("s", path.absolute(), (mpp, mpp)))
    nuclei = folder / "results" / "s" / "segment" / "nuclei.parquet"
    geometry = read_table(nuclei, ["geometry"], NUCLEI)["geometry"].to_numpy()
    return compare(paint(list(polygons_of(nuclei, geometry)), labels.shape), labels, mpp)


def looked_at(image: Annotated, folder: Path) -> dict:
    """Counts, measures and whether it was normalized, by change and kind."""
    with open_slide(image.image, (image.mpp, image.mpp)) as slide:
        rgb = slide.read(slide.grid(image.mpp), 0, 0, slide.width_px, slide.height_px)
    labels = read_annotations(image.labels, rgb.shape[:2]).labels
    traced = traced_from(labels)
    found: dict = {}
    for how in CHANGES:
        changed, found[how.name] = perturb(rgb, how, 1.0), {}
        for kind in KINDS:
            pixels, stains, done = stained(changed, kind)
            mpp = (image.mpp, image.mpp)
            measures = measure_pixels(pixels, traced.coords, traced.offsets, mpp, stains, set(MEASURED))
            found[how.name][kind] = {
                "normalized": done,
                "counts": astuple(counted(pixels, image.mpp, labels, folder)),
                "measures": {name: measures[name].tolist() for names in COLUMNS.values() for name in names},
            }
    return found


def fields(asked: argparse.Namespace) -> Iterator[dict]:
    for image in match(asked.images, asked.labels, asked.mpp)[:: asked.every]:
        folder = asked.out / image.name
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "found.json"
        if not kept.exists():
            kept.write_text(json.dumps(looked_at(image, folder)), encoding="utf-8")
        yield json.loads(kept.read_text(encoding="utf-8"))


def moved(before: list, after: list) -> tuple[float, float]:
    """Rank correlation, and shift in interquartile ranges, of a measure; NaN where it does not differ."""
    old, new = np.array(before, np.float64), np.array(after, np.float64)
    known = np.isfinite(old) & np.isfinite(new)
    if known.sum() < FEWEST or np.ptp(new[known]) == 0:
        return np.nan, np.nan
    spread = np.subtract(*np.quantile(old[known], [0.75, 0.25]))
    if not spread:
        return np.nan, np.nan
    order = float(spearmanr(old[known], new[known]).statistic)
    return order, abs(float(np.median(new[known] - old[known]) / spread))


def steadiness(found: list[dict], change: str, kind: str, group: str) -> str:
    """Median over measures of their means over fields."""
    against = "native" if change == "unchanged" else kind
    pairs = [(one["unchanged"][against]["measures"], one[change][kind]["measures"]) for one in found]
    means = [np.nanmean([moved(old[name], new[name]) for old, new in pairs], axis=0) for name in COLUMNS[group]]
    order, shift = np.nanmedian(means, axis=0)
    return f"{order:.2f}, {shift:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("out", "images", "labels"):
        parser.add_argument(name, type=Path)
    parser.add_argument("mpp", type=float)
    parser.add_argument("--every", type=int, default=1)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    found = list(fields(asked))
    nuclei = sum(Counts(*one["unchanged"]["native"]["counts"]).labelled for one in found)
    print(f"{len(found)} fields, {nuclei:,} nuclei\n")
    heads = " | ".join(f"{group} {kind}" for group in MEASURED for kind in KINDS)
    print(f"| change | normalized | F1 native | F1 normalized | {heads} |")
    print("|---" * (4 + len(MEASURED) * len(KINDS)) + "|")
    for how in CHANGES:
        done = sum(one[how.name]["normalized"]["normalized"] for one in found)
        pooled = {kind: sum((Counts(*one[how.name][kind]["counts"]) for one in found), Counts()) for kind in KINDS}
        f1 = [f"{scores(pooled[kind]).f1:.3f}" for kind in KINDS]
        steady = [steadiness(found, how.name, kind, group) for group in MEASURED for kind in KINDS]
        print(f"| {how.name} | {done} | {' | '.join([*f1, *steady])} |")


if __name__ == "__main__":
    main()
