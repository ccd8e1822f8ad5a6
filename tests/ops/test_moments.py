import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import regionprops

from pathopipe.ops.moments import MOMENT_FEATURES, ZERNIKE, measure_moments
from pathopipe.ops.shape import measure_shapes
from tests.ops.strategies import label_images, runs_of_labels
from tests.ops.test_shape import blobs, ellipse

ZERNIKES = MOMENT_FEATURES[-len(ZERNIKE) :]
# Magnitudes in the order of `ZERNIKE`, from mahotas 1.4.19 on pixels drawn as 64 by 64: recipes/shape_references.py.
SHAPES = {
    "hook": ("#####", "#....", "#....", "###..", "###.."),
    "drop": ("..#...", ".###..", "####..", "######", ".#####", "..##.."),
}
MAHOTAS = {
    "hook": "0.427190 0.104271 0.139359 0.084578 0.027899 0.254972 0.074057 "
    "0.233069 0.113093 0.063921 0.366248 0.272086 0.112586 0.048108",
    "drop": "0.380381 0.073929 0.049447 0.054932 0.012978 0.098253 0.071586 "
    "0.032663 0.041211 0.022805 0.087503 0.048737 0.129900 0.052260",
}


def one(mask: np.ndarray, mpp_x: float = 1.0, mpp_y: float = 1.0) -> dict[str, float]:
    columns = measure_moments(runs_of_labels(np.pad(mask, 1).astype(np.int32), 1), mpp_x, mpp_y)
    return {name: float(column[0]) for name, column in columns.items()}


def box(rows: int, columns: int) -> np.ndarray:
    return np.ones((rows, columns), np.int32)


def turned(degrees: float, by: float) -> float:
    """Angle between two directions without a sign, from -90 to 90."""
    return (degrees - by + 90) % 180 - 90


