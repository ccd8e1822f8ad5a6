"""Count nuclei that `open` sees where there are none: in ink and folds, on glass and keratin.

    python recipes/false_nuclei.py DATA OUT [chosen]

Ink and folds are painted onto tissue of MoNuSeg and GlaS, mirrored to squares of 640 µm at 0.5 µm per pixel; with
`chosen` onto the fields of NuInsSeg, BRCA-M2C and TNBC that choices are made on. All stages up to `segment` run on each
image with and without what was painted, and with nothing left out. A nucleus whose center lies where something was
painted is false if the image without it has none within 3 µm, and neither has the upper layer of a fold by itself: its
nuclei are real. How many are false if those of the upper layer count as false, too, is printed beside it. `after` are
those on the tissue that `quality` leaves, with folds left out, too. Of CMU-1-Small-Region, whose pieces without nuclei
are listed in recipes/sheets.py, all nuclei there are false.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import painted as drawn
import shapely
from painted import Field, canvas, load
from scipy.spatial import cKDTree
from sheets import WITHOUT_NUCLEI

from pathopipe import open_results
from pathopipe.jobs.execution import execute
from pathopipe.ops.regions import from_geojson
from pathopipe.pipeline import DetectSettings, QualitySettings, SegmentSettings, TilesSettings, TissueSettings
from pathopipe.results.documents import read_json
from pathopipe.samples import Sample
from pathopipe.synthetic.artifacts import FOLD, PAINTERS, PEN, Painting

MPP, SIDE, IMAGES = 0.5, 1280, 8
LABEL = {"pen": PEN, "fold": FOLD}
CMU_MPP = 0.499
REACH_PX = 3.0 / MPP
LEFT_OUT = QualitySettings(exclude=("pen", "debris", "out of focus", "fold"))
COUNTED = ("false", "false after", "true or false after", "with the upper layer's", "with the upper layer's after")


def nuclei(sample: Sample, folder: Path, quality: QualitySettings) -> np.ndarray:
    """Centers of the nuclei of an image, (N, 2) in its pixels."""
    for stage, settings in (
        ("tissue", TissueSettings()),
        ("quality", quality),
        ("tiles", TilesSettings()),
        ("detect", DetectSettings(model="open")),
        ("segment", SegmentSettings()),
    ):
        execute(stage, sample.slide, folder, settings, sample)
    table = open_results(folder)[sample.slide].arrow("nuclei", ["x_px", "y_px"])
    return np.stack([table[name].to_numpy() for name in ("x_px", "y_px")], axis=1)


def sound(sample: Sample, folder: Path) -> shapely.Geometry:
    """What of an image `quality` leaves, in its pixels."""
    execute("tissue", sample.slide, folder, TissueSettings(), sample)
    execute("quality", sample.slide, folder, LEFT_OUT, sample)
    content = read_json(folder / sample.slide / "quality/sound.geojson")
    return shapely.union_all(from_geojson(content, (0, 0)))


def saved(rgb: np.ndarray, folder: Path, name: str) -> Sample:
    """Write an image as a slide."""
    cv2.imwrite(str(folder / f"{name}.png"), rgb[..., ::-1])
    return Sample(name, folder / f"{name}.png", (MPP, MPP))


def tested(data: Path) -> Iterator[Field]:
    """Fields of the sources that no quality map was learned from, at 0.5 µm per pixel, in turns."""
    first = [(path, 0.25) for path in sorted((data / "nuclei/monuseg_train/images").iterdir())]
    rows = csv.DictReader((data / "grade/glas_train/slides.tsv").open(), delimiter="\t")
    second = [(data / "grade/glas_train" / row["path"], float(row["mpp"])) for row in rows]
    for pair in zip(first[::7], second[::20], strict=False):
        yield from (load(path, mpp, "", MPP) for path, mpp in pair)


def chosen(data: Path) -> Iterator[Field]:
    """Fields that choices are made on, at 0.5 µm per pixel, in turns."""
    fields = drawn.fields(data)[1]
    parts = [[field for field in fields if field.source == source] for source in sorted({f.source for f in fields})]
    for number in range(IMAGES):
        part = parts[number % len(parts)]
        field = part[7 * number % len(part)]
        folder = data / "nuclei" / field.source / "images"
        path = next(path for path in folder.iterdir() if path.stem == field.name)
        yield load(path, 0.5 if field.source == "brca_m2c" else 0.25, "", MPP)


def layers(rgb: np.ndarray, kind: str, rng: np.random.Generator) -> tuple[Painting, list[np.ndarray]]:
    """Paint two artifacts of a kind; also what each of them adds to the image, as an image by itself."""
    painting, added = Painting.of(rgb, MPP), []
    for _ in range(2):
        before = painting.density
        PAINTERS[kind](painting, rng)
        alone = Painting(np.maximum(painting.density - before, 0), MPP)
        added.append(alone.rgb)
    return painting, added


def far(found: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """Which nuclei (N, 2) lie further than 3 µm from all others, (N,)."""
    known = np.concatenate(others)
    return cKDTree(known).query(found)[0] > REACH_PX if len(known) else np.ones(len(found), bool)


def painted(fields: Iterator[Field], out: Path) -> None:
    """Print false nuclei per mm2 of ink and of folds."""
    counts, areas = {kind: np.zeros(len(COUNTED)) for kind in LABEL}, dict.fromkeys(LABEL, 0.0)
    for number, field in enumerate(list(fields)[:IMAGES]):
        rng = np.random.default_rng((11, number))
        rgb = canvas(field, rng, SIDE)
        clean = nuclei(saved(rgb, out, f"clean_{number}"), out, QualitySettings(exclude=()))
        for kind, label in LABEL.items():
            painting, added = layers(rgb, kind, rng)
            sample = saved(painting.rgb, out, f"{kind}_{number}")
            found = nuclei(sample, out / "all", QualitySettings(exclude=()))
            upper = [
                nuclei(saved(one, out, f"upper_{number}_{place}"), out / "all", QualitySettings(exclude=()))
                for place, one in enumerate(added if kind == "fold" else ())
            ]
            within = painting.labels[tuple(np.clip(found.astype(int), 0, SIDE - 1).T[::-1])] == label
            left = within & shapely.contains_xy(sound(sample, out / "left"), *found.T)
            false, strictly = far(found, [clean, *upper]), far(found, [clean])
            areas[kind] += (painting.labels == label).sum() * MPP**2 / 1e6
            rows = (within & false, left & false, left, within & strictly, left & strictly)
            counts[kind] += [row.sum() for row in rows]
            print(kind, number, round(areas[kind], 3), counts[kind].tolist(), flush=True)
    for kind, values in counts.items():
        rates = ", ".join(f"{name} {value / areas[kind]:.1f}" for name, value in zip(COUNTED, values, strict=True))
        print(f"{kind}: {areas[kind]:.2f} mm2, per mm2: {rates}")


def real(data: Path, out: Path) -> None:
    """Print nuclei in pieces of CMU-1-Small-Region that have none."""
    sample = Sample("cmu", data / "slides/CMU-1-Small-Region.svs")
    for name, settings in (("nothing left out", QualitySettings(exclude=())), ("default", QualitySettings())):
        found = nuclei(sample, out / name.replace(" ", "_"), settings)
        for x, y, width, height in WITHOUT_NUCLEI:
            within = ((found >= (x, y)) & (found < (x + width, y + height))).all(axis=1).sum()
            print(
                f"CMU-1, {name}: {within} nuclei in {width * height * CMU_MPP**2 / 1e6:.3f} mm2 at {x}, {y}", flush=True
            )


def main() -> None:
    """Measure both."""
    data, out, choosing = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] == ["chosen"]
    for folder in (out, out / "all", out / "left"):
        folder.mkdir(parents=True, exist_ok=True)
    if not choosing:
        real(data, out)
    painted(chosen(data) if choosing else tested(data), out)


if __name__ == "__main__":
    main()
