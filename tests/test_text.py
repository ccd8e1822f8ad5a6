import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathopipe.text import DASH, anything, count, number, percent, quantity, sentence


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        (3499, 1, "3,499"),
        (3499.4, 3, "3,499"),
        (0.012345, 3, "0.0123"),
        (65.66, 3, "65.7"),
        (1.0, 3, "1.00"),
        (-0.93, 2, "\u22120.93"),
        (0.0, 3, "0"),
        (math.nan, 3, DASH),
        (math.inf, 3, DASH),
        (None, 3, DASH),
    ],
)
def test_number(value, digits, written):
    assert number(value, digits) == written


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_a_written_number_is_near_the_number(value):
    read = float(number(value, 4).replace(",", "").replace("\u2212", "-"))
    assert read == pytest.approx(value, rel=1e-3)


def test_small_and_large_shares_are_not_rounded_away():
    assert [percent(share) for share in (0, 0.004, 0.614, 0.996, 1)] == ["0%", "<1%", "61%", ">99%", "100%"]
    assert percent(None) == DASH


def test_count_and_quantity():
    assert count(2504.0) == "2,504"
    assert count(None) == DASH
    assert quantity(65.66, "µm²") == "65.7\u202fµm²"
    assert quantity(None, "µm²") == DASH
    assert quantity(2, "") == "2.00"


def test_settings_are_written_in_full():
    values = [24.0, 0.02, 0.123456, True, None, [1, "a"], {"b": 1, "a": 2}, []]
    assert [anything(value) for value in values] == ["24", "0.02", "0.123456", "yes", DASH, "1, a", "a: 2, b: 1", DASH]


@pytest.mark.parametrize(
    ("words", "written"), [("no tissue", "No tissue."), ("Why? ", "Why?"), ("", ""), ("OD of 2", "OD of 2.")]
)
def test_sentence(words, written):
    assert sentence(words) == written
