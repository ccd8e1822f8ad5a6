"""Stain in nuclei and around them, against scipy and numpy, nucleus by nucleus."""

import numpy as np
import pytest
from scipy import ndimage, stats

from pathopipe.ops.stain import Stains, densities
from pathopipe.ops.staining import BIN_OD, PLANES, STAINING_FEATURES, measure_staining, planes_of
from pathopipe.ops.workspace import Workspace
from tests.ops.measured_field import MeasuredField, field, made
from tests.ops.strategies import runs_of_labels

MPP = (0.5, 0.4)


@pytest.fixture(scope="module")
def nuclei() -> MeasuredField:
    return field()


@pytest.fixture(scope="module")
def measured(nuclei: MeasuredField) -> dict[str, np.ndarray]:
    return measure_staining(nuclei.runs, nuclei.rgb, nuclei.planes, *MPP)


def test_planes_are_densities_to_the_last_bit(nuclei: MeasuredField) -> None:
    assert (planes_of(nuclei.rgb, Stains()) == densities(nuclei.rgb, Stains())).all()


def test_all_columns_are_there_and_finite(nuclei: MeasuredField, measured: dict[str, np.ndarray]) -> None:
    assert tuple(measured) == STAINING_FEATURES
    assert nuclei.count == 40
    assert all(np.isfinite(values).all() for values in measured.values())


@pytest.mark.parametrize("plane", range(5), ids=PLANES)
def test_distributions_are_those_of_scipy(nuclei: MeasuredField, measured: dict[str, np.ndarray], plane: int) -> None:
    name = PLANES[plane]
    for label in range(1, nuclei.count + 1):
        values, found = nuclei.values(plane, label), {key: values[label - 1] for key, values in measured.items()}
        expected = {
            "mean": values.mean(),
            "sd": values.std(),
            "skew": stats.skew(values),
            "kurtosis": stats.kurtosis(values),
        }
        expected |= {f"p{q:02}": np.quantile(values, q / 100) for q in (5, 25, 50, 75, 95)}
        shares = np.unique((values / BIN_OD).astype(int), return_counts=True)[1]
        expected["entropy"] = stats.entropy(shares, base=2)
        for statistic, value in expected.items():
            assert found[f"{name}_{statistic}"] == pytest.approx(value, rel=1e-9, abs=1e-9), (label, statistic)


@pytest.mark.parametrize("plane", [0, 4])
def test_edges_are_drops_across_the_outline(nuclei: MeasuredField, measured: dict[str, np.ndarray], plane: int) -> None:
    image = nuclei.planes[plane].astype(np.float64)
    for label in range(1, nuclei.count + 1):
        inside, drops = nuclei.labels == label, []
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            shown = np.ones_like(inside)
            edge = [slice(None), slice(None)]
            edge[axis] = 0 if step == 1 else -1
            shown[tuple(edge)] = False
            across = inside & shown & ~np.roll(inside, step, axis)
            drops += (image - np.roll(image, step, axis))[across].tolist()
        assert measured[f"{PLANES[plane]}_edge"][label - 1] == pytest.approx(np.mean(drops), abs=1e-9)


def assert_surroundings(field: MeasuredField, found: dict[str, np.ndarray], label: int, width: int) -> None:
    inside = field.labels == label
    distance = ndimage.distance_transform_edt(~inside, sampling=MPP[::-1])
    around = ~inside & (distance <= width + 1e-9)
    for plane, name in enumerate(PLANES):
        mean = field.planes[plane][around].astype(np.float64).mean()
        assert found[f"{name}_ring_{width}um"][label - 1] == pytest.approx(mean, abs=1e-9)
        contrast = field.values(plane, label).mean() - mean
        assert found[f"{name}_contrast_{width}um"][label - 1] == pytest.approx(contrast, abs=1e-9)


@pytest.mark.parametrize("width", [2, 5])
def test_surroundings_are_what_lies_within_reach(
    nuclei: MeasuredField, measured: dict[str, np.ndarray], width: int
) -> None:
    for label in range(1, nuclei.count + 1):
        assert_surroundings(nuclei, measured, label, width)


@pytest.mark.parametrize("width", [2, 5])
@pytest.mark.parametrize("turns", range(4))
def test_the_middle_of_a_horseshoe_is_beyond_reach(nuclei: MeasuredField, width: int, turns: int) -> None:
    labels = np.zeros((80, 80), np.int32)
    labels[15:65, 12:66] = 1
    labels[15:60, 18:60] = 0
    one = made(np.rot90(labels, turns).copy(), np.ascontiguousarray(nuclei.rgb[:80, :80]))
    assert_surroundings(one, measure_staining(one.runs, one.rgb, one.planes, *MPP), 1, width)


