"""Places where nuclei lie densely: DBSCAN (Ester, Kriegel, Sander and Xu 1996)."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.spatial.cells import sort_into_cells
from pathopipe.ops.spatial.pairs import sums_within

EPS_UM: Final = 15.0
FEWEST_NEAR: Final = 10
"""Ten nuclei within 15 um of one are 14,000 per mm2, more than three times as many as tissue has in general (4,000 per
mm2): lymphoid aggregates and crowded glands, where nuclei of 7 um touch each other. At random 0.3% of the nuclei of
ordinary tissue have as many."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Labels = NDArray[np.int64]


def dense_clusters(
    points_um: Floats, eps_um: float = EPS_UM, fewest_near: int = FEWEST_NEAR, workers: int = 1
) -> Labels:
    """Label clusters of points.

    A point with at least ``fewest_near`` points within ``eps_um`` (inclusive, itself counted) is a core. Cores within
    ``eps_um`` of each other are in one cluster. Other points within ``eps_um`` of a core are in the cluster of the
    nearest one (of the first in the points' order, where several are as near), which the original leaves open.

    Returns
    -------
    int64 (N,), clusters from 0 on in the order of their first point, -1 for points in none.
    """
    cells = sort_into_cells(points_um, eps_um)
    _, counts = sums_within(points_um, np.empty((len(points_um), 0)), eps_um, workers)
    cores = counts[cells.order] >= fewest_near
    parents = np.arange(len(points_um))
    _join_cores(cells.points, cells.starts, cores, eps_um * eps_um, parents)
    ranked = np.full(len(points_um), -1, np.int64)
    _assign(cells.points, cells.order, cells.starts, cores, eps_um * eps_um, parents, ranked)
    labels = cells.unsorted(ranked)
    clustered = np.flatnonzero(labels >= 0)
    _, first, inverse = np.unique(labels[clustered], return_index=True, return_inverse=True)
    labels[clustered] = np.argsort(np.argsort(first))[inverse.ravel()]
    return labels


def cluster_measures(points_um: Floats, labels: Labels) -> dict[str, float]:
    """Measure clusters.

    Returns
    -------
    dict
        ``clusters``: their number; ``clustered_share``: share of the points that are in one; ``cluster_median``,
        ``cluster_largest``: points in the median and in the largest; ``cluster_radius_median_um``,
        ``cluster_radius_largest_um``: radius of gyration (root of the mean squared distance from the center) of the
        median, and of the cluster with most points (the first of these). NaN where there is no cluster, or no point.
    """
    clustered = labels >= 0
    number = int(labels.max()) + 1 if len(labels) else 0
    found = {
        "clusters": float(number),
        "clustered_share": int(np.count_nonzero(clustered)) / len(labels) if len(labels) else math.nan,
    }
    if number == 0:
        names = ("cluster_median", "cluster_largest", "cluster_radius_median_um", "cluster_radius_largest_um")
        return found | dict.fromkeys(names, math.nan)
    of, points = labels[clustered], points_um[clustered]
    sizes = np.bincount(of)
    centers = np.column_stack([np.bincount(of, points[:, axis]) / sizes for axis in (0, 1)])
    squares = ((points - centers[of]) ** 2).sum(axis=1)
    radii = np.sqrt(np.bincount(of, squares) / sizes)
    return found | {
        "cluster_median": float(np.median(sizes)),
        "cluster_largest": float(sizes.max()),
        "cluster_radius_median_um": float(np.median(radii)),
        "cluster_radius_largest_um": float(radii[sizes.argmax()]),
    }


@kernel
def _root(parents: Counts, i: int) -> int:
    """Find the first of a set, and shorten the path to it."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@kernel
def _join_cores(points: Floats, starts: Counts, cores: NDArray[np.bool_], squared_eps: float, parents: Counts) -> None:
    """Join the sets of all cores that are near each other."""
    rows, columns = starts.shape[0], starts.shape[1] - 1
    for row in range(rows):
        for column in range(columns):
            left, right = max(column - 1, 0), min(column + 2, columns)
            for i in range(starts[row, column], starts[row, column + 1]):
                if not cores[i]:
                    continue
                for below in range(row, min(row + 2, rows)):
                    begin = i + 1 if below == row else starts[below, left]
                    for j in range(begin, starts[below, right]):
                        squared = (points[j, 0] - points[i, 0]) ** 2 + (points[j, 1] - points[i, 1]) ** 2
                        if cores[j] and squared <= squared_eps:
                            a, b = _root(parents, i), _root(parents, j)
                            parents[max(a, b)] = min(a, b)


@kernel
def _assign(
    points: Floats,
    order: Counts,
    starts: Counts,
    cores: NDArray[np.bool_],
    squared_eps: float,
    parents: Counts,
    labels: Labels,
) -> None:
    """Label cores by their set, and points near a core as the nearest one."""
    rows, columns = starts.shape[0], starts.shape[1] - 1
    for row in range(rows):
        for column in range(columns):
            left, right = max(column - 1, 0), min(column + 2, columns)
            for i in range(starts[row, column], starts[row, column + 1]):
                if cores[i]:
                    labels[i] = _root(parents, i)
                    continue
                best, least = -1, squared_eps
                for near in range(max(row - 1, 0), min(row + 2, rows)):
                    for j in range(starts[near, left], starts[near, right]):
                        squared = (points[j, 0] - points[i, 0]) ** 2 + (points[j, 1] - points[i, 1]) ** 2
                        if not cores[j] or squared > least:
                            continue
                        if best < 0 or squared < least or order[j] < order[best]:
                            best, least = j, squared
                if best >= 0:
                    labels[i] = _root(parents, best)
