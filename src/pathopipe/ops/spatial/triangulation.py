"""Delaunay triangles of limited size, block by block."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]
_JITTER_UM: Final = 1e-6
_MOST_IN_ONE_NUMBER: Final = 2**21
"""Points whose numbers fit into 64 bits three at a time."""
_Job = tuple[NDArray[np.int64], NDArray[np.bool_]]


def delaunay_triangles(points_um: Floats, reach_um: float, block_um: float, workers: int = 1) -> Indices:
    """Find the Delaunay triangles (Delaunay 1934) whose circumradius is at most a reach.

    The circle of a triangle lies within twice its radius of each of its corners. So a triangle of the points of a block
    and of a halo of ``2 * reach_um`` that has a corner in the block is a Delaunay triangle of all points exactly if it
    is one of these: blocks of any size give the same triangles. Where four points lie on a circle, which has two
    triangulations, a shift by less than a picometer, which depends on the points' numbers only, decides.

    Parameters
    ----------
    points_um
        float64 (N, 2), finite. Of points at equal places only the first has triangles.
    reach_um
        Largest circumradius.
    block_um
        Side of a block; the result does not depend on it.
    workers
        Threads; the result does not depend on them.

    Returns
    -------
    int32 (T, 3), ascending within a row and from row to row.
    """
    moved = points_um + _JITTER_UM * (_noise(len(points_um)) - 0.5)
    jobs = _blocks(points_um, 2.0 * reach_um + 2.0 * _JITTER_UM, block_um)
    with ThreadPoolExecutor(max(1, workers)) as threads:
        parts = list(threads.map(_triangulation(points_um, moved, reach_um, _firsts(points_um)), jobs))
    triangles = np.concatenate([np.empty((0, 3), np.int32), *parts])
    return triangles[_order(triangles, len(points_um))]


def _order(triangles: Indices, count: int) -> NDArray[np.int64]:
    """Order (T,) of triangles by their corners, of which there are so many."""
    if count > _MOST_IN_ONE_NUMBER:
        return np.lexsort(triangles.T[::-1])
    a, b, c = triangles.T.astype(np.int64)
    return np.argsort((a * count + b) * count + c)  # no two are equal, and this takes a tenth of the time


def _firsts(points: Floats) -> NDArray[np.bool_]:
    """Whether each point (N,) is the first at its place."""
    order = np.argsort(points[:, 0])
    same = np.diff(points[order, 0]) == 0
    shared = np.unique(np.concatenate([order[:-1][same], order[1:][same]]))
    firsts = np.ones(len(points), np.bool_)
    firsts[shared] = False
    firsts[shared[np.unique(points[shared], axis=0, return_index=True)[1]]] = True
    return firsts


def _noise(count: int) -> Floats:
    """Return numbers (count, 2) from 0 to 1 that look random and depend on the row only (SplitMix64, Steele 2014)."""
    state = np.arange(1, 2 * count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64).reshape(count, 2) / 2.0**53


def _blocks(points: Floats, halo: float, side: float) -> Iterator[_Job]:
    """Yield for each block with points the indices of its points and its halo's, ascending, and which are its own."""
    if len(points) == 0:
        return
    side = max(side, halo)
    cells = np.floor(points / side).astype(np.int64)
    cells -= cells.min(0)
    width = int(cells[:, 0].max()) + 3
    keys = (cells[:, 1] + 1) * width + cells[:, 0] + 1
    order = np.argsort(keys)
    ranked = keys[order]
    offsets = [dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    corner = np.floor(points / side).min(0)
    for key in np.unique(ranked):
        around = [slice(*np.searchsorted(ranked, (key + offset, key + offset + 1))) for offset in offsets]
        near = np.concatenate([order[rows] for rows in around])
        low = side * (corner + np.array([key % width - 1, key // width - 1]))
        inside = np.all((points[near] >= low - halo) & (points[near] <= low + side + halo), axis=1)
        chosen = np.sort(near[inside])
        yield chosen, keys[chosen] == key


def _triangulation(points: Floats, moved: Floats, reach: float, firsts: NDArray[np.bool_]) -> Callable[[_Job], Indices]:
    """Return what finds a block's triangles: small enough, and with the corner of the lowest index in the block."""

    def of_block(job: _Job) -> Indices:
        chosen, own = job
        chosen, own = chosen[firsts[chosen]], own[firsts[chosen]]
        simplices = _delaunay(moved[chosen] - points[chosen[0]] if len(chosen) else moved[:0])
        simplices.sort(axis=1)
        simplices = simplices[own[simplices[:, 0]]]
        triangles = chosen[simplices].astype(np.int32)
        return triangles[_circumradii(points, triangles) <= reach]

    return of_block


def _delaunay(points: Floats) -> Indices:
    """Triangulate; int32 (T, 3), none where all points lie on a line."""
    from scipy.spatial import Delaunay, QhullError

    if len(points) < 3:
        return np.empty((0, 3), np.int32)
    try:
        return np.asarray(Delaunay(points).simplices, np.int32)
    except QhullError:
        return np.empty((0, 3), np.int32)


def _circumradii(points: Floats, triangles: Indices) -> Floats:
    """Radii (T,) of the circles through the corners; NaN where these lie on a line."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    ab, ac, bc = b - a, c - a, c - b
    doubled = np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    product = np.hypot(ab[:, 0], ab[:, 1]) * np.hypot(ac[:, 0], ac[:, 1]) * np.hypot(bc[:, 0], bc[:, 1])
    radii: Floats = np.divide(product, 2.0 * doubled, out=np.full(len(a), np.nan), where=doubled > 0)
    return radii
