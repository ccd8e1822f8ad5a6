import numpy as np
import pytest

from pathopipe.ops.resampling import interval, resamples, squares


def test_points_share_a_number_when_they_share_a_square():
    x, y = np.random.default_rng(0).random((2, 800)) * 2000
    numbers, side = squares(lambda: [(x[:300], y[:300]), (x[300:], y[300:])], 250.0)
    assert side == 250
    assert set(numbers) == set(range(64))
    for number in (0, 17, 63):
        columns, rows = np.floor(x[numbers == number] / 250), np.floor(y[numbers == number] / 250)
        assert len(set(columns)) == len(set(rows)) == 1
        assert rows[0] * 8 + columns[0] == number


@pytest.mark.parametrize(("extent", "side"), [(2000, 250), (500, 125), (250, 62.5), (60, 31.25)])
def test_a_small_field_gets_smaller_squares(extent, side):
    x, y = np.random.default_rng(1).random((2, 2000)) * extent
    assert squares(lambda: [(x, y)], 250.0)[1] == side


def test_the_parts_that_points_come_in_change_no_number():
    x, y = np.random.default_rng(2).normal(0, 900, (2, 700))  # on both sides of zero
    whole, _ = squares(lambda: [(x, y)], 250.0)
    parts, _ = squares(lambda: zip(np.split(x, [5, 6, 400]), np.split(y, [5, 6, 400]), strict=True), 250.0)
    assert np.array_equal(whole, parts)
    columns, rows = np.floor(x / 250), np.floor(y / 250)
    assert np.array_equal(whole, np.unique(np.stack([rows, columns], 1), axis=0, return_inverse=True)[1].ravel())


def test_no_points_are_in_no_square():
    assert len(squares(list, 250.0)[0]) == 0


def test_every_resample_draws_as_many_as_there_are():
    drawn = resamples(40, 300, seed=7)
    assert drawn.shape == (300, 40)
    assert set(drawn.sum(axis=1)) == {40}
    assert drawn.mean() == 1
    assert drawn.var() == pytest.approx(1 - 1 / 40, rel=0.1)


def test_draws_follow_from_the_seed_alone():
    assert np.array_equal(resamples(5, 2, seed=3), resamples(5, 2, seed=3))
    assert not np.array_equal(resamples(50, 2, seed=3), resamples(50, 2, seed=4))
    assert resamples(3, 4, seed=1991).tolist() == EXPECTED


# Written down once: a change of these would change every grade's probabilities.
EXPECTED = [[1, 0, 2], [2, 0, 1], [1, 1, 1], [2, 1, 0]]


def test_the_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(3).normal(10, 2, 400)
    counts = np.column_stack([values, np.ones(400)])
    low, high = interval(counts, lambda totals: totals[:, :1] / totals[:, 1:])
    assert low[0] < values.mean() < high[0]
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_a_wider_share_gives_a_wider_interval():
    counts = np.random.default_rng(4).random((30, 1))
    half, most = (interval(counts, lambda totals: totals, share=share) for share in (0.5, 0.95))
    assert most[0, 0] < half[0, 0] < half[1, 0] < most[1, 0]
    assert interval(counts[:1], lambda totals: totals) is None
