"""The neighbor graph of nuclei: Delaunay triangles of limited size, and what they say of each nucleus.

Two nuclei are neighbors when a Delaunay triangle with a circumradius of at most `REACH_UM` joins them: no third nucleus
lies in the circle, and the circle is no gap in the tissue (an alpha shape: Edelsbrunner, Kirkpatrick and Seidel 1983).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.spatial.triangulation import delaunay_triangles

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
    """Join neighboring points; `delaunay_triangles` says how.

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
    triangles = delaunay_triangles(points_um, reach_um, block_um, workers)
    return Graph(len(points_um), *_with_edges(triangles, len(points_um)))


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
    areas, parts = _areas_and_parts(points_um, graph.triangles)
    degree, edge_mean, edge_sd = _spread(graph.edges, edge_lengths(points_um, graph), graph.count)
    around, triangle_mean, triangle_sd = _spread(graph.triangles, areas, graph.count)
    voronoi = np.zeros(graph.count)
    _add_parts(graph.triangles, parts, voronoi)
    # The triangles close around a point where there are as many of them as edges.
    voronoi[(around != degree) | (degree == 0)] = np.nan
    values = (degree, edge_mean, edge_sd, triangle_mean, triangle_sd, voronoi)
    return dict(zip(DELAUNAY_MEASURES, values, strict=True))


def edge_lengths(points_um: Floats, graph: Graph) -> Floats:
    """Lengths (E,) of the edges."""
    return _lengths(points_um[graph.edges[:, 1]] - points_um[graph.edges[:, 0]])


def triangle_areas(points_um: Floats, graph: Graph) -> Floats:
    """Areas (T,) in um2 of the triangles."""
    return _areas_and_parts(points_um, graph.triangles)[0]


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


def _with_edges(triangles: Indices, count: int) -> tuple[Indices, Indices, Indices]:
    """Return the edges of triangles, the triangles, and the triangles of each edge."""
    keys = np.concatenate(
        [triangles[:, a].astype(np.int64) * count + triangles[:, b] for a, b in ((0, 1), (0, 2), (1, 2))]
    )
    order = np.argsort(keys)
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    edges = np.column_stack([keys[first] // count, keys[first] % count]).astype(np.int32)
    several = np.diff(first, append=len(keys)) > 1
    pairs = np.full((len(first), 2), -1, np.int32)
    pairs[:, 0] = order[first] % len(triangles)
    pairs[several, 1] = order[first[several] + 1] % len(triangles)
    pairs[several] = np.sort(pairs[several], axis=1)
    return edges, triangles, pairs


def _lengths(vectors: Floats) -> Floats:
    lengths: Floats = np.hypot(vectors[:, 0], vectors[:, 1])
    return lengths


def _ratio(dividends: Floats, divisors: Floats | Indices) -> Floats:
    """Divide; NaN where the divisor is 0."""
    ratios: Floats = np.divide(dividends, divisors, out=np.full(dividends.shape, np.nan), where=divisors > 0)
    return ratios


def _centers(points: Floats, triangles: Indices) -> Floats:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    (bx, by), (cx, cy) = (b - a).T, (c - a).T
    doubled, bb, cc = 2.0 * (bx * cy - by * cx), bx**2 + by**2, cx**2 + cy**2
    centers: Floats = a + np.column_stack([(cy * bb - by * cc) / doubled, (bx * cc - cx * bb) / doubled])
    return centers


def _spread(groups: Indices, values: Floats, count: int) -> tuple[Floats, Floats, Floats]:
    """Number, mean and standard deviation (N,) of the values (M,) over the rows of groups (M, K) that hold a point."""
    numbers, sums, squares = np.zeros(count), np.zeros(count), np.zeros(count)
    _add_values(groups, values, numbers, sums)
    means = _ratio(sums, numbers)
    _add_squares(groups, values, means, squares)
    return numbers, means, np.sqrt(_ratio(squares, numbers))


@kernel
def _areas_and_parts(points: Floats, triangles: Indices) -> tuple[Floats, Floats]:
    """Areas (T,) of triangles, and the parts (T, 3) of these that belong to the Voronoi cells of the corners."""
    areas, parts = np.empty(len(triangles)), np.empty(triangles.shape)
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
        vx, vy = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1]
        wx, wy = vx - ux, vy - uy
        doubled = abs(ux * vy - uy * vx)
        # Squared length of a side times the cotangent of the angle opposite to it.
        ab = (ux * ux + uy * uy) * (vx * wx + vy * wy) / doubled
        ac = -(vx * vx + vy * vy) * (ux * wx + uy * wy) / doubled
        bc = (wx * wx + wy * wy) * (ux * vx + uy * vy) / doubled
        areas[t] = doubled / 2.0
        parts[t, 0], parts[t, 1], parts[t, 2] = (ab + ac) / 8.0, (ab + bc) / 8.0, (ac + bc) / 8.0
    return areas, parts


@kernel
def _add_parts(groups: Indices, parts: Floats, sums: Floats) -> None:
    """Add parts (M, K) to the sums (N,) of the points in groups (M, K), in order."""
    for row in range(groups.shape[0]):
        for k in range(groups.shape[1]):
            sums[groups[row, k]] += parts[row, k]


@kernel
def _add_values(groups: Indices, values: Floats, numbers: Floats, sums: Floats) -> None:
    """Add a group's value (M,) to the sums (N,) of each point in it, and count them, in order."""
    for row in range(groups.shape[0]):
        for k in range(groups.shape[1]):
            numbers[groups[row, k]] += 1.0
            sums[groups[row, k]] += values[row]


@kernel
def _add_squares(groups: Indices, values: Floats, means: Floats, sums: Floats) -> None:
    """Add the square of a value's difference to a point's mean to the sums (N,), in order."""
    for row in range(groups.shape[0]):
        for k in range(groups.shape[1]):
            sums[groups[row, k]] += (values[row] - means[groups[row, k]]) ** 2


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
