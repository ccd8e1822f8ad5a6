"""Spatial statistics of a million nuclei: wall-clock and processor seconds of each family, and peak memory.

    python benchmarks/spatial.py [--count 1000000] [--workers 2]

The nuclei are synthetic: 4,000 per mm2, seven of ten anywhere and the others in clusters, of four types.
"""

import argparse
import math
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import psutil
import shapely

from pathopipe.ops.spatial import summary
from pathopipe.ops.spatial.window import window_of

T = TypeVar("T")
DENSITY_PER_UM2 = 4000e-6


def nuclei(count: int, side_um: float) -> np.ndarray:
    """Points (count, 2), row after row of squares of 1 mm as a slide's nuclei are."""
    rng = np.random.default_rng(0)
    clustered = count * 3 // 10
    centers = rng.random((max(1, clustered // 300), 2)) * side_um
    around = centers[rng.integers(0, len(centers), clustered)] + rng.normal(0, 60, (clustered, 2))
    points = np.vstack([rng.random((count - clustered, 2)) * side_um, np.mod(around, side_um)])
    return points[np.lexsort((points[:, 0] // 1000, points[:, 1] // 1000))]


def clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def report(name: str, start: tuple[float, float]) -> None:
    wall, processor = (now - then for now, then in zip(clock(), start, strict=True))
    print(f"{name:10}{wall:7.1f} s{processor:7.1f} s of the processors", flush=True)


def timed(name: str, work: Callable[[], T]) -> T:
    start = clock()
    result = work()
    report(name, start)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    rng, side = np.random.default_rng(1), math.sqrt(arguments.count / DENSITY_PER_UM2)
    window = window_of([shapely.box(0, 0, side, side)])

    def inputs(points: np.ndarray) -> tuple:
        types = rng.choice([0, 1, 2, 3], len(points), p=[0.5, 0.25, 0.2, 0.05]).astype(np.int8)
        measures = {name: rng.normal(50, 10, len(points)) for name in summary.MEASURES.values()}
        return points, types, measures, window, arguments.workers

    summary.spatial_measures(*inputs(nuclei(3000, 800.0)))  # compiles the kernels
    given = inputs(nuclei(arguments.count, side))
    before = psutil.Process().memory_info().rss / 2**20
    start = clock()
    shared = timed("shared", lambda: summary.prepare(*given))
    for name, family in summary.FAMILIES.items():
        timed(name, lambda family=family: family(shared))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report("total", start)
    print(f"{arguments.count:,} nuclei, {arguments.workers} threads")
    print(f"{'memory':10}{peak:7.0f} MB at most, {peak - before:.0f} MB more than before")


if __name__ == "__main__":
    main()
