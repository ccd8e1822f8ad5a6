"""Resampling: weights, mirrors, and values against a plain computation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.slide.resample import SCALE_BITS, Axis, axis_weights, mirror

FACTORS = st.one_of(st.sampled_from([1.0, 2.0, 3.0, 4.0, 0.5, 2.2, 1.1, 16.0]), st.floats(0.3, 9.0))


def test_mirror_repeats_the_border_pixel() -> None:
    assert mirror(-3, 10, 4).tolist() == [2, 1, 0, 0, 1, 2, 3, 3, 2, 1]


@given(factor=FACTORS, start=st.integers(0, 40), count=st.integers(1, 40))
def test_weights_sum_to_one_and_stay_inside(factor: float, start: int, count: int) -> None:
    size = max(1, round(80 * factor))
    first, weights = axis_weights(start, count, factor, size)
    assert (weights.sum(axis=1) == 1 << SCALE_BITS).all()
    assert (weights >= 0).all()
    assert first.min() >= 0
    assert (first + weights.shape[1]).max() <= size


@pytest.mark.parametrize("factor", [2.0, 3.0, 5.0, 2.2, 1.5, 7.3])
def test_shrinking_averages_the_area_that_a_pixel_covers(factor: float) -> None:
    rng = np.random.default_rng(1)
    source = rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)
    count = int(90 / factor)
    axis = Axis(0, count, count, factor, 90)
    cumulative = np.pad(source.astype(float).cumsum(0).cumsum(1), ((1, 0), (1, 0), (0, 0)))
    edges = np.arange(count + 1) * factor
    low = np.minimum(edges.astype(int), 89)

    def at_rows(table: np.ndarray) -> np.ndarray:
        part = (edges - low)[:, None, None]
        return table[low] * (1 - part) + table[low + 1] * part

    integral = at_rows(np.swapaxes(at_rows(cumulative), 0, 1))
    expected = np.diff(np.diff(np.swapaxes(integral, 0, 1), axis=0), axis=1) / factor**2
    result = axis.resample(source[: axis.last, : axis.last], axis)
    assert np.abs(result - expected).max() <= 0.5 + 255 * factor / (1 << SCALE_BITS)


@pytest.mark.parametrize("factor", [2.0, 4.0])
def test_whole_factors_give_rounded_means(factor: float) -> None:
    source = np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    f = int(factor)
    means = source.reshape(16 // f, f, 16 // f, f, 3).sum(axis=(1, 3))
    axis = Axis(0, 16 // f, 16 // f, factor, 16)
    np.testing.assert_array_equal(axis.resample(source, axis), (means * 2 + f * f) // (2 * f * f))


def test_enlarging_interpolates_between_pixel_centers() -> None:
    source = np.repeat(np.arange(0, 100, 10, dtype=np.uint8)[:, None], 10, axis=1)[..., None].repeat(3, axis=2)
    rows, columns = Axis(0, 20, 20, 0.5, 10), Axis(0, 20, 20, 0.5, 10)
    line = rows.resample(source, columns)[:, 5, 0].astype(float)
    expected = np.clip((np.arange(20) + 0.5) * 0.5 - 0.5, 0, 9) * 10
    assert np.abs(line - expected).max() <= 0.5


def test_a_flat_image_stays_flat_at_any_factor() -> None:
    source = np.full((50, 50, 3), (7, 130, 254), np.uint8)
    for factor in (0.7, 1.0, 1.3, 2.0, 3.7, 12.5, 50.0):
        count = max(1, round(50 / factor))
        axis = Axis(0, count, count, factor, 50)
        result = axis.resample(source[axis.first : axis.last, axis.first : axis.last], axis)
        assert (result == source[0, 0]).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), fx=FACTORS, fy=FACTORS)
def test_a_pixel_does_not_depend_on_the_rectangle(data: st.DataObject, fx: float, fy: float) -> None:
    source = np.random.default_rng(3).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    width, height = max(1, round(70 / fx)), max(1, round(60 / fy))

    def read(x: int, y: int, w: int, h: int) -> np.ndarray:
        columns, rows = Axis(x, w, width, fx, 70), Axis(y, h, height, fy, 60)
        return rows.resample(source[rows.first : rows.last, columns.first : columns.last], columns)

    margin = 9
    whole = read(-margin, -margin, width + 2 * margin, height + 2 * margin)
    x = data.draw(st.integers(-margin, width + margin - 1))
    y = data.draw(st.integers(-margin, height + margin - 1))
    w = data.draw(st.integers(1, width + margin - x))
    h = data.draw(st.integers(1, height + margin - y))
    np.testing.assert_array_equal(read(x, y, w, h), whole[y + margin : y + margin + h, x + margin : x + margin + w])


@given(factor=st.floats(0.3, 20), size=st.integers(1, 90), seed=st.integers(0, 9))
@settings(deadline=None)
def test_the_compiled_loop_gives_the_weighted_sums(factor: float, size: int, seed: int) -> None:
    axis = Axis(0, max(1, round(size / factor)), max(1, round(size / factor)), factor, size)
    source = np.random.default_rng(seed).integers(0, 256, (axis.last - axis.first,) * 2 + (3,), dtype=np.uint8)
    matrix = np.zeros((len(axis.starts), len(source)), np.int64)
    for k in range(axis.weights.shape[1]):
        matrix[np.arange(len(matrix)), axis.starts + k] = axis.weights[:, k]
    sums = np.einsum("ij,jkc,lk->ilc", matrix, source.astype(np.int64), matrix)
    half = 1 << (2 * SCALE_BITS - 1)
    np.testing.assert_array_equal(axis.resample(source, axis), (sums + half) >> (2 * SCALE_BITS))
