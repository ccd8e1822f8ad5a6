import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from shapely import MultiPoint, Polygon, convex_hull, minimum_rotated_rectangle
from skimage.measure import regionprops

from pathopipe.ops.contour import CONTOUR_FEATURES, measure_contours
from pathopipe.ops.outline import Outlines
from tests.ops.strategies import label_images, outlines
from tests.ops.test_shape import blobs, ellipse

FOURIER = CONTOUR_FEATURES[-6:]
SMOOTH = CONTOUR_FEATURES[6:12]
mpps = st.sampled_from([(1.0, 1.0), (0.25, 0.25), (0.5, 0.3), (0.2, 0.7)])


def measured(rings: Outlines, mpp_x: float = 1.0, mpp_y: float = 1.0) -> dict[str, np.ndarray]:
    return measure_contours(rings.coords, rings.offsets, mpp_x, mpp_y)


def one(points: np.ndarray, mpp_x: float = 1.0, mpp_y: float = 1.0) -> dict[str, float]:
    columns = measure_contours(points, np.array([0, len(points)]), mpp_x, mpp_y)
    return {name: float(column[0]) for name, column in columns.items()}


def oval(semi_x: float, semi_y: float, count: int = 2000) -> np.ndarray:
    angle = 2 * math.pi * np.arange(count) / count
    return np.column_stack([semi_x * np.cos(angle), semi_y * np.sin(angle)])


def rotated(points: np.ndarray, angle: float) -> np.ndarray:
    cosine, sine = math.cos(angle), math.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def rings_of(rings: Outlines, mpp_x: float, mpp_y: float) -> list[np.ndarray]:
    return [part * (mpp_x, mpp_y) for part in np.split(rings.coords, rings.offsets[1:-1]) if len(part)]


def along(ring: np.ndarray, count: int, begin: float) -> np.ndarray:
    """Points at equal distances, in another way than in the code: by numpy's interpolation, from a share of the way."""
    lengths = np.hypot(*np.diff(ring, axis=0).T)
    passed = np.concatenate([[0], np.cumsum(lengths)])
    at = (np.arange(count) / count + begin) % 1 * passed[-1]
    return np.column_stack([np.interp(at, passed, ring[:, axis]) for axis in range(2)])


def smooth_measures(points: np.ndarray, length: float, area: float, limit: float) -> tuple[float, ...]:
    """What is measured of the smooth outline, by scipy and shapely."""
    sigma = min(max(1 / length, 1 / 32), 1 / 16) * len(points)
    smooth = gaussian_filter1d(points, sigma, axis=0, mode="wrap", truncate=math.ceil(4 * sigma) / sigma)
    left = Polygon(smooth).exterior.is_ccw * 2 - 1
    left *= abs(0.5 * np.sum(smooth[:, 0] * np.roll(smooth[:, 1], -1) - smooth[:, 1] * np.roll(smooth[:, 0], -1)))
    smooth = smooth * math.sqrt(area / max(left, area / 4))
    before, after = smooth - np.roll(smooth, 1, 0), np.roll(smooth, -1, 0) - smooth
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    a, b, c = (np.hypot(*side.T) for side in (before, after, before + after))
    with np.errstate(invalid="ignore", divide="ignore"):
        bend = np.clip(np.where(a * b * c > 0, 2 * cross / (a * b * c), limit), -limit, limit)
    share = (a + b) / (2 * a.sum())
    mean, squared = share @ bend, share @ bend**2
    return (
        min(MultiPoint(smooth).convex_hull.length / a.sum(), 1),
        share @ abs(bend),
        math.sqrt(max(squared - mean**2, 0)),
        bend.max(),
        share @ (bend < -0.05),
        squared * (a.sum() / (2 * math.pi)) ** 2,
    )


@settings(max_examples=60, deadline=None)
@given(label_images(), mpps)
def test_random_nuclei_measure_as_in_shapely(labels, mpp):
    rings = outlines(labels)
    shapes = measured(rings, *mpp)
    for i, ring in enumerate(rings_of(rings, *mpp)):
        polygon = Polygon(ring)
        hull = convex_hull(polygon)
        corners = np.array(hull.exterior.coords)
        assert shapes["convex_area_um2"][i] == pytest.approx(hull.area, rel=1e-9)
        rectangle = minimum_rotated_rectangle(polygon).area
        assert shapes["rectangularity"][i] == pytest.approx(min(polygon.area / rectangle, 1), rel=1e-9)
        widest = max(np.hypot(*(corners - corner).T).max() for corner in corners)
        assert shapes["feret_max_um"][i] == pytest.approx(widest, rel=1e-9)
        edges = np.diff(corners, axis=0)
        normals = np.column_stack([edges[:, 1], -edges[:, 0]]) / np.hypot(*edges.T)[:, None]
        assert shapes["feret_min_um"][i] == pytest.approx(np.ptp(corners @ normals.T, axis=0).min(), rel=1e-9)
        assert all(np.isfinite(column[i]) for column in shapes.values())


