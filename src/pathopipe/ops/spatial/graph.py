"""The neighbor graph of nuclei: Delaunay triangles of limited size, and what they say of each nucleus.

Two nuclei are neighbors when a Delaunay triangle with a circumradius of at most `REACH_UM` joins them: no third nucleus
lies in the circle, and the circle is no gap in the tissue (an alpha shape: Edelsbrunner, Kirkpatrick and Seidel 1983).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError

from pathopipe.jit import kernel

REACH_UM: Final = 50.0
"""Largest circumradius of a triangle of the graph."""
BLOCK_UM: Final = 2000.0
DELAUNAY_MEASURES: Final = (
    "degree",
    "edge_mean_um",
    "edge_sd_um",
    "triangle_mean_um2",
    "triangle_sd_um2",
    "voronoi_um2",
)

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]
_JITTER_UM: Final = 1e-6
_Job = tuple[NDArray[np.int64], NDArray[np.bool_]]


@dataclass(frozen=True)
class Graph:
    """Neighbors among N points.

    Attributes
    ----------
    count
        N.
    edges
        int32 (E, 2), i < j, in ascending order.
    triangles
        int32 (T, 3), ascending within a row and from row to row.
    edge_triangles
        int32 (E, 2), the one or two triangles of each edge; -1 where there is only one.
    """

    count: int
    edges: Indices
    triangles: Indices
    edge_triangles: Indices


def neighbor_graph(
    points_um: Floats, reach_um: float = REACH_UM, workers: int = 1, block_um: float = BLOCK_UM
) -> Graph:
    """Join neighboring points.

    The circle of a triangle lies within twice its radius of each of its corners. So a triangle of the points of a block
    and of a halo of ``2 * reach_um`` that has a corner in the block is a Delaunay triangle of all points exactly if it
    is one of these: blocks of any size give the same graph. Where four points lie on a circle, which has two
    triangulations, a shift by less than a picometer, which depends on the points' numbers only, decides.

    Parameters
    ----------
    points_um
        float64 (N, 2), finite. Of points at equal places only the first gets neighbors.
    reach_um
        Largest circumradius of a triangle.
    workers
        Threads; the result does not depend on it.
    block_um
        Side of a block; the result does not depend on it.
    """
    count = len(points_um)
    moved = points_um + _JITTER_UM * (_noise(count) - 0.5)
    jobs = _blocks(points_um, 2.0 * reach_um + 2.0 * _JITTER_UM, block_um)
    with ThreadPoolExecutor(max(1, workers)) as threads:
        parts = list(threads.map(_triangulation(points_um, moved, reach_um), jobs))
    triangles = np.concatenate([np.empty((0, 3), np.int32), *parts])
    triangles = triangles[np.lexsort(triangles.T[::-1])]
    return Graph(count, *_with_edges(triangles, count))


def delaunay_measures(points_um: Floats, graph: Graph) -> dict[str, Floats]:
    """Measure each point's neighborhood.

    Returns
    -------
    dict
        One float64 array (N,) per name of `DELAUNAY_MEASURES`.

        * ``degree``: number of neighbors, 0 where there is none.
        * ``edge_mean_um``, ``edge_sd_um``: mean and standard deviation (of all, not of a sample) of the distances to
          the neighbors; NaN without neighbors.
        * ``triangle_mean_um2``, ``triangle_sd_um2``: the same of the areas of the triangles around the point.
        * ``voronoi_um2``: area that is nearer to this point than to any other (Voronoi 1908), as the sum over the
          triangles around it of their corner's part (Meyer and others 2003); NaN where they don't close around it.
    """
    lengths, areas, parts = edge_lengths(points_um, graph), *_areas_and_parts(points_um, graph.triangles)
    degree, edge_mean, edge_sd = _spread(graph.edges, lengths, graph.count)
    around, triangle_mean, triangle_sd = _spread(graph.triangles, areas, graph.count)
    voronoi = np.zeros(graph.count)
    _add_rows(graph.triangles, parts, voronoi)
    # The triangles close around a point where there are as many of them as edges.
    voronoi[(around != degree) | (degree == 0)] = np.nan
    values = (degree, edge_mean, edge_sd, triangle_mean, triangle_sd, voronoi)
    return dict(zip(DELAUNAY_MEASURES, values, strict=True))


def edge_lengths(points_um: Floats, graph: Graph) -> Floats:
    """Lengths (E,) of the edges."""
    return _lengths(points_um[graph.edges[:, 1]] - points_um[graph.edges[:, 0]])


def neighbor_means(values: Floats, graph: Graph) -> Floats:
    """Means (N, K) of values (N, K) over the neighbors of each point; NaN is left out, and the mean of nothing."""
    sums, counts = np.zeros(values.shape), np.zeros(values.shape, np.int32)
    _sum_neighbors(np.ascontiguousarray(values, np.float64), graph.edges, sums, counts)
    return _ratio(sums, counts)


def orientation_agreement(angle_rad: Floats, graph: Graph) -> Floats:
    """Mean (N,) over the neighbors of cos 2(a - b): 1 for parallel axes, -1 for perpendicular ones, 0 for random ones.

    This is the nematic order parameter in two dimensions (de Gennes and Prost 1993), of a point's neighborhood relative
    to its own axis. NaN where the axis (N,) or that of every neighbor is NaN.
    """
    means = neighbor_means(np.column_stack([np.cos(2.0 * angle_rad), np.sin(2.0 * angle_rad)]), graph)
    agreement: Floats = np.cos(2.0 * angle_rad) * means[:, 0] + np.sin(2.0 * angle_rad) * means[:, 1]
    return agreement


def dual_lengths(points_um: Floats, graph: Graph) -> Floats:
    """Lengths (E,) of the Voronoi edges between neighbors: distances of the centers of the two triangles' circles.

    NaN where an edge has one triangle only.
    """
    centers = _centers(points_um, graph.triangles)
    lengths = np.full(len(graph.edges), np.nan)
    both = graph.edge_triangles[:, 1] >= 0
    ends = centers[graph.edge_triangles[both]]
    lengths[both] = _lengths(ends[:, 0] - ends[:, 1])
    return lengths


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
    order = np.argsort(keys, kind="stable")
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


def _triangulation(points: Floats, moved: Floats, reach: float) -> Callable[[_Job], Indices]:
    """Return what finds a block's triangles: small enough, and with the corner of the lowest index in the block."""

    def of_block(job: _Job) -> Indices:
        chosen, own = job
        _, first = np.unique(points[chosen], axis=0, return_index=True)
        first.sort()
        chosen, own = chosen[first], own[first]
        simplices = _delaunay(moved[chosen] - points[chosen[0]] if len(chosen) else moved[:0])
        simplices.sort(axis=1)
        simplices = simplices[own[simplices[:, 0]]]
        triangles = chosen[simplices].astype(np.int32)
        return triangles[_circumradii(points, triangles) <= reach]

    return of_block


