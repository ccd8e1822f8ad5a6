import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pathopipe.ops.spatial.neighbors import density_per_mm2, measure_neighbors


def brute_force(points: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    np.fill_diagonal(distances, np.inf)
    return distances.min(1), (distances <= radius).sum(1)


# Quarters of a micrometer: squared distances are exact, so the two ways must agree at the radius itself.
quarters = st.integers(0, 1200).map(lambda value: value / 4)


@settings(max_examples=60, deadline=None)
@given(points=arrays(np.float64, st.tuples(st.integers(2, 40), st.just(2)), elements=quarters))
def test_neighbors_are_those_of_brute_force(points):
    nearest, counts = measure_neighbors(points, 50.0)
    expected_nearest, expected_counts = brute_force(points, 50.0)
    np.testing.assert_allclose(nearest, expected_nearest, rtol=1e-14)
    np.testing.assert_array_equal(counts, expected_counts)


def test_a_neighbor_at_the_radius_counts_and_one_beyond_does_not():
    _, counts = measure_neighbors(np.array([[0.0, 0.0], [30.0, 40.0], [0.0, 50.5]]), 50.0)
    assert list(counts) == [1, 2, 1]


def test_nuclei_at_the_same_place_are_neighbors_at_distance_zero():
    nearest, counts = measure_neighbors(np.zeros((3, 2)), 50.0)
    assert list(nearest) == [0, 0, 0]
    assert list(counts) == [2, 2, 2]


def test_the_order_of_the_nuclei_changes_nothing():
    points = np.random.default_rng(1).random((500, 2)) * 400
    order = np.random.default_rng(2).permutation(500)
    nearest, counts = measure_neighbors(points, 50.0)
    shuffled = measure_neighbors(points[order], 50.0)
    assert shuffled[0].tobytes() == nearest[order].tobytes()
    assert shuffled[1].tobytes() == counts[order].tobytes()


@pytest.mark.parametrize("count", [0, 1])
def test_without_others_there_is_no_distance(count):
    nearest, counts = measure_neighbors(np.zeros((count, 2)), 50.0)
    assert nearest.shape == counts.shape == (count,)
    assert np.all(np.isnan(nearest))
    assert not counts.any()


def test_density_is_per_square_millimeter():
    assert density_per_mm2(500, 0.25) == 2000
    assert density_per_mm2(0, 2.0) == 0
    assert density_per_mm2(3, 0.0) is None


def test_pieces_and_threads_change_nothing(monkeypatch):
    points = np.random.default_rng(1).random((500, 2)) * 400
    nearest, counts = measure_neighbors(points, 50.0)
    monkeypatch.setattr("pathopipe.ops.spatial.neighbors._AT_ONCE", 64)
    pieces = measure_neighbors(points, 50.0, workers=2)
    assert pieces[0].tobytes() == nearest.tobytes()
    assert pieces[1].tobytes() == counts.tobytes()