def test_irregular_regions_measure_as_in_scikit_image_but_for_half_a_pixel():
    """It takes hulls of pixels' corners or edges, we that of the outline through the midpoints of edges."""
    labels, _ = blobs(3)
    shapes = measured(outlines(labels))
    for i, region in enumerate(regionprops(labels)):
        assert region.feret_diameter_max - 1.5 < shapes["feret_max_um"][i] < region.feret_diameter_max + 1
        length = shapes["feret_max_um"][i]
        assert region.area_convex - 2 * length - 2 < shapes["convex_area_um2"][i] <= region.area_convex + 1e-9


@settings(max_examples=25, deadline=None)
@given(label_images(), mpps)
def test_radii_and_the_smooth_outline_are_measured_as_defined(labels, mpp):
    rings = outlines(labels)
    shapes = measured(rings, *mpp)
    for i, ring in enumerate(rings_of(rings, *mpp)):
        polygon, center = Polygon(ring), np.array(Polygon(ring).centroid.coords[0])
        distances = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(ring, axis=0).T))])
        close = []
        for begin in distances[:-1] / distances[-1]:
            points = along(ring, 64, begin)
            radii = np.hypot(*(points - center).T)
            expected = radii.mean(), radii.std() / radii.mean()
            expected += smooth_measures(points, polygon.length, polygon.area, 4 / min(mpp))
            got = [shapes[name][i] for name in ("radius_mean_um", "radius_cv", *SMOOTH)]
            close.append(np.allclose(got, expected, rtol=1e-6, atol=1e-6))
        # From which of its points on is not told here.
        assert any(close)


@settings(max_examples=60, deadline=None)
@given(label_images(), mpps)
def test_fourier_energies_are_those_of_the_points_along_the_outline(labels, mpp):
    rings = outlines(labels)
    shapes = measured(rings, *mpp)
    for i, ring in enumerate(rings_of(rings, *mpp)):
        points = along(ring, 4096, 0)
        series = np.fft.fft(points[:, 0] + 1j * points[:, 1])
        energies = [abs(series[k]) ** 2 + abs(series[-k]) ** 2 for k in range(1, 8)]
        expected = np.array(energies[1:]) / energies[0]
        np.testing.assert_allclose([shapes[name][i] for name in FOURIER], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("radius", [0.5, 3, 20])
def test_a_circle_measures_by_the_book(radius):
    circle = one(oval(radius, radius))
    assert circle["feret_max_um"] == pytest.approx(2 * radius)
    assert circle["feret_min_um"] == pytest.approx(2 * radius, rel=1e-5)
    assert circle["convex_area_um2"] == pytest.approx(math.pi * radius**2, rel=1e-5)
    assert circle["rectangularity"] == pytest.approx(math.pi / 4, rel=1e-5)
    assert circle["radius_mean_um"] == pytest.approx(radius, rel=1e-5)
    assert circle["radius_cv"] < 1e-5
    assert circle["convexity"] == pytest.approx(1, abs=1e-12)
    # The smooth outline has 64 corners on a circle of a little more than the radius.
    for name in ("curvature_mean_per_um", "curvature_max_per_um"):
        assert circle[name] == pytest.approx(1 / radius, rel=1e-3)
    assert circle["curvature_sd_per_um"] < 1e-3 / radius
    assert circle["bending_energy"] == pytest.approx(1, rel=1e-3)
    assert circle["concave_share"] == 0
    assert [circle[name] for name in FOURIER] == pytest.approx([0] * 6, abs=1e-9)


def test_a_rectangle_measures_by_the_book():
    rectangle = one(rotated(np.array([[0, 0], [8, 0], [8, 6], [0, 6]]), 0.3))
    assert rectangle["feret_max_um"] == pytest.approx(10)
    assert rectangle["feret_min_um"] == pytest.approx(6)
    assert rectangle["convex_area_um2"] == pytest.approx(48)
    assert rectangle["rectangularity"] == pytest.approx(1)
    assert rectangle["convexity"] == pytest.approx(1)
    assert [rectangle[f"fourier_{k}"] for k in (2, 4, 6)] == pytest.approx([0, 0, 0], abs=1e-12)
    # Kuhl and Giardina's sums for a square: the harmonics 3, 5 and 7 go down with the fourth power.
    square = one(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]))
    assert [square[f"fourier_{k}"] for k in (3, 5, 7)] == pytest.approx([3**-4, 5**-4, 7**-4])


