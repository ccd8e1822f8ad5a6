import numpy as np
import pytest
from scipy import stats

from pathopipe.ops.comparisons import FAR, adjusted, compare_groups, compare_ranks, robust_z

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
