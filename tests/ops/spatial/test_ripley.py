import math

import numpy as np
import pytest
import shapely
from scipy.spatial import cKDTree

from pathopipe.ops.spatial.pairs import pair_histogram
from pathopipe.ops.spatial.ripley import (
    clark_evans,
    disc_cover,
    empty_distances,
    j_function,
    k_function,
    k_score,
    l_minus_r,
    pair_correlation,
    reduced_sample,
)
from pathopipe.ops.spatial.window import set_covariance, window_of

SIDE = 600.0
WINDOW = window_of([shapely.box(0, 0, SIDE, SIDE)])
COVARIANCE = set_covariance(WINDOW)
AREA = SIDE**2
COVER = disc_cover(WINDOW, WINDOW.border_distances(), 100)


def histogram(points: np.ndarray) -> np.ndarray:
    return pair_histogram(points, np.zeros(len(points), np.int8), 1)[0, 0]


def score(points: np.ndarray) -> np.ndarray:
    return k_score(k_function(histogram(points), len(points), COVARIANCE), len(points), COVARIANCE, COVER)


def nearest(points: np.ndarray) -> np.ndarray:
    return cKDTree(points).query(points, k=2)[0][:, 1]


def random_points(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.random((count, 2)) * SIDE


def clustered_points(rng: np.random.Generator, parents: int, children: float, spread: float) -> np.ndarray:
    """Thomas process in a wider window, cut to this one."""
    wide = SIDE + 200
    centers = rng.random((rng.poisson(parents * (wide / SIDE) ** 2), 2)) * wide - 100
    numbers = rng.poisson(children, len(centers))
    points = np.repeat(centers, numbers, axis=0)
    points += rng.normal(0, spread, points.shape)
    return points[np.all((points >= 0) & (points < SIDE), axis=1)]


def hard_core_points(rng: np.random.Generator, tries: int, distance: float) -> np.ndarray:
    kept: list[np.ndarray] = []
    for point in random_points(rng, tries):
        if all(np.hypot(*(point - other)) >= distance for other in kept):
            kept.append(point)
    return np.array(kept)


@pytest.fixture(scope="module")
def at_random() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [random_points(rng, 1000) for _ in range(200)]


def test_k_of_random_points_is_the_area_of_the_disc(at_random):
    k = np.array([k_function(histogram(points), len(points), COVARIANCE) for points in at_random])
    r = np.arange(1, 101)
    error = k.std(0) / math.sqrt(len(k))
    assert np.all(np.abs(k.mean(0) - math.pi * r**2) < 4 * error + 1e-4 * math.pi * r**2)
    assert np.abs(l_minus_r(k.mean(0))).max() < 0.1


def test_scores_of_random_points_are_standard(at_random):
    scores = np.array([score(points) for points in at_random])
    chosen = scores[:, [9, 19, 29, 49, 99]]
    assert np.all(np.abs(chosen.mean(0)) < 0.25)
    assert np.all(np.abs(chosen.std(0) - 1) < 0.2)


def test_pair_correlation_of_random_points_is_one(at_random):
    g = np.mean([pair_correlation(histogram(points), 1000, COVARIANCE) for points in at_random], axis=0)
    assert np.all(np.isnan(g[[0, 1, 99, 100]]))
    np.testing.assert_allclose(g[2:99], 1.0, atol=0.05)


def test_clark_and_evans_of_random_points_is_one(at_random):
    found = np.array([clark_evans(nearest(points), AREA, 4 * SIDE) for points in at_random])
    assert found[:, 0].mean() == pytest.approx(1.0, abs=0.005)
    assert abs(found[:, 1].mean()) < 0.25
    assert found[:, 1].std() == pytest.approx(1.0, abs=0.2)


def test_nearest_and_empty_distances_of_random_points_are_exponential(at_random):
    border, at = WINDOW.border_distances(), (5, 10, 15, 20)
    found = []
    for points in at_random[:60]:
        g = reduced_sample(nearest(points), WINDOW.sample(border, points), at)
        f = reduced_sample(*empty_distances(cKDTree(points), WINDOW, border, 1), at)
        found.append((g, f, j_function(g, f)))
    mean = np.mean(found, axis=0)
    expected = 1 - np.exp(-1000 / AREA * math.pi * np.array(at) ** 2.0)
    np.testing.assert_allclose(mean[0], expected, atol=0.01)
    np.testing.assert_allclose(mean[1], expected, atol=0.01)
    np.testing.assert_allclose(mean[2], 1.0, atol=0.05)


def test_thomas_clusters_have_their_closed_form():
    rng, spread, parents = np.random.default_rng(1), 12.0, 60
    draws = [clustered_points(rng, parents, 15.0, spread) for _ in range(120)]
    sums = np.mean([k_function(histogram(p), len(p), COVARIANCE) * len(p) * (len(p) - 1) for p in draws], axis=0)
    k = sums / (parents * 15.0) ** 2  # with the true density, for which K is unbiased
    r = np.arange(1, 101)
    expected = math.pi * r**2 + (1 - np.exp(-(r**2) / (4 * spread**2))) * AREA / parents
    np.testing.assert_allclose(k[9:], expected[9:], rtol=0.08)
    index, standard = clark_evans(nearest(draws[0]), AREA, 4 * SIDE)
    assert index < 0.85
    assert standard < -5
    assert score(draws[0])[19] > 10


def test_a_hard_core_leaves_no_pair_within_it():
    points = hard_core_points(np.random.default_rng(2), 1500, 12.0)
    g = pair_correlation(histogram(points), len(points), COVARIANCE)
    assert not g[2:11].any()
    assert g[14] > 1
    assert l_minus_r(k_function(histogram(points), len(points), COVARIANCE))[10] == -11
    border = WINDOW.border_distances()
    shares = reduced_sample(nearest(points), WINDOW.sample(border, points), (5, 10, 20))
    assert list(shares[:2]) == [0, 0]
    f = reduced_sample(*empty_distances(cKDTree(points), WINDOW, border, 1), (5, 10, 20))
    assert np.all(j_function(shares, f)[:2] > 1)
    assert clark_evans(nearest(points), AREA, 4 * SIDE)[0] > 1.2


def test_the_correction_is_that_of_the_translations():
    """Against the sum over pairs of the area that the rectangle and itself shifted have in common."""
    points = random_points(np.random.default_rng(5), 400)
    shift = np.abs(points[:, None] - points[None])
    distances = np.hypot(shift[..., 0], shift[..., 1])
    np.fill_diagonal(distances, np.inf)
    weights = 1 / ((SIDE - shift[..., 0]) * (SIDE - shift[..., 1]))
    expected = [AREA**2 / (400 * 399) * weights[distances < r].sum() for r in range(1, 101)]
    found = k_function(histogram(points), 400, COVARIANCE)
    np.testing.assert_allclose(found[19:], expected[19:], rtol=0.01)


def test_too_few_places_give_nothing():
    border = np.full(40, 8.0)
    shares = reduced_sample(np.full(40, 3.0), border, (2, 5, 10))
    assert list(shares[:2]) == [0, 1]
    assert math.isnan(shares[2])
    assert math.isnan(j_function(np.array([0.5]), np.array([1.0]))[0])
    assert all(map(math.isnan, clark_evans(np.array([1.0]), AREA, 1.0)))
    assert all(map(math.isnan, clark_evans(np.ones(5), 0.0, 1.0)))
    for count in (0, 1):
        assert np.all(np.isnan(k_function(np.zeros(100, np.int64), count, COVARIANCE)))
        assert np.all(np.isnan(k_score(np.zeros(100), count, COVARIANCE, COVER)))
        assert np.all(np.isnan(pair_correlation(np.zeros(100, np.int64), count, COVARIANCE)))


def test_a_window_without_such_distances_gives_nothing():
    small = set_covariance(window_of([shapely.box(0, 0, 40, 40)]))
    points = np.random.default_rng(0).random((100, 2)) * 40
    k, g = k_function(histogram(points), 100, small), pair_correlation(histogram(points), 100, small)
    assert not np.isnan(k[:39]).any()
    assert np.all(np.isnan(k[60:]))
    assert np.all(np.isnan(g[60:]))


def test_where_hardly_anything_is_in_common_there_is_no_value():
    covariance = np.append(np.full(50, 1000.0), np.full(51, 0.9))
    k = k_function(np.ones(100, np.int64), 10, covariance)
    assert not np.isnan(k[:50]).any()
    assert np.all(np.isnan(k[50:]))
