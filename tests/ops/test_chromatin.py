"""How chromatin lies in nuclei, against scikit-image and scipy, and on nuclei made by hand."""

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import threshold_otsu

from pathopipe.ops.chromatin import CHROMATIN_FEATURES, LEAST_UM2, RIM_UM, measure_chromatin
from tests.ops.measured_field import MeasuredField, field, made

MPP = (0.5, 0.4)
PIXEL = MPP[0] * MPP[1]
STRONG = 0.8
CORNERS = np.ones((3, 3))


@pytest.fixture(scope="module")
def nuclei() -> MeasuredField:
    return field()


@pytest.fixture(scope="module")
def measured(nuclei: MeasuredField) -> dict[str, np.ndarray]:
    return measure_chromatin(nuclei.runs, nuclei.planes, STRONG, *MPP)


def depths(inside: np.ndarray) -> np.ndarray:
    """Distances to the outline, half a pixel short of the nearest pixel outside; beyond the image is outside."""
    return ndimage.distance_transform_edt(np.pad(inside, 1), sampling=MPP[::-1])[1:-1, 1:-1] - min(MPP) / 2


def test_all_columns_are_there(nuclei: MeasuredField, measured: dict[str, np.ndarray]) -> None:
    assert tuple(measured) == CHROMATIN_FEATURES
    for name, values in measured.items():
        assert np.isfinite(values).all() or "_shell_" in name, name
        assert not np.isinf(values).any()


def test_clumps_are_darker_than_otsus_threshold(nuclei: MeasuredField, measured: dict[str, np.ndarray]) -> None:
    plane = nuclei.planes[0].astype(np.float64)
    for label in range(1, nuclei.count + 1):
        inside, found = nuclei.labels == label, {name: values[label - 1] for name, values in measured.items()}
        values = plane[inside]
        # Their threshold is the middle of the last bin of the lower class, as ours; single precision decides ties.
        dark = inside & (plane > threshold_otsu(values, nbins=256))
        sizes = np.bincount(ndimage.label(dark, CORNERS)[0].ravel())[1:] * PIXEL
        assert found["clump_area_um2"] == pytest.approx(dark.sum() * PIXEL, abs=PIXEL * 1.01), label
        if found["clump_area_um2"] != pytest.approx(dark.sum() * PIXEL):
            continue
        assert found["clump_share"] == pytest.approx(dark.sum() / inside.sum())
        assert found["clump_count"] == (sizes >= LEAST_UM2).sum()
        assert found["clump_largest_um2"] == pytest.approx(sizes.max())
        contrast = plane[dark].mean() - plane[inside & ~dark].mean()
        assert found["clump_contrast_od"] == pytest.approx(contrast, abs=1e-9)
        assert found["clump_rim_share"] == pytest.approx((depths(inside)[dark] <= RIM_UM).mean())


def test_most_thresholds_are_exactly_those_of_scikit_image(
    nuclei: MeasuredField, measured: dict[str, np.ndarray]
) -> None:
    areas = [
        (nuclei.values(0, label) > threshold_otsu(nuclei.values(0, label), nbins=256)).sum() * PIXEL
        for label in range(1, nuclei.count + 1)
    ]
    assert np.isclose(areas, measured["clump_area_um2"]).mean() > 0.9


def test_bright_spots_are_lighter_than_the_mean_by_an_sd(
    nuclei: MeasuredField, measured: dict[str, np.ndarray]
) -> None:
    for label in range(1, nuclei.count + 1):
        inside, values = nuclei.labels == label, nuclei.values(0, label)
        bright = inside & (depths(inside) > RIM_UM) & (nuclei.planes[0] < values.mean() - values.std())
        sizes = np.bincount(ndimage.label(bright, CORNERS)[0].ravel())[1:] * PIXEL
        assert measured["bright_area_um2"][label - 1] == pytest.approx(bright.sum() * PIXEL)
        assert measured["bright_share"][label - 1] == pytest.approx(bright.sum() / inside.sum())
        assert measured["bright_count"][label - 1] == (sizes >= LEAST_UM2).sum()


@pytest.mark.parametrize(("plane", "stain"), [(0, "hematoxylin"), (1, "eosin")])
def test_shells_lie_at_equal_steps_from_the_outline(
    nuclei: MeasuredField, measured: dict[str, np.ndarray], plane: int, stain: str
) -> None:
    for label in range(1, nuclei.count + 1):
        inside, values = nuclei.labels == label, nuclei.values(plane, label)
        depth = depths(inside)[inside]
        shells = np.minimum((4 * (1 - depth / depth.max())).astype(int), 3)
        for shell in range(4):
            found = measured[f"{stain}_shell_{shell + 1}"][label - 1]
            here = values[shells == shell]
            assert found == pytest.approx(here.mean() / values.mean(), abs=1e-9) if len(here) else np.isnan(found)


def test_margination_and_displacement_are_as_defined(nuclei: MeasuredField, measured: dict[str, np.ndarray]) -> None:
    for label in range(1, nuclei.count + 1):
        inside, values = nuclei.labels == label, nuclei.values(0, label)
        rows, columns = np.nonzero(inside)
        assert measured["margination"][label - 1] == pytest.approx(
            np.corrcoef(values, -depths(inside)[inside])[0, 1], abs=1e-9
        )
        place = np.array([columns, rows]) * np.array(MPP)[:, None]
        shift = np.average(place, axis=1, weights=values) - place.mean(axis=1)
        assert measured["hematoxylin_displacement_um"][label - 1] == pytest.approx(np.hypot(*shift), abs=1e-9)
        assert measured["hematoxylin_total"][label - 1] == pytest.approx(values.sum() * PIXEL)


