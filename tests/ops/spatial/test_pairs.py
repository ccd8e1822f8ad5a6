import numpy as np
import pytest
from scipy.spatial import cKDTree

from pathopipe.ops.spatial import cells
from pathopipe.ops.spatial.pairs import pair_histogram, sums_within


def scattered(count: int, side: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 2)) * side


@pytest.mark.parametrize("side", [80.0, 400.0, 3000.0])
def test_pairs_are_those_of_brute_force(side):
    points, codes = scattered(600, side) - 50.0, np.random.default_rng(1).integers(0, 3, 600)
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    np.fill_diagonal(distances, np.inf)
    histogram = pair_histogram(points, codes, 3)
    for a in range(3):
        for b in range(3):
            chosen = distances[np.ix_(codes == a, codes == b)]
            expected = np.histogram(chosen[chosen < 100], np.arange(101))[0]
            np.testing.assert_array_equal(histogram[a, b], expected)


def test_bins_include_their_lower_end():
    histogram = pair_histogram(np.array([[0.0, 0.0], [3.0, 4.0], [103.0, 4.0]]), np.zeros(3, np.int8), 1)
    assert list(np.flatnonzero(histogram[0, 0])) == [5]
    assert histogram[0, 0, 5] == 2


def test_a_pair_at_the_reach_is_in_no_bin():
    assert not pair_histogram(np.array([[0.0, 0.0], [60.0, 80.0]]), np.zeros(2, np.int8), 2).any()


def test_sums_are_those_of_a_tree():
    points = np.round(scattered(2000, 700.0) * 4) / 4  # squared distances are exact
    values = np.random.default_rng(1).random((2000, 2))
    sums, counts = sums_within(points, values, 50.0)
    near = cKDTree(points).query_ball_point(points, 50.0)
    assert list(counts) == [len(rows) for rows in near]
    np.testing.assert_allclose(sums, [values[rows].sum(0) for rows in near], rtol=1e-12)


def test_threads_change_nothing():
    points, codes = scattered(8000, 4000.0), np.random.default_rng(1).integers(0, 4, 8000)
    values = np.random.default_rng(2).random((8000, 2))
    assert np.array_equal(pair_histogram(points, codes, 4), pair_histogram(points, codes, 4, workers=2))
    one, two = sums_within(points, values, 50.0), sums_within(points, values, 50.0, workers=2)
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() == two[1].tobytes()


def test_far_apart_points_get_larger_cells(monkeypatch):
    points, codes = scattered(1500, 2000.0), np.zeros(1500, np.int64)
    histogram, (sums, counts) = pair_histogram(points, codes, 1), sums_within(points, points, 50.0)
    monkeypatch.setattr(cells, "_LARGEST_SIDE", 5)
    assert np.array_equal(pair_histogram(points, codes, 1), histogram)
    coarse = sums_within(points, points, 50.0)
    np.testing.assert_allclose(coarse[0], sums, rtol=1e-12)
    np.testing.assert_array_equal(coarse[1], counts)


@pytest.mark.parametrize("count", [0, 1])
def test_without_pairs_there_are_none(count):
    points = np.zeros((count, 2))
    assert not pair_histogram(points, np.zeros(count, np.int8), 2).any()
    sums, counts = sums_within(points, np.ones((count, 1)), 50.0)
    assert list(counts) == [1] * count
    assert list(sums[:, 0]) == [1] * count
