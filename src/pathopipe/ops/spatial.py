"""How nuclei lie to each other: nearest neighbor, neighbors within a distance, nuclei per area."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]


def measure_neighbors(points_um: Floats, radius_um: float) -> tuple[Floats, NDArray[np.int64]]:
    """Find every point's distance to the nearest other point, and how many others lie within a distance.

    Parameters
    ----------
    points_um
        float64 (N, 2), x and y in micrometers, of all nuclei of the slide.
    radius_um
        Distance up to which, inclusive, a point is a neighbor.

    Returns
    -------
    tuple
        Distances in um, float64 (N,), NaN where there is no other point; and counts, int64 (N,). Both are exact.
    """
    if len(points_um) == 0:
        return np.empty(0), np.empty(0, np.int64)
    tree = cKDTree(points_um)
    distances = np.asarray(tree.query(points_um, k=2)[0])
    counts = tree.query_ball_point(points_um, radius_um, return_length=True) - 1
    # A missing second neighbor comes as infinity.
    nearest = np.where(np.isfinite(distances[:, 1]), distances[:, 1], np.nan)
    return nearest, np.asarray(counts, np.int64)


def density_per_mm2(count: int, area_mm2: float) -> float | None:
    """Nuclei per square millimeter of tissue; None where there is no tissue."""
    return count / area_mm2 if area_mm2 > 0 else None