@pytest.mark.parametrize(("radius", "bound"), [(8.5, 0.15), (16.5, 0.08), (60.5, 0.03)])
def test_a_disc_of_pixels_measures_like_a_circle(radius, bound):
    disc = {name: column[0] for name, column in measured(outlines(ellipse(radius, radius)), 0.25, 0.25).items()}
    for name in ("feret_max_um", "feret_min_um"):
        assert disc[name] == pytest.approx(radius / 2, rel=bound)
    assert disc["convex_area_um2"] == pytest.approx(math.pi * radius**2 / 16, rel=2 * bound)
    assert disc["radius_mean_um"] == pytest.approx(radius / 4, rel=bound)
    assert disc["radius_cv"] < bound / 3
    assert disc["convexity"] > 1 - bound / 20
    assert disc["curvature_mean_per_um"] == pytest.approx(4 / radius, rel=bound)
    assert disc["curvature_sd_per_um"] < 4 / radius / 6
    assert disc["bending_energy"] == pytest.approx(1, rel=bound / 2)
    assert disc["concave_share"] == 0
    assert max(disc[name] for name in FOURIER) < bound / 50


@settings(max_examples=30, deadline=None)
@given(turn=st.floats(0, math.pi), squeeze=st.floats(0.5, 2.0))
def test_a_large_ellipse_measures_the_same_in_any_direction_and_on_pixels_of_unequal_sides(turn, squeeze):
    """Semi-axes 10 and 6 um, pixels of 0.2 um by that times ``squeeze``, against a polygon of 2000 corners."""
    reach = 60
    y, x = np.mgrid[-reach : reach + 1, -round(reach / squeeze) : round(reach / squeeze) + 1] * 0.2
    x = x * squeeze
    u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    mask = np.pad((u / 10) ** 2 + (v / 6) ** 2 <= 1, 1).astype(np.int32)
    pixels, exact = measured(outlines(mask), 0.2 * squeeze, 0.2), one(oval(10, 6))
    bounds = dict.fromkeys(CONTOUR_FEATURES, 0.05) | {"curvature_max_per_um": 0.35, "curvature_sd_per_um": 0.15}
    bounds |= {"feret_max_um": 0.5, "feret_min_um": 0.5, "convex_area_um2": 8.0, "radius_mean_um": 0.15}
    bounds |= dict.fromkeys(FOURIER, 0.004) | {"bending_energy": 0.1}
    for name, bound in bounds.items():
        relative = exact[name] if name.startswith(("curvature", "bending")) else 1
        assert pixels[name][0] == pytest.approx(exact[name], abs=bound * relative), name


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 2 * math.pi), st.floats(0.2, 5))
def test_a_polygon_turned_and_scaled_keeps_its_form(angle, scale):
    points = np.array([[0, 0], [7, 1], [9, 5], [5, 4], [4, 8], [-2, 6], [1, 4]], float)
    here, there = one(points), one(rotated(points, angle) * scale + (30, -8))
    units = {"area": 2, "feret": 1, "radius_m": 1}
    for name in CONTOUR_FEATURES:
        if name not in SMOOTH:
            power = next((power for begin, power in units.items() if begin in name), 0) * (1 if "um" in name else 0)
            power = 2 if name == "convex_area_um2" else power
            assert there[name] == pytest.approx(here[name] * scale**power, rel=1e-9, abs=1e-12), name
    turned = one(rotated(points, angle))
    for name in SMOOTH:
        assert turned[name] == pytest.approx(here[name], rel=1e-6), name


@settings(max_examples=60, deadline=None)
@given(label_images())
def test_a_quarter_turn_changes_nothing(labels):
    turned = np.ascontiguousarray(np.rot90(labels))
    here, there = measured(outlines(labels), 0.5, 0.3), measured(outlines(turned), 0.3, 0.5)
    for name in CONTOUR_FEATURES:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(label_images(), st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)))
