"""How much each measure of nuclei changes when the image does, as a Markdown table.

    python benchmarks/stability.py RESULTS SLIDES.TSV

For every finished slide of the sheet the nuclei are measured on the same outlines in the image as it is and changed:
stain 10% weaker and stronger, 20% smaller and larger at the same stated mpp (as if it were wrong), saved as JPEG of
quality 50, blurred by a Gaussian of 0.5 um. The slide's stains are estimated anew each time, as `tissue` does.

Two numbers per measure and change, over all nuclei: Spearman's correlation with the unchanged values within each slide
(whether nuclei keep their order), and the median shift in units of the interquartile range between nuclei (whether
values can be compared between slides).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import spearmanr

from pathopipe import open_results
from pathopipe.evaluation.perturbation import Perturbation, perturb
from pathopipe.ops.measures import measure_outlines, measure_pixels
from pathopipe.ops.stain import estimate_stains
from pathopipe.results.outlines import unpack_outlines
from pathopipe.results.reader import SlideResults
from pathopipe.results.schemas.features import GROUPS
from pathopipe.samples import read_samples
from pathopipe.slide import open_slide
from pathopipe.units import Grid

FINEST_MPP = 0.25
CHANGES = (
    Perturbation("stain × 0.9", strength=0.9),
    Perturbation("stain × 1.1", strength=1.1),
    Perturbation("size × 0.8", scale=0.8),
    Perturbation("size × 1.2", scale=1.2),
    Perturbation("JPEG 50", quality=50),
    Perturbation("blur", blur=1.0),
)
MEASURED = ("size", "stain", "shape", "texture", "chromatin")
Measures = dict[str, np.ndarray]


def measured(rgb: np.ndarray, coords: np.ndarray, offsets: np.ndarray, mpp: tuple[float, float]) -> Measures:
    stains = estimate_stains(rgb.reshape(-1, 3)[::7])
    groups = frozenset(MEASURED)
    return measure_outlines(coords, offsets, mpp, groups) | measure_pixels(rgb, coords, offsets, mpp, stains, groups)


def changed(slide: SlideResults, path: Path, mpp: tuple[float, float] | None) -> Iterator[tuple[str, Measures]]:
    """Yield the measures of a slide's nuclei, as it is and changed, by the name of the change."""
    outlines, grid = slide.file("segment", "nuclei.parquet"), Grid(**slide.manifest("segment")["grid"])
    coords, offsets = unpack_outlines(outlines, slide.arrow("nuclei", ["geometry"])["geometry"].combine_chunks(), grid)
    with open_slide(path, mpp) as image:
        fine = image.grid(max(FINEST_MPP, image.mpp.x, image.mpp.y))
        rgb = image.read(fine, 0, 0, fine.width, fine.height)
    coords = coords * (grid.factor_x / fine.factor_x, grid.factor_y / fine.factor_y)
    size = (fine.mpp_x, fine.mpp_y)
    yield "", measured(rgb, coords, offsets, size)
    for how in CHANGES:
        other = perturb(rgb, how, 0.5 / fine.mpp_x)
        scale = (other.shape[1] / rgb.shape[1], other.shape[0] / rgb.shape[0])
        yield how.name, measured(other, coords * scale, offsets, size)


def compared(before: list[np.ndarray], after: list[np.ndarray]) -> tuple[float, float]:
    """Mean over the slides of the rank correlation, and median shift over the interquartile range."""
    orders, shifts = [], []
    for old, new in zip(before, after, strict=True):
        known = np.isfinite(old) & np.isfinite(new)
        spread = np.subtract(*np.quantile(old[known], [0.75, 0.25])) if known.sum() > 10 else 0.0
        if spread > 0 and np.ptp(new[known]) > 0:
            orders.append(float(spearmanr(old[known], new[known]).statistic))
            shifts.append(float(np.median(new[known] - old[known]) / spread))
    return (float(np.mean(orders)), float(np.mean(shifts))) if orders else (np.nan, np.nan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("sheet", type=Path)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    results, found = open_results(asked.results), dict[str, list[Measures]]()
    for sample in read_samples(asked.sheet):
        for name, measures in changed(results[sample.slide], sample.path, sample.mpp):
            found.setdefault(name, []).append(measures)
    print("| measure | " + " | ".join(how.name for how in CHANGES) + " |")
    print("|---" * (1 + len(CHANGES)) + "|")
    for name in (column.name for group in MEASURED for column in GROUPS[group]):
        cells = [
            "{:.2f}, {:+.2f}".format(*compared([m[name] for m in found[""]], [m[name] for m in found[how.name]]))
            for how in CHANGES
        ]
        print(f"| `{name}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
