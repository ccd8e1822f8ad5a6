import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pathopipe.ops.spatial.graph import neighbor_graph, neighbor_means
from pathopipe.ops.spatial.neighbors import NEAREST, WITHIN, density_per_mm2, differences, measure_neighbors


def brute_force(points: np.ndarray) -> dict[str, np.ndarray]:
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    np.fill_diagonal(distances, np.inf)
    ordered = np.pad(np.sort(distances, axis=1)[:, :-1], ((0, 0), (0, 5)), constant_values=np.nan)
    nearest = {name: ordered[:, number - 1] for name, number in NEAREST.items()}
    return nearest | {name: (distances <= radius).sum(1) for name, radius in WITHIN.items()}


def bytes_of(found: dict[str, np.ndarray], rows: np.ndarray | slice = slice(None)) -> dict[str, bytes]:
    return {name: values[rows].tobytes() for name, values in found.items()}


# Quarters of a micrometer: squared distances are exact, so the two ways must agree at the radius itself.
quarters = st.integers(0, 1200).map(lambda value: value / 4)


@settings(max_examples=60, deadline=None)
@given(points=arrays(np.float64, st.tuples(st.integers(2, 40), st.just(2)), elements=quarters))
def test_neighbors_are_those_of_brute_force(points):
    found, expected = measure_neighbors(points), brute_force(points)
    assert list(found) == list(expected) == [*NEAREST, *WITHIN]
    for name in NEAREST:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-14, err_msg=name)
    for name in WITHIN:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_a_neighbor_at_the_radius_counts_and_one_beyond_does_not():
    found = measure_neighbors(np.array([[0.0, 0.0], [30.0, 40.0], [0.0, 50.5]]))
    assert list(found["neighbors_50um"]) == [1, 2, 1]


def test_nuclei_at_the_same_place_are_neighbors_at_distance_zero():
    found = measure_neighbors(np.zeros((3, 2)))
    assert list(found["nearest_um"]) == [0, 0, 0]
    assert np.all(np.isnan(found["nearest3_um"]))
    assert list(found["neighbors_25um"]) == [2, 2, 2]


def test_the_order_of_the_nuclei_changes_nothing():
    points = np.random.default_rng(1).random((500, 2)) * 400
    order = np.random.default_rng(2).permutation(500)
    assert bytes_of(measure_neighbors(points[order])) == bytes_of(measure_neighbors(points), order)


@pytest.mark.parametrize("count", [0, 1])
def test_without_others_there_is_no_distance(count):
    found = measure_neighbors(np.zeros((count, 2)))
    assert all(values.shape == (count,) for values in found.values())
    assert all(np.all(np.isnan(found[name])) for name in NEAREST)
    assert not any(found[name].any() for name in WITHIN)


def test_density_is_per_square_millimeter():
    assert density_per_mm2(500, 0.25) == 2000
    assert density_per_mm2(0, 2.0) == 0
    assert density_per_mm2(3, 0.0) is None


def test_pieces_and_threads_change_nothing(monkeypatch):
    points = np.random.default_rng(1).random((500, 2)) * 400
    whole = measure_neighbors(points)
    monkeypatch.setattr("pathopipe.ops.spatial.neighbors._AT_ONCE", 64)
    assert bytes_of(measure_neighbors(points, workers=2)) == bytes_of(whole)


def test_a_nucleus_differs_from_the_mean_of_its_neighbors():
    x, y = np.meshgrid(np.arange(4.0), np.arange(4.0))
    points = np.column_stack([x.ravel() * 10 + y.ravel(), y.ravel() * 10])
    graph = neighbor_graph(points)
    values = np.random.default_rng(3).random(16)
    found = differences({"area_um2": values, "orientation_deg": np.full(16, 33.0)}, graph)
    assert list(found) == ["contrast_area_um2", "orientation_agreement"]
    np.testing.assert_allclose(found["contrast_area_um2"], values - neighbor_means(values[:, None], graph)[:, 0])
    np.testing.assert_allclose(found["orientation_agreement"], 1.0)
