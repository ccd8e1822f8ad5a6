"""Measures of nuclei: nuclei per second of processor time of each group, beside scikit-image and histolytics.

    python benchmarks/features.py [--mpp 0.25] [--nuclei 2000] [--histolytics PYTHON]

The nuclei are ellipses with dents on noise. ``PYTHON`` is the interpreter of an environment that has histolytics
(``pip install histolytics``): it measures the same image and labels in turns with ours, what both have, and ratios are
printed. scikit-image's ``regionprops_table`` measures what ours of size and shape has, too.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from skimage.measure import regionprops_table

from pathopipe.ops.chromatin import measure_chromatin
from pathopipe.ops.measures import measure_outlines, measure_pixels
from pathopipe.ops.raster import rasterize, runs_of_rings
from pathopipe.ops.stain import Stains
from pathopipe.ops.staining import measure_staining, planes_of
from pathopipe.ops.texture import measure_texture

GROUPS = frozenset({"shape", "texture", "chromatin"})
PROPERTIES = (
    "area",
    "perimeter_crofton",
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "solidity",
    "feret_diameter_max",
    "area_convex",
    "extent",
    "equivalent_diameter_area",
    "orientation",
)
RIVAL = """
import sys, time, warnings
warnings.filterwarnings("ignore")
import geopandas, numpy as np, shapely
from histolytics.nuc_feats.chromatin import chromatin_feats
from histolytics.nuc_feats.intensity import intensity_feats
from histolytics.nuc_feats.texture import textural_feats
from histolytics.spatial_geom.shape_metrics import shape_metric
data = np.load(sys.argv[1])
rgb, labels, coords, offsets = (data[name] for name in ("rgb", "labels", "coords", "offsets"))
frame = geopandas.GeoDataFrame(geometry=[shapely.Polygon(part) for part in np.split(coords, offsets[1:-1])])
kinds = {
    "intensity": lambda: intensity_feats(rgb, labels, ("mean", "std", "quantiles", "skewness", "kurtosis",
                                         "histentropy"), (0.05, 0.25, 0.5, 0.75, 0.95)),
    "texture": lambda: textural_feats(rgb, labels, ("contrast", "dissimilarity", "homogeneity", "ASM", "correlation",
                                      "entropy"), (2, 4, 8), (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)),
    "chromatin": lambda: chromatin_feats(rgb, labels, ("chrom_area", "chrom_nuc_prop", "n_chrom_clumps",
                                         "chrom_boundary_prop")),
    "shape": lambda: shape_metric(frame, ("area", "perimeter", "major_axis_len", "minor_axis_len", "compactness",
                                  "circularity", "convexity", "solidity", "elongation", "eccentricity",
                                  "rectangularity"), parallel=False),
}
for name, work in kinds.items():
    start = time.process_time()
    table = work()
    print(name, (offsets.size - 1) / (time.process_time() - start), table.shape[1], flush=True)
"""


def nuclei(count: int, mpp: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an image, and the outlines of nuclei of about 35 um2 on it: coordinates and offsets."""
    rng, radius = np.random.default_rng(0), 3.3 / mpp
    step = int(3.2 * radius)
    across = int(np.ceil(np.sqrt(count)))
    side, rings = (across + 2) * step, []
    for number in range(count):
        center = (step * (1.5 + number % across), step * (1.5 + number // across))
        angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        form = 1 + 0.12 * np.cos(2 * angles + rng.uniform(0, 6)) + 0.06 * np.cos(3 * angles + rng.uniform(0, 6))
        size = radius * form * rng.uniform(0.8, 1.2)
        rings.append(np.round(2 * np.stack([np.cos(angles) * size, np.sin(angles) * size], axis=1)) / 2 + center)
    noise = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
    rgb = cv2.addWeighted(cv2.GaussianBlur(noise, (0, 0), 1.2), 2.0, noise, 0.1, -110)
    return rgb, np.concatenate(rings), np.cumsum([0, *(len(ring) for ring in rings)])


def rate(count: int, work: Callable[[], object]) -> float:
    """Nuclei per second, the best of three after one that compiles."""
    work()
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return count / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpp", type=float, default=0.25)
    parser.add_argument("--nuclei", type=int, default=2000)
    parser.add_argument("--histolytics", type=Path)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    count, mpp = asked.nuclei, (asked.mpp, asked.mpp)
    rgb, coords, offsets = nuclei(count, asked.mpp)
    labels = rasterize(coords, offsets, rgb.shape[:2])
    runs, planes = runs_of_rings(coords, offsets, rgb.shape[:2]), planes_of(rgb, Stains())
    works = {
        "intensity": lambda: measure_staining(runs, rgb, planes_of(rgb, Stains()), *mpp),
        "texture": lambda: measure_texture(runs, planes[0], 1.0, asked.mpp),
        "chromatin": lambda: measure_chromatin(runs, planes, 1.0, *mpp),
        "shape": lambda: measure_outlines(coords, offsets, mpp, GROUPS),
    }
    ours = {name: rate(count, work) for name, work in works.items()}
    columns = {name: len(work()) for name, work in works.items()}
    whole = rate(
        count,
        lambda: (
            measure_outlines(coords, offsets, mpp, GROUPS),
            measure_pixels(rgb, coords, offsets, mpp, Stains(), GROUPS),
        ),
    )
    print(f"{count} nuclei of {np.count_nonzero(labels) / count:.0f} pixels at {asked.mpp} um per pixel, one thread")
    for name, speed in ours.items():
        print(f"  {name:10} {columns[name]:4d} columns {speed:9,.0f} nuclei/s")
    print(f"  {'all':10} {sum(columns.values()):4d} columns {whole:9,.0f} nuclei/s")
    theirs = rate(count, lambda: regionprops_table(labels, properties=PROPERTIES))
    print(f"  scikit-image, {len(PROPERTIES)} shapes {theirs:9,.0f} nuclei/s; ratio {ours['shape'] / theirs:.0f}")
    if asked.histolytics:
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "nuclei.npz", rgb=rgb, labels=labels, coords=coords, offsets=offsets)
            command = [str(asked.histolytics), "-c", RIVAL, str(Path(folder) / "nuclei.npz")]
            for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
                name, speed, found = line.split()
                ratio = ours[name] / float(speed)
                print(f"  histolytics, {name}, {found} columns {float(speed):9,.0f} nuclei/s; ratio {ratio:.0f}")


if __name__ == "__main__":
    main()
