"""Count nuclei that `open` sees where there are none: in ink and folds, on glass and keratin.

    python recipes/false_nuclei.py DATA OUT

Ink and folds are painted onto tissue of MoNuSeg and GlaS, mirrored to squares of 640 µm at 0.5 µm per pixel. All stages
up to `segment` run on each image with and without what was painted, and with nothing left out. A nucleus whose center
lies where something was painted is false if the image without it has none within 3 µm. `after` are those on the tissue
that `quality` leaves, with folds left out, too. Of CMU-1-Small-Region, whose pieces without nuclei are listed in
recipes/sheets.py, all nuclei there are false.
"""

import csv
import sys
from pathlib import Path

import cv2
import numpy as np
import shapely
from painted import canvas, load
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


def fields(data: Path) -> list[tuple[Path, float]]:
    """Images of the sources that no quality map was learned from, with their resolution, in turns."""
    first = [(path, 0.25) for path in sorted((data / "nuclei/monuseg_train/images").iterdir())]
    rows = csv.DictReader((data / "grade/glas_train/slides.tsv").open(), delimiter="\t")
    second = [(data / "grade/glas_train" / row["path"], float(row["mpp"])) for row in rows]
    return [each for pair in zip(first[::7], second[::20], strict=False) for each in pair]


def painted(data: Path, out: Path) -> None:
    """Print false nuclei per mm2 of ink and of folds."""
    counts = {kind: np.zeros(4) for kind in LABEL}
    for number, (path, mpp) in enumerate(fields(data)[:IMAGES]):
        rng = np.random.default_rng((11, number))
        rgb = canvas(load(path, mpp, "", MPP), rng, SIDE)
        clean = nuclei(saved(rgb, out, f"clean_{number}"), out, QualitySettings(exclude=()))
        for kind, label in LABEL.items():
            painting = Painting.of(rgb, MPP)
            for _ in range(2):
                PAINTERS[kind](painting, rng)
            sample = saved(painting.rgb, out, f"{kind}_{number}")
            found = nuclei(sample, out / "all", QualitySettings(exclude=()))
            within = painting.labels[tuple(np.clip(found.astype(int), 0, SIDE - 1).T[::-1])] == label
            far = cKDTree(clean).query(found)[0] > REACH_PX if len(clean) else np.ones(len(found), bool)
            left = shapely.contains_xy(sound(sample, out / "left"), *found.T)
            mm2 = (painting.labels == label).sum() * MPP**2 / 1e6
            counts[kind] += [mm2, (within & far).sum(), (within & far & left).sum(), (within & left).sum()]
            print(kind, number, counts[kind].round(3).tolist(), flush=True)
    for kind, (mm2, before, after, any_after) in counts.items():
        rates = f"false per mm2 {before / mm2:.1f}, after {after / mm2:.1f}, true or false after {any_after / mm2:.1f}"
        print(f"{kind}: {mm2:.2f} mm2, {rates}")


def real(data: Path, out: Path) -> None:
    """Print nuclei in pieces of CMU-1-Small-Region that have none."""
    sample = Sample("cmu", data / "slides/CMU-1-Small-Region.svs")
    for name, settings in (("nothing left out", QualitySettings(exclude=())), ("default", QualitySettings())):
        found = nuclei(sample, out / name.replace(" ", "_"), settings)
        for x, y, width, height in WITHOUT_NUCLEI:
            within = ((found >= (x, y)) & (found < (x + width, y + height))).all(axis=1).sum()
            print(
                f"CMU-1, {name}: {within} nuclei in {width * height * 0.499**2 / 1e6:.3f} mm2 at {x}, {y}", flush=True
            )


def main() -> None:
    """Measure both."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    for folder in (out, out / "all", out / "left"):
        folder.mkdir(parents=True, exist_ok=True)
    real(data, out)
    painted(data, out)


if __name__ == "__main__":
    main()
