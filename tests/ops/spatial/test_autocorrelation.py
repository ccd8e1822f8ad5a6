import math

import numpy as np
import pytest

from pathopipe.ops.spatial.autocorrelation import (
    CRITICAL,
    QUADRANTS,
    autocorrelation,
    hot_spot_scores,
    local_moran,
    quadrant_shares,
    weights_of,
)
from pathopipe.ops.spatial.graph import Graph, neighbor_graph

POINTS = np.random.default_rng(0).random((400, 2)) * 320
GRAPH = neighbor_graph(POINTS)


def matrix(graph: Graph) -> np.ndarray:
    w = np.zeros((graph.count, graph.count))
    w[graph.edges[:, 0], graph.edges[:, 1]] = w[graph.edges[:, 1], graph.edges[:, 0]] = 1
    return w


def smooth_values(seed: int = 1) -> np.ndarray:
    return np.sin(POINTS[:, 0] / 60) + np.cos(POINTS[:, 1] / 40) + np.random.default_rng(seed).normal(0, 0.5, 400)


def test_the_indices_are_their_definitions():
    values, w = smooth_values(), matrix(GRAPH)
    found = autocorrelation(values, weights_of(values, GRAPH))
    z = values - values.mean()
    assert found.moran_i == pytest.approx(400 / w.sum() * (z @ w @ z) / (z @ z), rel=1e-12)
    squares = (values[:, None] - values[None]) ** 2
    assert found.geary_c == pytest.approx(399 / (2 * w.sum()) * (w * squares).sum() / (z @ z), rel=1e-12)
    assert found.moran_i > 0.4
    assert found.moran_z > 10
    assert found.geary_c < 0.6
    assert found.geary_z < -8


def test_scores_are_standard_over_orders_of_the_values():
    """Skewed values, so that the kurtosis counts."""
    values, rng = np.random.default_rng(1).exponential(size=400) ** 2, np.random.default_rng(2)
    found = []
    for _ in range(1500):
        shuffled = rng.permutation(values)
        result = autocorrelation(shuffled, weights_of(shuffled, GRAPH))
        found.append((result.moran_z, result.geary_z))
    np.testing.assert_allclose(np.mean(found, axis=0), 0, atol=0.1)
    np.testing.assert_allclose(np.std(found, axis=0), 1, atol=0.08)


def test_what_has_no_value_is_left_out():
    values = smooth_values()
    values[::5] = np.nan
    values[3] = np.inf
    known = np.flatnonzero(np.isfinite(values))
    weights = weights_of(values, GRAPH)
    assert set(weights.chosen) <= set(known)
    w = matrix(GRAPH)[np.ix_(weights.chosen, weights.chosen)]
    np.testing.assert_array_equal(w.sum(1), weights.degree)
    assert np.all(weights.degree > 0)
    z = values[weights.chosen] - values[weights.chosen].mean()
    expected = len(z) / w.sum() * (z @ w @ z) / (z @ z)
    assert autocorrelation(values, weights).moran_i == pytest.approx(expected, rel=1e-12)


def test_local_moran_is_its_definition_and_its_score_that_of_drawing_the_neighbors():
    values, w = smooth_values(), matrix(GRAPH)
    local, scores = local_moran(values, weights_of(values, GRAPH))
    z = (values - values.mean()) / values.std()
    np.testing.assert_allclose(local, z * (w @ z), rtol=1e-10)
    rng, i = np.random.default_rng(3), 17
    others = np.delete(z, i)
    degree = int(w[i].sum())
    draws = z[i] * np.array([rng.permutation(others)[:degree].sum() for _ in range(20_000)])
    assert scores[i] == pytest.approx((local[i] - draws.mean()) / draws.std(), abs=0.05)


def test_kinds_of_local_association():
    """A high and a low half, and in the middle of each one point of the other kind."""
    values = np.where(POINTS[:, 0] < 160, 1.0, 0.0) + np.random.default_rng(1).normal(0, 0.05, 400)
    odd = [int(np.hypot(*(POINTS - place).T).argmin()) for place in ((80, 160), (240, 160))]
    values[odd[0]], values[odd[1]] = 0.0, 1.0
    weights = weights_of(values, GRAPH)
    shares = quadrant_shares(values, weights)
    assert tuple(shares) == QUADRANTS
    assert shares["low_high"] >= 1 / 400
    assert shares["high_low"] >= 1 / 400
    assert shares["high_high"] > 0.1
    assert shares["low_low"] > 0.1
    z = values - values.mean()
    lag = matrix(GRAPH) @ z
    significant = np.abs(local_moran(values, weights)[1]) > CRITICAL
    quadrants = ((z > 0) & (lag > 0), (z <= 0) & (lag <= 0), (z > 0) & (lag <= 0), (z <= 0) & (lag > 0))
    expected = [np.count_nonzero(significant & quadrant) / 400 for quadrant in quadrants]
    assert list(shares.values()) == expected


def test_hot_spots_are_their_definition():
    values = smooth_values()
    values[5] = np.nan
    scores = hot_spot_scores(POINTS, values)
    known = np.flatnonzero(~np.isnan(values))
    distances = np.hypot(*(POINTS[known][:, None] - POINTS[known][None]).transpose(2, 0, 1))
    w, x, n = (distances <= 50).astype(float), values[known], len(known)
    spread = x.std() * np.sqrt((n * w.sum(1) - w.sum(1) ** 2) / (n - 1))
    np.testing.assert_allclose(scores[known], (w @ x - x.mean() * w.sum(1)) / spread, rtol=1e-8, atol=1e-10)
    assert math.isnan(scores[5])
    assert hot_spot_scores(POINTS, values, workers=2).tobytes() == scores.tobytes()


def test_hot_spots_of_several_measures_are_those_of_each():
    values = smooth_values()
    columns = np.column_stack([values, np.full(400, 0.5), values**2])
    columns[5] = np.nan
    scores = hot_spot_scores(POINTS, columns)
    for column, each in zip(scores.T, columns.T, strict=True):
        np.testing.assert_array_equal(column, hot_spot_scores(POINTS, each))
    assert np.isfinite(scores).sum(axis=0).tolist() == [399, 0, 399]


def test_turning_and_shifting_change_nothing():
    values = smooth_values()
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    moved = POINTS @ turn.T + np.array([5000.0, -800.0])
    one = autocorrelation(values, weights_of(values, GRAPH))
    graph = neighbor_graph(moved)
    assert autocorrelation(values, weights_of(values, graph)) == one
    np.testing.assert_allclose(hot_spot_scores(moved, values), hot_spot_scores(POINTS, values), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, np.nan])
def test_equal_values_have_no_autocorrelation(value):
    values = np.full(400, value)
    weights = weights_of(values, GRAPH)
    found = autocorrelation(values, weights)
    assert all(map(math.isnan, (found.moran_i, found.moran_z, found.geary_c, found.geary_z)))
    assert all(map(math.isnan, quadrant_shares(values, weights).values()))
    assert np.all(np.isnan(hot_spot_scores(POINTS, values)))


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_points_have_no_autocorrelation(count):
    points, values = POINTS[:count], np.arange(float(count))
    graph = neighbor_graph(points, reach_um=1e6)
    weights = weights_of(values, graph)
    assert math.isnan(autocorrelation(values, weights).moran_i)
    assert math.isnan(quadrant_shares(values, weights)["high_high"])
    assert np.all(np.isnan(hot_spot_scores(points, values)))
