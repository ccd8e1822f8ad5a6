import numpy as np
import pytest
import shapely

from pathopipe.ops.spatial.window import Window, set_covariance, window_of


def test_a_pixel_is_observed_if_its_center_is_in_a_polygon_and_in_no_hole():
    polygon = shapely.Polygon(shapely.box(0, 0, 40, 40).exterior, [shapely.box(8, 8, 24, 24).exterior])
    island = shapely.box(12, 12, 20, 20)
    window = window_of([polygon, island])
    x, y = np.meshgrid(np.arange(2, 40, 4), np.arange(2, 40, 4))
    expected = shapely.contains_xy(polygon, x, y) | shapely.contains_xy(island, x, y)
    np.testing.assert_array_equal(window.mask, expected)
    assert window.area_mm2 == pytest.approx((1600 - 256 + 64) / 1e6)


def test_random_polygons_are_those_of_shapely():
    rng = np.random.default_rng(3)
    for _ in range(20):
        center = rng.random((6, 2)) * 300
        shapes = shapely.union_all(shapely.buffer(shapely.points(center), 60)).difference(
            shapely.union_all(shapely.buffer(shapely.points(center[:3] + 20), 15))
        )
        polygons = [part for part in shapely.get_parts(shapes) if part.area > 0]
        window = window_of(polygons)
        height, width = window.mask.shape
        x, y = np.meshgrid(window.x0_um + 4 * (np.arange(width) + 0.5), window.y0_um + 4 * (np.arange(height) + 0.5))
        np.testing.assert_array_equal(window.mask, shapely.contains_xy(shapes, x, y))
        assert window.area_mm2 * 1e6 == pytest.approx(shapes.area, rel=0.02)
        assert window.perimeter_um == pytest.approx(shapes.length, rel=0.06)


def test_large_windows_have_larger_pixels():
    window = window_of([shapely.box(0, 0, 80_000, 100)], largest_side=1000)
    assert window.pixel_um == 80.0
    assert window.mask.shape == (2, 1000)


@pytest.mark.parametrize("polygons", [[], [shapely.Polygon()]])
def test_no_polygon_is_no_area(polygons):
    window = window_of(polygons)
    assert window.area_mm2 == 0
    assert not window.border_distances().any()
    assert not set_covariance(window).any()


def test_distance_to_the_border():
    window = window_of([shapely.box(10, 20, 210, 320)])
    points = np.array([[60.0, 170.0], [110.0, 170.0], [110.0, 24.0], [0.0, 0.0], [1e6, 5.0]])
    expected = np.array([50.0, 100.0, 4.0, 0.0, 0.0])
    distances = window.sample(window.border_distances(), points)
    np.testing.assert_allclose(distances, expected, atol=window.pixel_um)
    assert list(distances[3:]) == [0, 0]


def test_a_hole_is_a_border():
    polygon = shapely.Polygon(shapely.box(0, 0, 400, 400).exterior, [shapely.box(196, 196, 204, 204).exterior])
    window = window_of([polygon])
    assert window.sample(window.border_distances(), np.array([[230.0, 200.0]]))[0] == pytest.approx(26.0, abs=4.0)


def test_set_covariance_of_a_rectangle():
    a, b = 500.0, 300.0
    covariance = set_covariance(window_of([shapely.box(0, 0, a, b)]))
    r = np.arange(201)
    assert covariance.shape == (201,)
    # Santalo: the mean over directions of (a - r cos) (b - r sin).
    np.testing.assert_allclose(covariance, a * b - 2 * r * (a + b) / np.pi + r**2 / np.pi, rtol=2e-3)


def test_set_covariance_of_a_disc():
    radius = 300.0
    covariance = set_covariance(window_of([shapely.Point(0, 0).buffer(radius, quad_segs=64)]))
    r = np.arange(201)
    expected = 2 * radius**2 * np.arccos(r / (2 * radius)) - r / 2 * np.sqrt(4 * radius**2 - r**2)
    np.testing.assert_allclose(covariance, expected, rtol=4e-3)


def test_windows_smaller_than_the_distances_have_nothing_in_common():
    covariance = set_covariance(window_of([shapely.box(0, 0, 40, 20)]))
    assert covariance[0] == 800
    assert np.all(np.diff(covariance[:41]) < 0)
    assert not covariance[50:].any()
    one = set_covariance(Window(np.ones((1, 1), np.bool_), 0.0, 0.0, 4.0))
    assert one[0] == 16
    assert not one[7:].any()


def test_pieces_of_the_window_change_no_set_covariance(monkeypatch):
    window = window_of([shapely.Point(0, 0).buffer(300), shapely.box(500, -100, 620, 80)])
    whole = set_covariance(window)
    monkeypatch.setattr("pathopipe.ops.spatial.window._ROWS_AT_ONCE", 7)
    assert set_covariance(window).tobytes() == whole.tobytes()
