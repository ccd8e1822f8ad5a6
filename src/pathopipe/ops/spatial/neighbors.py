"""How far the neighbors of each nucleus are, how many there are, and in what it differs from them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.spatial.graph import Graph, neighbor_means, orientation_agreement

Floats = NDArray[np.float64]
NEAREST: Final = MappingProxyType({"nearest_um": 1, "nearest3_um": 3, "nearest5_um": 5})
"""Which neighbor's distance a measure is."""
WITHIN: Final = MappingProxyType({"neighbors_25um": 25.0, "neighbors_50um": 50.0, "neighbors_100um": 100.0})
"""Up to which distance in um, inclusive, a measure counts neighbors."""
_AT_ONCE: Final = 65_536


def measure_neighbors(points_um: Floats, workers: int = 1) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Find the distances to the nearest other points, and how many others lie within distances.

    Parameters
    ----------
    points_um
        float64 (N, 2), x and y in micrometers, of all nuclei of the slide.
    workers
        Threads to use; the result does not depend on it.

    Returns
    -------
    dict
        float64 (N,) per name of `NEAREST`, NaN where there are not as many others, and int64 (N,) per name of
        `WITHIN`. All are exact.
    """
    from scipy.spatial import cKDTree

    count, most = len(points_um), max(NEAREST.values())
    distances, counts = np.full((count, most + 1), np.inf), np.zeros((count, len(WITHIN)), np.int64)
    tree = cKDTree(points_um)
    for start in range(0, count, _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        distances[rows] = tree.query(points_um[rows], k=most + 1, workers=workers)[0]
        for place, radius in enumerate(WITHIN.values()):
            found = tree.query_ball_point(points_um[rows], radius, return_length=True, workers=workers)
            counts[rows, place] = found - 1
    distances[np.isinf(distances)] = np.nan  # there are not so many
    nearest = {name: np.ascontiguousarray(distances[:, number]) for name, number in NEAREST.items()}
    return nearest | {name: np.ascontiguousarray(counts[:, place]) for place, name in enumerate(WITHIN)}


def differences(values: Mapping[str, Floats], graph: Graph) -> dict[str, Floats]:
    """By how much values (N,) differ from the mean of the neighbors in a graph; NaN without neighbors.

    An ``orientation_deg`` has the mean of cos 2(a - b) instead: 1 where the neighbors are parallel, -1 where they are
    perpendicular.
    """
    found = dict[str, Floats]()
    for name, column in values.items():
        if name == "orientation_deg":
            found["orientation_agreement"] = orientation_agreement(np.deg2rad(column), graph)
        else:
            found[f"contrast_{name}"] = column - neighbor_means(column[:, None], graph)[:, 0]
    return found


def density_per_mm2(count: int, area_mm2: float) -> float | None:
    """Nuclei per square millimeter of tissue; None where there is no tissue."""
    return count / area_mm2 if area_mm2 > 0 else None
