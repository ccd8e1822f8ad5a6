import math

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pathopipe.ops.spatial.clusters import cluster_measures, dense_clusters


def blobs(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centers = rng.random((12, 2)) * 800
    points = np.vstack([rng.random((500, 2)) * 800, *(rng.normal(center, 18, (60, 2)) for center in centers)])
    return rng.permutation(points)


def brute_force(points: np.ndarray, eps: float, fewest: int) -> np.ndarray:
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    near = distances <= eps
    cores = np.flatnonzero(near.sum(1) >= fewest)
    _, parts = connected_components(coo_array(near[np.ix_(cores, cores)]))
    labels = np.full(len(points), -1)
    for i in range(len(points)):
        k = int(distances[i, cores].argmin())
        if distances[i, cores[k]] <= eps:
            labels[i] = parts[k]
    named: dict[int, int] = {}
    return np.array([-1 if label < 0 else named.setdefault(label, len(named)) for label in labels])


@pytest.mark.parametrize(("eps", "fewest"), [(15.0, 10), (25.0, 5), (8.0, 3), (400.0, 10)])
def test_clusters_are_those_of_brute_force(eps, fewest):
    for seed in range(3):
        points = np.round(blobs(seed) * 2) / 2  # many distances are equal
        np.testing.assert_array_equal(dense_clusters(points, eps, fewest), brute_force(points, eps, fewest))


def test_of_cores_as_near_as_each_other_the_first_has_the_point():
    left, right = np.tile([[0.0, 0.0]], (3, 1)), np.tile([[20.0, 0.0]], (3, 1))
    points = np.vstack([right, left, [[10.0, 0.0]]])
    assert list(dense_clusters(points, 10.0, 4)) == [0] * 7  # it joins both: it is a core itself
    beyond = np.tile([[25.0, 0.0]], (6, 1)), np.tile([[-5.0, 0.0]], (6, 1))
    apart = np.vstack([right, beyond[0], left, beyond[1], [[10.0, 0.0]]])
    assert list(dense_clusters(apart, 10.0, 10)) == [0] * 9 + [1] * 9 + [0]
    nearer = np.vstack([right - [1.0, 0.0], beyond[0], left, beyond[1], [[9.0, 0.0]]])
    assert list(dense_clusters(nearer, 10.0, 10)) == [0] * 9 + [1] * 10


def test_measures_by_hand():
    square = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    points = np.vstack([square, square + 100, [[105.0, 105.0]], [[500.0, 500.0]]])
    labels = dense_clusters(points, 15.0, 3)
    found = cluster_measures(points, labels)
    assert found == {
        "clusters": 2.0,
        "clustered_share": 0.9,
        "cluster_median": 4.5,
        "cluster_largest": 5.0,
        "cluster_radius_median_um": pytest.approx((math.sqrt(50) + math.sqrt(40)) / 2),
        "cluster_radius_largest_um": pytest.approx(math.sqrt(40)),
    }


def test_threads_turns_and_shifts_change_nothing():
    points = blobs()
    labels = dense_clusters(points)
    assert labels.tobytes() == dense_clusters(points, workers=2).tobytes()
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    moved = points @ turn.T + np.array([5000.0, -700.0])
    np.testing.assert_array_equal(dense_clusters(moved), labels)
    ours, theirs = cluster_measures(points, labels), cluster_measures(moved, labels)
    assert theirs == pytest.approx(ours, rel=1e-9)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_few_points_have_no_cluster(count):
    points = np.zeros((count, 2))
    labels = dense_clusters(points)
    assert list(labels) == [-1] * count
    found = cluster_measures(points, labels)
    assert found["clusters"] == 0
    assert math.isnan(found["cluster_median"])
    assert found["clustered_share"] == 0 or count == 0


def test_points_at_one_place_are_a_cluster():
    found = cluster_measures(np.ones((10, 2)), dense_clusters(np.ones((10, 2))))
    assert found["clusters"] == 1
    assert found["cluster_radius_largest_um"] == 0