def test_where_a_nucleus_lies_and_what_lies_beside_it_changes_no_bit(labels, origin):
    here, there = measured(outlines(labels), 0.5, 0.49), measured(outlines(labels, origin=origin), 0.5, 0.49)
    assert all(here[name].tobytes() == there[name].tobytes() for name in CONTOUR_FEATURES)
    for i in range(int(labels.max())):
        alone = measured(outlines((labels == i + 1).astype(np.int32)), 0.5, 0.49)
        assert all(alone[name].tobytes() == here[name][i : i + 1].tobytes() for name in CONTOUR_FEATURES)


@settings(max_examples=60, deadline=None)
@given(label_images(8), st.integers(0, 40))
def test_where_a_ring_begins_which_way_it_runs_and_whether_it_is_closed_changes_nothing(labels, begin):
    rings = outlines(labels)
    for ring in np.split(rings.coords, rings.offsets[1:-1]):
        if len(ring):
            expected = one(ring, 0.5, 0.49)
            assert one(ring[:-1], 0.5, 0.49) == one(np.repeat(ring, 2, axis=0), 0.5, 0.49) == expected
            rolled = np.roll(ring[:-1], begin, axis=0)
            for other in (rolled, rolled[::-1].copy()):
                assert one(other, 0.5, 0.49) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(label_images(), mpps)
def test_measures_stay_in_their_ranges(labels, mpp):
    shapes = measured(outlines(labels), *mpp)
    for name in ("rectangularity", "convexity"):
        assert ((shapes[name] > 0) & (shapes[name] <= 1)).all()
    assert ((shapes["concave_share"] >= 0) & (shapes["concave_share"] <= 1)).all()
    assert all((shapes[name] >= 0).all() for name in FOURIER)
    assert (shapes["feret_min_um"] <= shapes["feret_max_um"] * (1 + 1e-12)).all()
    assert (abs(shapes["curvature_max_per_um"]) <= 4 / min(mpp)).all()
    assert (shapes["curvature_mean_per_um"] <= 4 / min(mpp)).all()
    assert (shapes["bending_energy"] > 0.9).all()


def test_a_notch_makes_an_outline_concave():
    whole = ellipse(16, 16)
    notched = whole.copy()
    notched[12:24, 20:] = 0
    round_, dented = measured(outlines(whole), 0.25, 0.25), measured(outlines(notched), 0.25, 0.25)
    assert round_["concave_share"][0] == 0
    assert 0.1 < dented["concave_share"][0] < 0.4
    assert dented["convexity"][0] < 0.9 < round_["convexity"][0]
    assert dented["bending_energy"][0] > 2 * round_["bending_energy"][0]
    assert dented["curvature_max_per_um"][0] > 2 * round_["curvature_max_per_um"][0]


def test_a_single_pixel_and_a_row_have_numbers():
    labels = np.zeros((5, 12), np.int32)
    labels[1, 1], labels[3, 1:10] = 1, 2
    shapes = measured(outlines(labels), 0.5, 0.5)
    assert list(shapes["feret_max_um"]) == [0.5, 4.5]
    assert shapes["feret_min_um"] == pytest.approx([0.5 * math.sqrt(0.5), 0.5])
    assert shapes["convex_area_um2"] == pytest.approx([0.125, 2.125])
    assert all(np.isfinite(column).all() for column in shapes.values())


def test_what_encloses_nothing_gets_nan():
    parts = [[], [[1, 1]], [[1, 1], [2, 2]], [[0, 0], [4, 2], [2, 1]], [[0, 0], [2, 0], [0, 2e-6]]]
    coords = np.array([point for part in parts for point in part], float)
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    for column in measure_contours(coords, offsets, 0.5, 0.5).values():
        assert np.isnan(column).tolist() == [True, True, True, True, False]


def test_no_rings_give_empty_columns():
    shapes = measure_contours(np.zeros((0, 2)), np.zeros(1, np.int64), 0.5, 0.5)
    assert tuple(shapes) == CONTOUR_FEATURES
    assert [column.shape for column in shapes.values()] == [(0,)] * len(CONTOUR_FEATURES)


def test_wrong_rings_are_refused():
    ring = np.array([[0, 0], [2, 0], [0, 2.0]])
    for offsets in ([0, 2], [1, 3], [0, 4], [0, 3, 2, 3]):
        with pytest.raises(ValueError, match="offsets must rise"):
            measure_contours(ring, np.array(offsets), 0.5, 0.5)
    with pytest.raises(ValueError, match="finite"):
        measure_contours(ring * np.nan, np.array([0, 3]), 0.5, 0.5)
