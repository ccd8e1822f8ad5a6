import numpy as np
import pytest
from scipy import stats

from pathopipe.ops.comparisons import FAR, adjusted, compare_groups, compare_many, compare_ranks, robust_z

RNG = np.random.default_rng(7)


def test_groups_are_compared_by_ranks():
    # Hand-worked: ranks 1 to 5, 6 to 10 and 11 to 15, H = 12 / (15 * 16) * (15² + 40² + 65²) / 5 - 3 * 16.
    found = compare_groups([[1, 2, 3, 4, 5], [6, 7, 8, 9, 100], [101, 102, 103, 104, 105]])
    assert found.statistic == pytest.approx(12.5)
    assert found.p == pytest.approx(stats.chi2.sf(12.5, 2))
    assert found.effect == pytest.approx(12.5 / 14)
    assert (found.size, found.groups) == (15, 3)


def test_small_groups_are_left_out_and_one_group_or_one_value_is_no_test():
    three = compare_groups([range(5), range(3, 9), [50, 60, 70, 80]])
    assert (three.groups, three.size) == (2, 11)
    assert compare_groups([range(5), [50, 60, 70, 80]]) is None
    assert compare_groups([[2.0] * 6, [2.0] * 7]) is None


def test_ranks_are_correlated():
    x = np.arange(12)
    found = compare_ranks(x, np.exp(x))
    assert found.effect == pytest.approx(1)
    assert found.groups == 0
    assert compare_ranks(x[:9], x[:9]) is None
    assert compare_ranks(x, np.ones(12)) is None


def test_p_values_are_adjusted_for_their_number():
    # Worked by hand after Benjamini and Hochberg: 5 / rank times p, no larger than the next.
    assert adjusted([0.01, 0.04, 0.03, 0.5, 0.02]) == pytest.approx([0.05, 0.05, 0.05, 0.5, 0.05])
    assert adjusted([0.001, 0.3]) == pytest.approx([0.002, 0.3])
    assert adjusted([]) == []


def test_chance_findings_among_many_comparisons_are_rare():
    found = [min(adjusted([compare_groups(RNG.normal(size=(3, 8))).p for _ in range(20)])) <= 0.05 for _ in range(100)]
    assert sum(found) <= 12


def test_values_far_from_the_others_are_told_by_the_median_absolute_deviation():
    values = [*range(1, 20), 60.0]
    # Median 10.5, median distance 5.
    assert robust_z(values)[-1] == pytest.approx(0.6745 * 49.5 / 5)
    assert (np.abs(robust_z(values)) > FAR).tolist() == [False] * 19 + [True]
    assert np.isnan(robust_z([*values, np.nan])[-1])
    assert np.isnan(robust_z([1, 2, 3, 1000])).all(), "too few"
    assert np.isnan(robust_z([5.0] * 15 + [9.0] * 3)).all(), "no spread"


def test_a_column_that_goes_with_many_measures_is_found():
    rng = np.random.default_rng(2)
    values, site = rng.normal(size=(40, 6)), np.repeat(["A", "B"], 20)
    values[:20, :2] += 2
    found = compare_many(values, site)
    assert (found.size, found.groups) == (40, 2)
    assert found.p == pytest.approx(1 / 2000)
    squares = ((values - values.mean(axis=0)) ** 2).sum()
    inside = sum(((values[site == one] - values[site == one].mean(axis=0)) ** 2).sum() for one in "AB")
    assert found.effect == pytest.approx(1 - inside / squares)
    assert found.statistic == pytest.approx((squares - inside) / (inside / 38))
    by_rank = compare_many(values, np.exp(-values[:, 0] * 3))
    assert by_rank.groups == 0
    assert by_rank.p < 0.01


def test_columns_that_have_nothing_to_do_with_the_measures_are_found_as_often_as_p_says():
    rng = np.random.default_rng(3)
    p = [compare_many(rng.normal(size=(30, 5)), np.repeat(["A", "B", "C"], 10)).p for _ in range(100)]
    assert 0 <= sum(value < 0.05 for value in p) <= 11
    assert 30 <= sum(value < 0.5 for value in p) <= 70


def test_few_slides_and_single_groups_are_not_tested_together():
    values = np.random.default_rng(0).normal(size=(12, 3))
    assert compare_many(values, ["A"] * 12) is None
    assert compare_many(values, ["A"] * 9 + ["B"] * 3) is None, "three are too few for a group"
    assert compare_many(values[:9], range(9)) is None
    assert compare_many(np.ones((12, 3)), ["A", "B"] * 6) is None
    assert compare_many(values, np.ones(12)) is None
    assert compare_many(values, ["A"] * 6 + ["B"] * 5 + ["C"]).size == 11
