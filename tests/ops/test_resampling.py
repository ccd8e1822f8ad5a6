import numpy as np
import pytest

from pathopipe.ops.resampling import resamples, squares


def test_points_share_a_number_when_they_share_a_square():
    x, y = np.random.default_rng(0).random((2, 800)) * 2000
    numbers, side = squares(x, y, 250.0)
    assert side == 250
    assert set(numbers) == set(range(64))
    for number in (0, 17, 63):
        columns, rows = np.floor(x[numbers == number] / 250), np.floor(y[numbers == number] / 250)
        assert len(set(columns)) == len(set(rows)) == 1
        assert rows[0] * 8 + columns[0] == number


@pytest.mark.parametrize(("extent", "side"), [(2000, 250), (500, 125), (250, 62.5), (60, 31.25)])
def test_a_small_field_gets_smaller_squares(extent, side):
    x, y = np.random.default_rng(1).random((2, 2000)) * extent
    assert squares(x, y, 250.0)[1] == side


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