@pytest.mark.parametrize("shape", [(40, 1), (1, 40), (2, 30), (30, 2)])
def test_clumps_of_thin_nuclei_are_counted(shape: tuple[int, int]) -> None:
    labels = np.zeros((50, 50), np.int32)
    labels[4 : 4 + shape[0], 5 : 5 + shape[1]] = 1
    for seed in range(20):
        one = made(labels, np.random.default_rng(seed).integers(40, 200, (50, 50, 3)).astype(np.uint8))
        dark = (labels == 1) & (one.planes[0] > threshold_otsu(one.values(0, 1), nbins=256))
        sizes = np.bincount(ndimage.label(dark, CORNERS)[0].ravel())[1:] * PIXEL
        found = measure_chromatin(one.runs, one.planes, STRONG, *MPP)
        assert found["clump_area_um2"][0] == pytest.approx(dark.sum() * PIXEL)
        assert found["clump_count"][0] == (sizes >= LEAST_UM2).sum()
        assert found["clump_largest_um2"][0] == pytest.approx(sizes.max())


def drawn(dots: list[tuple[int, int]], shade: int = 60) -> MeasuredField:
    """A large pale nucleus with dark dots, at 0.25 micrometers per pixel."""
    rgb = np.full((120, 120, 3), (235, 190, 215), np.uint8)
    labels = np.zeros((120, 120), np.uint8)
    for image, value in ((labels, 1), (rgb, (170, 140, 190))):
        cv2.circle(image, (60, 60), 30, value, -1)
    for place in dots:
        cv2.circle(rgb, place, 3, (shade, 30, 100), -1)
    return made(labels.astype(np.int32), cv2.GaussianBlur(rgb, (0, 0), 1.0))


@pytest.mark.parametrize("dots", [[], [(60, 60)], [(50, 60), (70, 60)], [(50, 50), (70, 50), (60, 75)]])
def test_dark_dots_are_counted(dots: list[tuple[int, int]]) -> None:
    one = drawn(dots)
    found = measure_chromatin(one.runs, one.planes, STRONG, 0.25, 0.25)
    assert found["dot_count"].tolist() == [len(dots)]
    assert (found["dot_height"][0] > 0.05) == bool(dots)
    if dots:
        assert found["clump_count"].tolist() == [len(dots)]
        assert found["clump_rim_share"].tolist() == [0.0]
        assert found["margination"][0] < 0


def test_dots_at_the_rim_are_none() -> None:
    angles = np.arange(12) * np.pi / 6
    one = drawn([(round(60 + 29 * x), round(60 + 29 * y)) for x, y in zip(np.cos(angles), np.sin(angles), strict=True)])
    found = measure_chromatin(one.runs, one.planes, STRONG, 0.25, 0.25)
    assert found["dot_count"].tolist() == [0]
    assert found["clump_rim_share"][0] > 0.4
    assert found["margination"][0] > 0


def test_an_empty_and_a_flat_nucleus_are_measured() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[10:20, 10:20], labels[30, 30] = 1, 2
    flat = made(labels, np.full((40, 40, 3), 255, np.uint8))
    found = measure_chromatin(flat.runs, flat.planes, STRONG, *MPP)
    assert found["clump_share"].tolist() == found["dot_count"].tolist() == found["hematoxylin_total"].tolist() == [0, 0]
    assert np.isnan(found["margination"]).all()
    assert np.isnan(found["hematoxylin_shell_1"]).all()
    assert not any(np.isinf(values).any() for values in found.values())


def test_a_nucleus_measures_the_same_alone_and_elsewhere(
    nuclei: MeasuredField, measured: dict[str, np.ndarray]
) -> None:
    label = next(i for i in range(1, nuclei.count + 1) if nuclei.is_inside(i, 30))
    window = np.s_[8:254, 10:249]
    alone = made((nuclei.labels[window] == label).astype(np.int32), np.ascontiguousarray(nuclei.rgb[window]))
    again = measure_chromatin(alone.runs, alone.planes, STRONG, *MPP)
    for name, values in again.items():
        assert values[0] == measured[name][label - 1] or np.isnan([values[0], measured[name][label - 1]]).all(), name


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_changes_no_chromatin(nuclei: MeasuredField, turns: int) -> None:
    before = measure_chromatin(nuclei.runs, nuclei.planes, STRONG, *MPP)
    turned = made(np.rot90(nuclei.labels, turns).copy(), np.rot90(nuclei.rgb, turns).copy())
    size = MPP if turns == 2 else MPP[::-1]
    after = measure_chromatin(turned.runs, turned.planes, STRONG, *size)
    for name, values in before.items():
        # Single precision of the blur decides about dots; whole numbers of them, and their heights to its digits.
        np.testing.assert_allclose(after[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("mpp", [0.25, 0.5, 0.8])
def test_the_rim_is_as_wide_at_any_resolution(mpp: float) -> None:
    labels = np.zeros((200, 200), np.uint8)
    radius = 6.0 / mpp
    cv2.circle(labels, (100, 100), round(radius), 1, -1)
    image = np.random.default_rng(0).integers(60, 160, (200, 200, 3)).astype(np.uint8)
    one = made(labels.astype(np.int32), image)
    found = measure_chromatin(one.runs, one.planes, STRONG, mpp, mpp)
    rim = 1 - ((6.0 - RIM_UM) / 6.0) ** 2  # of a disc of 6 um, of which dark pixels are a random part
    assert found["clump_rim_share"][0] == pytest.approx(rim, abs=0.08)
