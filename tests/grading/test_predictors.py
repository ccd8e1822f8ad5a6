import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from pathopipe.grading.predictors import END, Places, quantiles_of, vector


def places(values, levels=11):
    return Places(quantiles_of(np.asarray(values, float)[:, None], levels))


def scores(of, values):
    return of.scores(np.asarray(values, float)[:, None])[:, 0].tolist()


def test_a_value_gets_the_normal_quantile_of_its_place():
    of = places(np.arange(101))
    found = scores(of, [50, 10, 90, 15])
    assert found[:3] == pytest.approx([0, ndtri(0.1), ndtri(0.9)])
    assert found[3] == pytest.approx((ndtri(0.1) + ndtri(0.2)) / 2)


def test_beyond_all_others_is_the_end_and_what_is_missing_is_typical():
    assert scores(places(np.arange(101)), [-1e9, 1e9, np.nan]) == [-END, END, 0.0]


def test_many_alike_have_the_middle_of_their_places():
    of = places([0] * 50 + list(range(1, 52)))
    assert scores(of, [0])[0] == pytest.approx((-END + ndtri(0.4)) / 2)


def test_quantiles_leave_out_what_is_missing_as_numpy_does():
    values = np.random.default_rng(0).normal(size=(40, 6))
    values[values > 1.2] = np.nan
    expected = np.nanquantile(values, np.linspace(0, 1, 9), axis=0)
    assert quantiles_of(values, 9) == pytest.approx(expected, rel=1e-6)


@given(st.lists(st.floats(-1e3, 1e3), min_size=5, max_size=40), st.floats(0.1, 50), st.floats(-100, 100))
def test_neither_unit_nor_zero_matters(values, factor, shift):
    values = np.round(np.array(values))
    plain, other = places(values), places(factor * values + shift)
    inner = np.unique(values)[1:-1]
    assert scores(other, factor * inner + shift) == pytest.approx(scores(plain, inner), abs=1e-2)


def test_slopes_follow_finite_differences_where_places_are_even():
    of = places(np.random.default_rng(1).normal(size=4000), 41)
    assert of.slopes(np.array([0.3]))[0] == pytest.approx(1.0, abs=0.1)
    assert places(np.full(9, 2.0)).slopes(np.array([2.0])).tolist() == [0.0]


def test_outside_is_beyond_the_range_and_not_at_its_ends():
    of = places([0.1, 0.2, 0.3])
    assert of.outside(np.array([[0.1], [0.3], [0.31], [0.09], [np.nan]]))[:, 0].tolist() == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_vector_has_a_gap_where_row_or_column_or_number_is_missing():
    described = {"all": {"a": 1, "b": None, "c": float("inf")}}
    found = vector(described, [("all", "a"), ("all", "b"), ("all", "c"), ("all", "d"), ("stromal", "a")])
    assert found[0] == 1
    assert np.isnan(found[1:]).all()
