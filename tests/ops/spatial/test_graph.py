import warnings

import numpy as np
import pytest
from scipy.spatial import Delaunay, Voronoi

from pathopipe.ops.spatial import triangulation
from pathopipe.ops.spatial.graph import (
    DELAUNAY_MEASURES,
    delaunay_measures,
    dual_lengths,
    edge_lengths,
    neighbor_graph,
    neighbor_means,
    orientation_agreement,
)


def scattered(count: int, side: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 2)) * side


def lattice(side: int, spacing: float) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) * spacing


def circumradius(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    sides = np.linalg.norm(a - b), np.linalg.norm(b - c), np.linalg.norm(a - c)
    half = sum(sides) / 2
    area = np.sqrt(half * np.prod([half - side for side in sides]))
    return np.prod(sides) / (4 * area)


@pytest.mark.parametrize("block", [120.0, 333.3, 1000.0, 5000.0])
@pytest.mark.parametrize("density", [0.0004, 0.004])
def test_blocks_give_the_triangles_of_the_whole(block, density):
    points = scattered(int(density * 1500**2), 1500.0) - 400.0
    whole = np.sort(Delaunay(points).simplices, axis=1)
    small = np.array([row for row in whole if circumradius(*points[row]) <= 50.0])
    expected = small[np.lexsort(small.T[::-1])]
    graph = neighbor_graph(points, block_um=block)
    np.testing.assert_array_equal(graph.triangles, expected)
    edges = {tuple(sorted(pair)) for row in expected for pair in (row[[0, 1]], row[[0, 2]], row[[1, 2]])}
    assert [tuple(edge) for edge in graph.edges.tolist()] == sorted(edges)
    assert graph.edges.dtype == graph.triangles.dtype == graph.edge_triangles.dtype == np.int32


@pytest.mark.parametrize("block", [150.0, 400.0, 5000.0])
def test_blocks_agree_on_a_lattice_whose_squares_have_two_triangulations(block):
    points = lattice(40, 10.0)
    graph = neighbor_graph(points, block_um=block)
    assert len(graph.triangles) == 2 * 39 * 39
    assert len(graph.edges) == 2 * 39 * 40 + 39 * 39
    np.testing.assert_array_equal(graph.edges, neighbor_graph(points).edges)


def test_each_edge_knows_its_triangles():
    graph = neighbor_graph(scattered(500, 350.0))
    for edge, triangles in zip(graph.edges, graph.edge_triangles, strict=True):
        of_edge = np.flatnonzero(np.isin(graph.triangles, edge).sum(1) == 2)
        assert [t for t in triangles if t >= 0] == list(of_edge)


def test_a_lattice_has_its_cells_and_distances():
    points = lattice(20, 10.0)
    measures = delaunay_measures(points, neighbor_graph(points))
    inner = np.all((points > 5) & (points < 185), axis=1)
    np.testing.assert_allclose(measures["voronoi_um2"][inner], 100.0, rtol=1e-12)
    assert np.all(np.isnan(measures["voronoi_um2"][~inner]))
    np.testing.assert_allclose(measures["triangle_mean_um2"], 50.0, rtol=1e-12)
    np.testing.assert_allclose(measures["triangle_sd_um2"], 0.0, atol=1e-10)
    assert measures["degree"][inner].mean() == pytest.approx(6.0, abs=0.1)


def test_a_hexagon_by_hand():
    angles = np.arange(6) * np.pi / 3
    points = np.vstack([[0.0, 0.0], 10.0 * np.column_stack([np.cos(angles), np.sin(angles)])]) + 7.0
    graph = neighbor_graph(points)
    measures = delaunay_measures(points, graph)
    assert list(measures) == list(DELAUNAY_MEASURES)
    assert list(measures["degree"]) == [6, 3, 3, 3, 3, 3, 3]
    np.testing.assert_allclose(measures["edge_mean_um"], 10.0, rtol=1e-12)
    np.testing.assert_allclose(measures["edge_sd_um"], 0.0, atol=1e-12)
    np.testing.assert_allclose(measures["triangle_mean_um2"], 25.0 * np.sqrt(3.0), rtol=1e-12)
    np.testing.assert_allclose(measures["voronoi_um2"], [50.0 * np.sqrt(3.0), *[np.nan] * 6], rtol=1e-12)
    np.testing.assert_allclose(edge_lengths(points, graph), 10.0, rtol=1e-12)
    spokes = graph.edges[:, 0] == 0
    np.testing.assert_allclose(dual_lengths(points, graph)[spokes], 10.0 / np.sqrt(3.0), rtol=1e-12)
    assert np.all(np.isnan(dual_lengths(points, graph)[~spokes]))


def polygon_area(ring: np.ndarray) -> float:
    x, y = (ring - ring.mean(0)).T
    order = np.argsort(np.arctan2(y, x))
    x, y = x[order], y[order]
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def test_cells_and_their_sides_are_those_of_scipy():
    points = scattered(800, 450.0)
    graph = neighbor_graph(points)
    measures, lengths, voronoi = delaunay_measures(points, graph), dual_lengths(points, graph), Voronoi(points)
    closed = np.flatnonzero(~np.isnan(measures["voronoi_um2"]))
    assert len(closed) > 600
    for i in closed:
        cell = voronoi.vertices[voronoi.regions[voronoi.point_region[i]]]
        assert measures["voronoi_um2"][i] == pytest.approx(polygon_area(cell), rel=1e-8)
    sides = {
        tuple(sorted(pair)): np.linalg.norm(np.subtract(*voronoi.vertices[ridge]))
        for pair, ridge in zip(voronoi.ridge_points.tolist(), voronoi.ridge_vertices, strict=True)
        if min(ridge) >= 0
    }
    inner = ~np.isnan(lengths)
    expected = [sides[tuple(edge)] for edge in graph.edges[inner].tolist()]
    np.testing.assert_allclose(lengths[inner], expected, rtol=1e-6, atol=1e-6)


def test_means_and_spread_over_the_neighbors():
    points = scattered(300, 270.0)
    graph = neighbor_graph(points)
    values = np.random.default_rng(1).random((300, 2))
    values[::7, 1] = np.nan
    means, angles = neighbor_means(values, graph), values[:, 0] * 3.0
    agreement, measures = orientation_agreement(angles, graph), delaunay_measures(points, graph)
    for i in range(300):
        near = graph.edges[np.any(graph.edges == i, axis=1)].sum(1) - i
        known = values[near, 1][~np.isnan(values[near, 1])]
        assert means[i, 0] == pytest.approx(values[near, 0].mean())
        assert means[i, 1] == pytest.approx(known.mean())
        assert agreement[i] == pytest.approx(np.cos(2 * (angles[i] - angles[near])).mean())
        distances = np.linalg.norm(points[near] - points[i], axis=1)
        assert measures["degree"][i] == len(near)
        assert measures["edge_mean_um"][i] == pytest.approx(distances.mean())
        assert measures["edge_sd_um"][i] == pytest.approx(distances.std())


def test_turning_and_shifting_change_nothing():
    points = scattered(3000, 900.0)
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    moved = points @ turn.T + np.array([12_345.6, -777.7])
    graph, other = neighbor_graph(points), neighbor_graph(moved)
    np.testing.assert_array_equal(graph.triangles, other.triangles)
    theirs = delaunay_measures(moved, other)
    for name, values in delaunay_measures(points, graph).items():
        np.testing.assert_allclose(theirs[name], values, rtol=1e-9, atol=1e-9)


def test_threads_change_nothing():
    points = scattered(20_000, 2200.0)
    one, two = neighbor_graph(points, block_um=500.0), neighbor_graph(points, block_um=500.0, workers=2)
    assert one.edges.tobytes() == two.edges.tobytes()
    assert one.edge_triangles.tobytes() == two.edge_triangles.tobytes()


@pytest.mark.parametrize(
    "points",
    [
        np.empty((0, 2)),
        np.array([[3.0, 4.0]]),
        np.array([[3.0, 4.0], [5.0, 6.0]]),
        np.column_stack([np.arange(50.0), 2.0 * np.arange(50.0)]),
        np.column_stack([np.arange(50.0), np.zeros(50)]),
        np.zeros((40, 2)),
    ],
)
def test_without_triangles_there_are_no_neighbors(points):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph = neighbor_graph(points)
        measures = delaunay_measures(points, graph)
        means = neighbor_means(np.ones((len(points), 1)), graph)
    assert graph.edges.shape == graph.edge_triangles.shape == (0, 2)
    assert graph.triangles.shape == (0, 3)
    assert not measures.pop("degree").any()
    assert all(np.all(np.isnan(values)) for values in (*measures.values(), means))


def test_what_qhull_refuses_has_no_triangles(monkeypatch):
    monkeypatch.setattr(triangulation, "_JITTER_UM", 0.0)
    assert len(neighbor_graph(np.column_stack([np.arange(50.0), np.zeros(50)])).edges) == 0


def test_of_equal_points_the_first_has_the_neighbors():
    points = scattered(200, 220.0)
    doubled = np.vstack([points, points[:50]])
    graph = neighbor_graph(doubled)
    np.testing.assert_array_equal(graph.edges, neighbor_graph(points).edges)
    assert not delaunay_measures(doubled, graph)["degree"][200:].any()


@pytest.mark.parametrize("rows", [[], [0, 0, 0], [0, 1, 0, 2, 1, 3], [3, 2, 1, 0]])
def test_only_the_first_of_points_at_a_place_is_kept(rows):
    points = np.array([(1.0, 1.0), (1.0, 2.0), (-0.0, 5.0), (2.0, 5.0)])[rows].reshape(-1, 2)
    kept = np.flatnonzero(triangulation._firsts(points)).tolist()
    assert kept == [place for place, row in enumerate(rows) if row not in rows[:place]]


def test_triangles_of_very_many_points_are_in_the_same_order(monkeypatch):
    points = np.random.default_rng(4).uniform(0, 500, (300, 2))
    expected = neighbor_graph(points).triangles
    monkeypatch.setattr(triangulation, "_MOST_IN_ONE_NUMBER", 0)
    np.testing.assert_array_equal(neighbor_graph(points).triangles, expected)
    np.testing.assert_array_equal(np.unique(expected, axis=0), expected)


def test_gaps_are_not_bridged():
    points = np.vstack([scattered(100, 100.0), scattered(100, 100.0) + np.array([350.0, 0.0])])
    graph = neighbor_graph(points)
    assert edge_lengths(points, graph).max() <= 100.0
    assert not np.any((graph.edges[:, 0] < 100) & (graph.edges[:, 1] >= 100))
