import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from shapely import MultiPoint
from skimage.measure import label as connected
from skimage.measure import perimeter_crofton, regionprops

from pathopipe.ops.shape import SHAPE_FEATURES, hull_areas, measure_shapes
from tests.ops.strategies import label_images, outlines, runs_of_labels


def ellipse(semi_x: float, semi_y: float, turn: float = 0.0) -> np.ndarray:
    """Label image of one ellipse, semi-axes in pixels."""
    reach = math.ceil(max(semi_x, semi_y)) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    return ((u / semi_x) ** 2 + (v / semi_y) ** 2 <= 1).astype(np.int32)


def blobs(seed: int, size: int = 96) -> tuple[np.ndarray, int]:
    """Irregular 4-connected regions without holes, away from the border."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 2.5)
    mask = noise > 0.02
    mask[:2] = mask[-2:] = mask[:, :2] = mask[:, -2:] = False
    labels = connected(mask, connectivity=1)
    for region in regionprops(labels):
        box = labels[region.slice]
        hole = region.image_filled & ~region.image
        box[hole] = region.label
    labels = connected(labels > 0, connectivity=1)
    return labels.astype(np.int32), int(labels.max())


def one(labels: np.ndarray, mpp_x: float = 1.0, mpp_y: float = 1.0) -> dict[str, float]:
    return {name: float(column[0]) for name, column in measure_shapes(runs_of_labels(labels, 1), mpp_x, mpp_y).items()}


@pytest.mark.parametrize("radius", [4.4, 6.5, 8.4, 10, 15, 25])
def test_a_disc_measures_like_a_circle(radius):
    disc = one(ellipse(radius, radius), 0.5, 0.5)
    assert disc["area_um2"] == pytest.approx(math.pi * (radius * 0.5) ** 2, rel=0.05)
    assert disc["perimeter_um"] == pytest.approx(2 * math.pi * radius * 0.5, rel=0.05)
    assert disc["circularity"] > 0.93
    assert disc["eccentricity"] < 0.1
    assert disc["solidity"] > 0.93


def test_clipping_hides_no_more_than_three_percent():
    for radius in (5, 8, 10, 20):
        disc = one(ellipse(radius, radius))
        assert 4 * math.pi * disc["area_um2"] / disc["perimeter_um"] ** 2 < 1.03


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_irregular_regions_measure_as_in_scikit_image(seed):
    labels, count = blobs(seed)
    shapes = measure_shapes(runs_of_labels(labels, count), 1.0, 1.0)
    assert count > 5
    for i, region in enumerate(regionprops(labels)):
        assert shapes["area_um2"][i] == region.area
        assert shapes["perimeter_um"][i] == pytest.approx(perimeter_crofton(region.image, directions=4), rel=1e-9)
        assert shapes["major_axis_um"][i] == pytest.approx(region.axis_major_length, rel=1e-6, abs=1e-6)
        assert shapes["minor_axis_um"][i] == pytest.approx(region.axis_minor_length, rel=1e-6, abs=1e-6)
        assert shapes["eccentricity"][i] == pytest.approx(region.eccentricity, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", [4, 5])
def test_solidity_is_that_of_the_outline_through_edge_midpoints(seed):
    labels, count = blobs(seed)
    solidity = measure_shapes(runs_of_labels(labels, count), 0.5, 0.25)["solidity"]
    for i in range(count):
        ys, xs = np.nonzero(labels == i + 1)
        midpoints = np.concatenate(
            [np.column_stack([xs + dx, ys + dy]) for dx, dy in ((-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5))]
        )
        hull = MultiPoint(midpoints).convex_hull.area
        assert solidity[i] == pytest.approx((len(xs) - 0.5) / hull, rel=1e-12)
        assert 0 < solidity[i] <= 1


def test_a_notch_lowers_solidity_and_circularity():
    whole = ellipse(12, 12)
    notched = whole.copy()
    notched[10:18, 13:] = 0
    assert one(notched)["solidity"] < 0.85 < one(whole)["solidity"]
    assert one(notched)["circularity"] < 0.8


@settings(max_examples=60, deadline=None)
@given(semi_x=st.floats(4.0, 8.0), stretch=st.floats(1.0, 2.0), squeeze=st.floats(0.5, 2.0))
def test_an_ellipse_on_pixels_of_unequal_sides_measures_as_in_the_plane(semi_x, stretch, squeeze):
    """Semi-axes in um; the perimeter after Ramanujan (1914)."""
    semi_y = semi_x * stretch
    shape = one(ellipse(semi_x / (0.25 * squeeze), semi_y / 0.25), 0.25 * squeeze, 0.25)
    perimeter = math.pi * (3 * (semi_x + semi_y) - math.sqrt((3 * semi_x + semi_y) * (semi_x + 3 * semi_y)))
    assert shape["area_um2"] == pytest.approx(math.pi * semi_x * semi_y, rel=0.05)
    assert shape["perimeter_um"] == pytest.approx(perimeter, rel=0.07)
    assert shape["major_axis_um"] == pytest.approx(2 * semi_y, rel=0.05)
    assert shape["minor_axis_um"] == pytest.approx(2 * semi_x, rel=0.05)


def test_oblong_pixels_swapped_with_the_image_change_nothing():
    labels, count = blobs(6)
    shapes = measure_shapes(runs_of_labels(labels, count), 0.5, 0.25)
    flipped = measure_shapes(runs_of_labels((labels.T), count), 0.25, 0.5)
    for name in SHAPE_FEATURES:
        np.testing.assert_allclose(flipped[name], shapes[name], rtol=1e-9, atol=1e-9)


@given(down=st.integers(0, 40), right=st.integers(0, 40))
@settings(max_examples=20, deadline=None)
def test_where_a_nucleus_lies_changes_no_bit(down, right):
    labels, count = blobs(7, 48)
    moved = np.zeros((90, 90), np.int32)
    moved[down : down + 48, right : right + 48] = labels
    here, there = (
        measure_shapes(runs_of_labels(labels, count), 0.5, 0.49),
        measure_shapes(runs_of_labels(moved, count), 0.5, 0.49),
    )
    for name in SHAPE_FEATURES:
        assert here[name].tobytes() == there[name].tobytes()


def test_how_many_nuclei_there_are_changes_no_bit():
    labels, count = blobs(8)
    together = measure_shapes(runs_of_labels(labels, count), 0.5, 0.49)
    for i in range(count):
        alone = measure_shapes(runs_of_labels((labels == i + 1).astype(np.int32), 1), 0.5, 0.49)
        assert all(alone[name][0] == together[name][i] for name in SHAPE_FEATURES)


def test_touching_nuclei_are_measured_apart():
    labels = np.zeros((12, 16), np.int32)
    labels[2:10, 2:8], labels[2:10, 8:14] = 1, 2
    shapes = measure_shapes(runs_of_labels(labels, 2), 1.0, 1.0)
    assert list(shapes["area_um2"]) == [48, 48]
    assert shapes["perimeter_um"][0] == shapes["perimeter_um"][1]


def test_a_single_pixel_has_numbers_and_an_absent_nucleus_nan():
    labels = np.zeros((5, 5), np.int32)
    labels[2, 2] = 1
    shapes = measure_shapes(runs_of_labels(labels, 2), 0.5, 0.5)
    assert shapes["area_um2"][0] == 0.25
    assert shapes["eccentricity"][0] == 0
    assert shapes["solidity"][0] == 1
    assert all(np.isnan(column[1]) for column in shapes.values())


def test_no_nuclei_give_empty_columns():
    shapes = measure_shapes(runs_of_labels(np.zeros((8, 8), np.int32), 0), 0.5, 0.5)
    assert [column.shape for column in shapes.values()] == [(0,)] * len(SHAPE_FEATURES)


@settings(deadline=None, max_examples=80)
@given(label_images(), st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)))
def test_hulls_of_outlines_are_those_of_their_points(labels, origin):
    rings = outlines(labels, origin=origin)
    expected = [MultiPoint(part).convex_hull.area for part in np.split(rings.coords, rings.offsets[1:-1]) if len(part)]
    np.testing.assert_array_equal(hull_areas(rings.coords, rings.offsets), expected)