def _delaunay(points: Floats) -> Indices:
    """Triangulate; int32 (T, 3), none where all points lie on a line."""
    if len(points) < 3:
        return np.empty((0, 3), np.int32)
    try:
        return np.asarray(Delaunay(points).simplices, np.int32)
    except QhullError:
        return np.empty((0, 3), np.int32)


def _with_edges(triangles: Indices, count: int) -> tuple[Indices, Indices, Indices]:
    """Return the edges of triangles, the triangles, and the triangles of each edge."""
    sides = triangles[:, [0, 1, 0, 2, 1, 2]].reshape(-1, 2)
    keys = sides[:, 0].astype(np.int64) * count + sides[:, 1]
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    edges = sides[order[first]]
    several = np.diff(first, append=len(keys)) > 1
    pairs = np.full((len(first), 2), -1, np.int32)
    pairs[:, 0] = order[first] // 3
    pairs[several, 1] = order[first[several] + 1] // 3
    return edges, triangles, pairs


def _lengths(vectors: Floats) -> Floats:
    lengths: Floats = np.hypot(vectors[:, 0], vectors[:, 1])
    return lengths


def _ratio(dividends: Floats, divisors: Floats | Indices) -> Floats:
    """Divide; NaN where the divisor is 0."""
    ratios: Floats = np.divide(dividends, divisors, out=np.full(dividends.shape, np.nan), where=divisors > 0)
    return ratios


def _circumradii(points: Floats, triangles: Indices) -> Floats:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    ab, ac, bc = b - a, c - a, c - b
    doubled = np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    product = _lengths(ab) * _lengths(ac) * _lengths(bc)
    return _ratio(product, 2.0 * doubled)


def _centers(points: Floats, triangles: Indices) -> Floats:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    (bx, by), (cx, cy) = (b - a).T, (c - a).T
    doubled, bb, cc = 2.0 * (bx * cy - by * cx), bx**2 + by**2, cx**2 + cy**2
    centers: Floats = a + np.column_stack([(cy * bb - by * cc) / doubled, (bx * cc - cx * bb) / doubled])
    return centers


def _areas_and_parts(points: Floats, triangles: Indices) -> tuple[Floats, Floats]:
    """Areas (T,) of triangles, and the parts (T, 3) of these that belong to the Voronoi cells of the corners."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    u, v, w = b - a, c - a, c - b
    doubled = np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    squares = [np.einsum("ij,ij->i", side, side) for side in (u, v, w)]
    # Squared length of a side times the cotangent of the angle opposite to it.
    ab = squares[0] * np.einsum("ij,ij->i", v, w) / doubled
    ac = -squares[1] * np.einsum("ij,ij->i", u, w) / doubled
    bc = squares[2] * np.einsum("ij,ij->i", u, v) / doubled
    return doubled / 2.0, np.column_stack([ab + ac, ab + bc, ac + bc]) / 8.0


def _spread(groups: Indices, values: Floats, count: int) -> tuple[Floats, Floats, Floats]:
    """Number, mean and standard deviation (N,) of the values (M,) over the rows of groups (M, K) that hold a point."""
    numbers, means, squares = np.zeros(count), np.zeros(count), np.zeros(count)
    _add_rows(groups, np.ones(groups.shape), numbers)
    _add_rows(groups, np.broadcast_to(values[:, None], groups.shape), means)
    means = _ratio(means, numbers)
    _add_rows(groups, (values[:, None] - means[groups]) ** 2, squares)
    return numbers, means, np.sqrt(_ratio(squares, numbers))


@kernel
def _add_rows(groups: Indices, values: Floats, sums: Floats) -> None:
    """Add values (M, K) to the sums (N,) of the points in groups (M, K), in order."""
    for row in range(groups.shape[0]):
        for k in range(groups.shape[1]):
            sums[groups[row, k]] += values[row, k]


@kernel
def _sum_neighbors(values: Floats, edges: Indices, sums: Floats, counts: Indices) -> None:
    """Add each point's values that are numbers to the sums (N, K) of its neighbors, and count them."""
    for e in range(len(edges)):
        i, j = edges[e, 0], edges[e, 1]
        for k in range(values.shape[1]):
            if not np.isnan(values[j, k]):
                sums[i, k] += values[j, k]
                counts[i, k] += 1
            if not np.isnan(values[i, k]):
                sums[j, k] += values[i, k]
                counts[j, k] += 1
