"""Measure what `out_of_focus` of the stage `tissue` notices: it sets the limit of sharpness in `inspection.guards`.

    python recipes/focus_guard.py DATA OUT [WORD …]

Fields are blurred by a Gaussian, resampled, compressed and made noisy, and looked at as the stage looks at them: in
windows of 128 um at 0.5 um per pixel. BRCA-M2C, TNBC and NuCLS are what the limit was chosen on; MoNuSeg, GlaS (its
training part), and the two slides (the tissue in their middle) were seen before it was settled; of NuInsSeg every
second field. Prints the median of sharpness of each set and change, and how many fields are told to be out of focus;
where words are given, of the changes whose names hold one of them.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from sheets import nuinsseg

from pathopipe.evaluation.perturbation import compressed
from pathopipe.inspection.guards import least_sharpness
from pathopipe.inspection.windows import read_windows
from pathopipe.ops.regions import Bins
from pathopipe.ops.tissue import sharpness
from pathopipe.slide import open_slide
from pathopipe.units import Mpp

MPP, SIDE, WINDOWS = 0.5, 256, 48
SHARE = 0.3
MIDDLE_UM = 700.0
LEARNED = ("brca_m2c", "tnbc", "nucls")
RGB = np.ndarray
Change = Callable[[RGB, float], tuple[RGB, float]]


def blur(sigma_um: float, then: Change = lambda rgb, mpp: (rgb, mpp)) -> Change:
    return lambda rgb, mpp: then(cv2.GaussianBlur(rgb, (0, 0), sigma_um / mpp), mpp)


def resampled(wanted: float) -> Change:
    def change(rgb: RGB, mpp: float) -> tuple[RGB, float]:
        size = tuple(max(1, round(length * mpp / wanted)) for length in rgb.shape[1::-1])
        how = cv2.INTER_AREA if wanted > mpp else cv2.INTER_CUBIC
        return cv2.resize(rgb, size, interpolation=how), rgb.shape[1] * mpp / size[0]

    return change


def noisy(sd: float) -> Change:
    def change(rgb: RGB, mpp: float) -> tuple[RGB, float]:
        grain = np.random.default_rng(rgb.shape[0]).normal(0, sd, rgb.shape)
        return np.rint(rgb + grain).clip(0, 255).astype(np.uint8), mpp

    return change


def saved(quality: int) -> Change:
    return lambda rgb, mpp: (compressed(rgb, quality), mpp)


CHANGES: dict[str, Change] = {
    "as it is": lambda rgb, mpp: (rgb, mpp),
    **{f"blur {sigma:g} um": blur(sigma) for sigma in (0.5, 0.7, 0.75, 1.0, 1.5)},
    "0.7 um per pixel": resampled(0.7),
    "1 um per pixel": resampled(1.0),
    "noise, SD 8": noisy(8),
    "JPEG 30": saved(30),
    "blur 1 um, noise, SD 3": blur(1.0, noisy(3)),
    "blur 1 um, noise, SD 8": blur(1.0, noisy(8)),
    "blur 1 um, JPEG 50": blur(1.0, saved(50)),
    "blur 1 um, 0.7 um per pixel": blur(1.0, resampled(0.7)),
    "blur 1 um, 1 um per pixel": blur(1.0, resampled(1.0)),
}


def fields(data: Path) -> Iterator[tuple[str, Path, float | None]]:
    """Yield set, file and resolution."""
    nuclei = data / "nuclei"
    for name, mpp in (("brca_m2c", 0.5), ("tnbc", 0.25), ("nucls", 0.25), ("monuseg_train", 0.25)):
        yield from ((name, path, mpp) for path in sorted((nuclei / name / "images").iterdir()))
    for row in csv.DictReader((data / "grade/glas_train/slides.tsv").open(), delimiter="\t"):
        yield "glas_train", data / "grade/glas_train" / row["path"], float(row["mpp"])
    yield from ((name, data / "slides" / name, None) for name in ("CMU-1-Small-Region.svs", "OS-1-detail.ome.tif"))
    yield from (("nuinsseg", line.image, 0.25) for line, _ in list(nuinsseg(nuclei))[::2])


def middle(path: Path, mpp: float | None) -> tuple[RGB, float]:
    """Return the middle of an image at its own resolution, and its mpp."""
    with open_slide(path, None if mpp is None else (mpp, mpp)) as slide:
        grid = slide.grid(slide.mpp.x)
        width, height = (min(side, round(MIDDLE_UM / slide.mpp.x)) for side in (grid.width, grid.height))
        return slide.read(grid, (grid.width - width) // 2, (grid.height - height) // 2, width, height), slide.mpp.x


def seen(rgb: RGB, mpp: float, file: Path) -> list[float]:
    """Return the sharpness of the windows of an image, all of it tissue."""
    cv2.imwrite(str(file), rgb[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    with open_slide(file, (mpp, mpp)) as slide:
        grid = slide.grid(8.0, covering=True)
        bins = Bins(grid.width, grid.height, grid.factor_x, grid.factor_y, grid.pixel_um2)
        tissue = np.ones((grid.height, grid.width), bool)
        return [sharpness(window) for window in read_windows(slide, tissue, bins, MPP, SIDE, WINDOWS)]


def main() -> None:
    """Print a table."""
    data, file, words = Path(sys.argv[1]), Path(sys.argv[2]) / "focus_guard.png", sys.argv[3:] or [""]
    changes = {name: how for name, how in CHANGES.items() if any(word in name for word in words)}
    found: dict[str, dict[str, list[tuple[float, bool]]]] = {}
    for name, path, stated in fields(data):
        rgb, mpp = middle(path, stated)
        for change, how in changes.items():
            changed, scale = how(rgb, mpp)
            values = np.array(seen(changed, scale, file))
            told = float(np.mean(values < least_sharpness(Mpp(scale, scale, "sheet")))) > SHARE
            for key in (name, "learned") if name in LEARNED else (name,):
                found.setdefault(key, {}).setdefault(change, []).append((float(np.median(values)), told))
    file.unlink()
    for change in changes:
        cells = []
        for name, rows in found.items():
            values, told = zip(*rows[change], strict=True)
            cells.append(f"{name} {np.median(values):.3f} {sum(told)} of {len(told)}")
        print(f"{change}: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