def subsampled(mask: np.ndarray, mpp_x: float, mpp_y: float, fine: int) -> dict[str, float]:
    """Compactness and Zernike magnitudes by the definition, summed over points within pixels."""
    ys, xs = np.nonzero(np.kron(mask, np.ones((fine, fine), bool)))
    x, y = (xs + 0.5) * mpp_x / fine, (ys + 0.5) * mpp_y / fine
    x, y, area = x - x.mean(), y - y.mean(), mask.sum() * mpp_x * mpp_y
    rows, columns = np.nonzero(mask)
    corners = [(rows - rows.mean() + dy, columns - columns.mean() + dx) for dy in (-0.5, 0.5) for dx in (-0.5, 0.5)]
    reach = max(np.hypot(across * mpp_x, down * mpp_y).max() for down, across in corners)
    radius, angle = np.hypot(x, y) / reach, np.arctan2(y, x)
    result = {"compactness": area / (2 * math.pi * (x * x + y * y).mean())}
    for (n, m), name in zip(ZERNIKE, ZERNIKES, strict=True):
        polynomial = sum(
            (-1) ** s
            * math.factorial(n - s)
            / (math.factorial(s) * math.factorial((n + m) // 2 - s) * math.factorial((n - m) // 2 - s))
            * radius ** (n - 2 * s)
            for s in range((n - m) // 2 + 1)
        )
        result[name] = (n + 1) / math.pi * abs((polynomial * np.exp(-1j * m * angle)).mean())
    return result


@settings(max_examples=40, deadline=None)
@given(label_images(), st.sampled_from([(1.0, 1.0), (0.25, 0.25), (0.5, 0.3)]))
def test_random_nuclei_measure_as_in_scikit_image_and_scipy(labels, mpp):
    measured = measure_moments(runs_of_labels(labels, int(labels.max())), *mpp)
    axes = measure_shapes(runs_of_labels(labels, int(labels.max())), *mpp)
    for i, region in enumerate(regionprops(labels, spacing=(mpp[1], mpp[0]))):
        diameter = math.sqrt(4 * region.num_pixels * mpp[0] * mpp[1] / math.pi)
        assert measured["equivalent_diameter_um"][i] == pytest.approx(diameter, rel=1e-12)
        assert measured["extent"][i] == region.num_pixels / region.image.size
        if region.num_pixels > 1:
            ratio = axes["minor_axis_um"][i] / axes["major_axis_um"][i]
            assert measured["elongation"][i] == pytest.approx(1 - ratio, abs=1e-7)
        direction = measured["orientation_deg"][i]
        tensor = region.inertia_tensor
        if math.hypot(tensor[0, 0] - tensor[1, 1], 2 * tensor[0, 1]) > 1e-9 * np.trace(tensor):
            assert 0 <= direction < 180
            # scikit-image counts from the rows' axis, towards the columns' one.
            assert turned(direction, 90 - math.degrees(region.orientation)) == pytest.approx(0, abs=1e-6)
        else:
            assert math.isnan(direction) or region.num_pixels > 1
        assert all(math.isfinite(column[i]) for name, column in measured.items() if name != "orientation_deg")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_irregular_regions_measure_as_in_scikit_image(seed):
    labels, count = blobs(seed)
    measured = measure_moments(runs_of_labels(labels, count), 1.0, 1.0)
    assert count > 5
    for i, region in enumerate(regionprops(labels)):
        if region.area < 5:
            continue
        assert measured["equivalent_diameter_um"][i] == pytest.approx(region.equivalent_diameter_area, rel=1e-12)
        assert measured["extent"][i] == region.extent
        assert measured["elongation"][i] == pytest.approx(1 - region.axis_minor_length / region.axis_major_length)
        expected = 90 - math.degrees(region.orientation)
        assert turned(measured["orientation_deg"][i], expected) == pytest.approx(0, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(label_images(), st.sampled_from([(1.0, 1.0), (0.5, 0.3), (0.2, 0.7)]))
def test_the_inscribed_radius_is_the_distance_to_what_is_outside(labels, mpp):
    """Every pixel's center against every pixel outside, which is a rectangle."""
    radii = measure_moments(runs_of_labels(labels, int(labels.max())), *mpp)["inscribed_radius_um"]
    for i, radius in enumerate(radii):
        mask = np.pad(labels == i + 1, 1)
        inside, outside = np.argwhere(mask)[:, None], np.argwhere(~mask)[None]
        gaps = np.maximum(np.abs(inside - outside) - 0.5, 0) * (mpp[1], mpp[0])
        assert radius == pytest.approx(np.hypot(*np.moveaxis(gaps, 2, 0)).min(1).max(), rel=1e-12)


@pytest.mark.parametrize("seed", [4, 5])
def test_the_inscribed_radius_of_larger_regions_keeps_half_a_pixel_to_a_distance_transform(seed):
    labels, count = blobs(seed, 160)
    radii = measure_moments(runs_of_labels(labels, count), 1.0, 1.0)["inscribed_radius_um"]
    for i in range(count):
        centers = ndimage.distance_transform_edt(labels == i + 1).max()
        assert centers - math.sqrt(0.5) - 1e-9 <= radii[i] <= centers - 0.5 + 1e-9


@settings(max_examples=25, deadline=None)
@given(label_images(12), st.sampled_from([(1.0, 1.0), (0.5, 0.3)]))
def test_moments_are_integrals_over_the_pixels(labels, mpp):
    measured = measure_moments(runs_of_labels(labels, int(labels.max())), *mpp)
    for i in range(int(labels.max())):
        for name, expected in subsampled(labels == i + 1, *mpp, fine=24).items():
            assert measured[name][i] == pytest.approx(expected, abs=4e-3)


@pytest.mark.parametrize("name", SHAPES)
def test_zernike_magnitudes_are_those_of_mahotas(name):
    mask = np.array([[character == "#" for character in row] for row in SHAPES[name]])
    measured = one(mask, 0.5, 0.5)
    expected = [float(value) for value in MAHOTAS[name].split()]
    assert [measured[zernike] for zernike in ZERNIKES] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(("radius", "bound"), [(5.5, 0.05), (15.5, 0.02), (60.5, 0.005)])
def test_a_disc_measures_like_a_circle(radius, bound):
    disc = one(ellipse(radius, radius), 0.5, 0.5)
    assert disc["equivalent_diameter_um"] == pytest.approx(radius, rel=bound)
    # Pixels on the edge cut in by up to one.
    assert radius / 2 - 0.5 < disc["inscribed_radius_um"] <= radius / 2 + 0.1
    assert disc["extent"] == pytest.approx(math.pi / 4, rel=2 * bound)
    assert disc["elongation"] == 0
    assert math.isnan(disc["orientation_deg"])
    assert 1 - bound < disc["compactness"] <= 1
    # The farthest corner lies beyond the disc's edge.
    assert all(disc[name] < 3 / radius for name in ZERNIKES)


@pytest.mark.parametrize("size", [1, 3, 7, 31])
def test_a_square_measures_by_the_book(size):
    square = one(box(size, size), 0.5, 0.5)
    assert square["equivalent_diameter_um"] == pytest.approx(size / math.sqrt(math.pi))
    assert square["extent"] == 1
    assert square["compactness"] == pytest.approx(3 / math.pi)
    assert square["inscribed_radius_um"] == size / 4
    assert math.isnan(square["orientation_deg"])
    # Of a square with corners on the unit circle: means of 2 r^2 - 1 and r^4 exp(4 i angle).
    assert square["zernike_20"] == pytest.approx(1 / math.pi)
    assert square["zernike_44"] == pytest.approx(1 / (3 * math.pi))
    assert [square[f"zernike_{k}"] for k in (22, 31, 33, 42, 51, 53, 55, 62, 66)] == pytest.approx([0] * 9, abs=1e-13)


@pytest.mark.parametrize("length", [2, 5, 40])
def test_a_row_of_pixels_is_a_rectangle(length):
    for mask, direction in ((box(1, length), 0), (box(length, 1), 90)):
        row = one(mask, 0.5, 0.5)
        assert row["elongation"] == 1
        assert row["orientation_deg"] == pytest.approx(direction)
        assert row["inscribed_radius_um"] == 0.25
        assert row["compactness"] == pytest.approx(6 * length / (math.pi * (length**2 + 1)))
        assert all(math.isfinite(value) for value in row.values())


@settings(max_examples=40, deadline=None)
@given(turn=st.floats(0, math.pi), squeeze=st.floats(0.5, 2.0))
def test_a_large_ellipse_measures_the_same_in_any_direction_and_on_pixels_of_unequal_sides(turn, squeeze):
    """Semi-axes 10 and 6 um, pixels of 0.2 um by that times ``squeeze``."""
    reach = 60
    y, x = np.mgrid[-reach : reach + 1, -round(reach / squeeze) : round(reach / squeeze) + 1] * 0.2
    x = x * squeeze
    u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    shape = one((u / 10) ** 2 + (v / 6) ** 2 <= 1, 0.2 * squeeze, 0.2)
    assert turned(shape["orientation_deg"], math.degrees(turn)) == pytest.approx(0, abs=1.0)
    assert shape["elongation"] == pytest.approx(0.4, abs=0.01)
    assert shape["compactness"] == pytest.approx(2 * 60 / 136, abs=0.008)
    assert shape["inscribed_radius_um"] == pytest.approx(6, abs=0.4)
    assert shape["equivalent_diameter_um"] == pytest.approx(2 * math.sqrt(60), rel=0.006)
    # Means of 2 r^2 - 1 and r^2 exp(2 i angle) in an ellipse with semi-axes 1 and 0.6.
    assert shape["zernike_20"] == pytest.approx(3 / math.pi * (1 - 2 * 0.34), abs=0.045)
    assert shape["zernike_22"] == pytest.approx(3 / math.pi * 0.16, abs=0.015)
    assert all(shape[name] < 0.01 for name in ("zernike_31", "zernike_33", "zernike_51", "zernike_53", "zernike_55"))


@settings(max_examples=60, deadline=None)
@given(label_images())
def test_a_quarter_turn_changes_the_direction_alone(labels):
    count = int(labels.max())
    here = measure_moments(runs_of_labels(labels, count), 0.5, 0.3)
    there = measure_moments(runs_of_labels((np.rot90(labels)), count), 0.3, 0.5)
    for name in MOMENT_FEATURES:
        expected = (here[name] + 90) % 180 if name == "orientation_deg" else here[name]
        if name == "orientation_deg":
            # 0 and 180 are one direction.
            np.testing.assert_allclose((there[name] - expected + 90) % 180, np.where(np.isnan(expected), np.nan, 90))
        else:
            np.testing.assert_allclose(there[name], expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(label_images(), st.integers(0, 30), st.integers(0, 30))
def test_where_a_nucleus_lies_and_what_lies_beside_it_changes_no_bit(labels, down, right):
    count = int(labels.max())
    here = measure_moments(runs_of_labels(labels, count), 0.5, 0.49)
    moved = np.zeros((60, 60), np.int32)
    moved[down : down + labels.shape[0], right : right + labels.shape[1]] = labels
    there = measure_moments(runs_of_labels(moved, count), 0.5, 0.49)
    assert all(here[name].tobytes() == there[name].tobytes() for name in MOMENT_FEATURES)
    for i in range(count):
        alone = measure_moments(runs_of_labels((labels == i + 1).astype(np.int32), 1), 0.5, 0.49)
        assert all(alone[name].tobytes() == here[name][i : i + 1].tobytes() for name in MOMENT_FEATURES)


def test_a_number_without_pixels_gets_nan_and_one_beyond_the_count_is_left_out():
    labels = np.zeros((5, 9), np.int32)
    labels[2, 2], labels[2, 5:8] = 2, 4
    measured = measure_moments(runs_of_labels(labels, 3), 0.5, 0.5)
    for name, column in measured.items():
        assert np.isnan(column[[0, 2]]).all()
        assert np.isfinite(column[1]) or name == "orientation_deg"


def test_no_nuclei_give_empty_columns():
    measured = measure_moments(runs_of_labels(np.zeros((8, 8), np.int32), 0), 0.5, 0.5)
    assert tuple(measured) == MOMENT_FEATURES
    assert [column.shape for column in measured.values()] == [(0,)] * len(MOMENT_FEATURES)
