"""How nuclei lie to each other: nearest neighbor, neighbors within a distance, nuclei per area."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
_AT_ONCE: Final = 65_536


def measure_neighbors(points_um: Floats, radius_um: float, workers: int = 1) -> tuple[Floats, NDArray[np.int64]]:
    """Find every point's distance to the nearest other point, and how many others lie within a distance.

    Parameters
    ----------
    points_um
        float64 (N, 2), x and y in micrometers, of all nuclei of the slide.
    radius_um
        Distance up to which, inclusive, a point is a neighbor.
    workers
        Threads to use; the result does not depend on it.

    Returns
    -------
    tuple
        Distances in um, float64 (N,), NaN where there is no other point; and counts, int64 (N,). Both are exact.
    """
    if len(points_um) == 0:
        return np.empty(0), np.empty(0, np.int64)
    tree = cKDTree(points_um)
    nearest, counts = np.empty(len(points_um)), np.empty(len(points_um), np.int64)
    for start in range(0, len(points_um), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        nearest[rows] = np.asarray(tree.query(points_um[rows], k=2, workers=workers)[0])[:, 1]
        counts[rows] = tree.query_ball_point(points_um[rows], radius_um, return_length=True, workers=workers) - 1
    nearest[np.isinf(nearest)] = np.nan  # there is no second one
    return nearest, counts


def density_per_mm2(count: int, area_mm2: float) -> float | None:
    """Nuclei per square millimeter of tissue; None where there is no tissue."""
    return count / area_mm2 if area_mm2 > 0 else None