def test_a_nucleus_measures_the_same_alone_and_elsewhere(
    nuclei: MeasuredField, measured: dict[str, np.ndarray]
) -> None:
    label = next(i for i in range(1, nuclei.count + 1) if nuclei.is_inside(i, 15))
    window = np.s_[5:258, 3:259]
    alone = made((nuclei.labels[window] == label).astype(np.int32), np.ascontiguousarray(nuclei.rgb[window]))
    again = measure_staining(alone.runs, alone.rgb, alone.planes, *MPP)
    assert {name: values[0] for name, values in again.items()} == {
        name: values[label - 1] for name, values in measured.items()
    }


def test_a_number_without_pixels_has_no_values(nuclei: MeasuredField) -> None:
    runs = runs_of_labels(nuclei.labels, nuclei.count + 2)
    more = measure_staining(runs, nuclei.rgb, nuclei.planes, *MPP)
    assert all(np.isnan(values[-2:]).all() and np.isfinite(values[:-2]).all() for values in more.values())


def test_one_pixel_and_one_color_have_no_shape_of_distribution() -> None:
    labels = np.zeros((30, 30), np.int32)
    labels[15, 15], labels[5:9, 5:9] = 1, 2
    one = made(labels, np.full((30, 30, 3), 120, np.uint8))
    found = measure_staining(one.runs, one.rgb, one.planes, 0.5, 0.5)
    assert np.isnan(found["red_skew"]).all()
    assert np.isnan(found["red_kurtosis"]).all()
    assert found["red_sd"].tolist() == found["red_entropy"].tolist() == found["red_contrast_5um"].tolist() == [0, 0]
    assert found["red_p05"] == pytest.approx(found["red_mean"])


def test_quantiles_where_one_pixel_is_much_darker_than_all_others(nuclei: MeasuredField) -> None:
    labels = np.zeros(nuclei.labels.shape, np.int32)
    labels[20:60, 20:60] = 1
    rgb = np.random.default_rng(3).integers(200, 206, nuclei.rgb.shape).astype(np.uint8)
    rgb[40, 40] = 0
    one = made(labels, rgb)
    found = measure_staining(one.runs, one.rgb, one.planes, *MPP)
    inside = one.planes[0][labels == 1].astype(np.float64)
    for share in (5, 25, 50, 75, 95):
        assert found[f"hematoxylin_p{share:02d}"][0] == pytest.approx(np.percentile(inside, share), rel=1e-12)


def test_densities_near_nuclei_are_those_of_the_whole_image(nuclei: MeasuredField) -> None:
    few = runs_of_labels((nuclei.labels == 1).astype(np.int32), 1)
    near, whole = planes_of(nuclei.rgb, Stains(), (few, 9, 5)), planes_of(nuclei.rgb, Stains())
    rows, columns = np.nonzero(nuclei.labels == 1)
    wanted = np.s_[:, max(rows.min() - 5, 0) : rows.max() + 6, max(columns.min() - 9, 0) : columns.max() + 10]
    np.testing.assert_array_equal(near[wanted], whole[wanted])
    assert np.count_nonzero(near) < np.count_nonzero(whole)


def test_planes_in_memory_that_held_others_are_the_same(nuclei: MeasuredField) -> None:
    workspace, few = Workspace(), nuclei.runs.take(0, 3)
    planes_of(np.zeros((300, 300, 3), np.uint8), Stains(), workspace=workspace)
    used = planes_of(nuclei.rgb, Stains(), (few, 9, 5), workspace)
    assert (used == planes_of(nuclei.rgb, Stains(), (few, 9, 5))).all()
    assert (used == 0).mean() > 0.2


def test_planes_of_a_view_are_the_same() -> None:
    rgb = field(60, 3).rgb
    assert (planes_of(rgb[::-1, ::-1], Stains()) == planes_of(rgb, Stains())[:, ::-1, ::-1]).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_changes_no_stain(nuclei: MeasuredField, measured: dict[str, np.ndarray], turns: int) -> None:
    turned = made(np.rot90(nuclei.labels, turns).copy(), np.rot90(nuclei.rgb, turns).copy())
    size = MPP if turns == 2 else MPP[::-1]
    after = measure_staining(turned.runs, turned.rgb, turned.planes, *size)
    for name, values in measured.items():
        np.testing.assert_allclose(after[name], values, rtol=1e-9, atol=1e-9, err_msg=name)
