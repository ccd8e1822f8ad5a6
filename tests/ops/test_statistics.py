import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from pathopipe.ops.statistics import LEAST, STATISTICS, describe, summarize


def test_statistics_are_those_of_scipy():
    values = np.random.default_rng(0).gamma(3.0, 12.0, 2000)
    row = describe(values)
    assert list(row) == list(STATISTICS)
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(values.std(ddof=1))
    assert row["cv"] == pytest.approx(stats.variation(values, ddof=1))
    assert row["skew"] == pytest.approx(stats.skew(values, bias=False))
    assert row["kurtosis"] == pytest.approx(stats.kurtosis(values, bias=False))
    percents = [5, 10, 25, 50, 75, 90, 95]
    assert [row[f"p{p:02}"] for p in percents] == pytest.approx(list(np.percentile(values, percents)))
    assert row["iqr"] == pytest.approx(stats.iqr(values))
    assert row["mad"] == pytest.approx(stats.median_abs_deviation(values))


def test_what_is_not_finite_is_left_out():
    assert describe(np.array([1.0, np.nan, 2.0, np.inf, 4.0])) == describe(np.array([1.0, 2.0, 4.0]))


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_without_values_everything_is_none(values):
    assert describe(np.array(values)) == dict.fromkeys(STATISTICS)


@pytest.mark.parametrize("count", [1, 2, LEAST - 1])
def test_few_values_have_a_mean_and_a_median_and_nothing_else(count):
    values = np.random.default_rng(count).random(count)
    row = describe(values)
    known = {name: value for name, value in row.items() if value is not None}
    assert known == {"mean": pytest.approx(values.mean()), "p50": pytest.approx(np.median(values))}
    assert list(row) == list(STATISTICS)


def test_as_many_values_as_asked_for_have_everything():
    values = np.random.default_rng(5).random(LEAST)
    assert None not in describe(values).values()
    assert describe(values, LEAST + 1)["sd"] is None
    assert None not in describe(values[:5], 5).values()


@pytest.mark.parametrize(("count", "missing"), [(2, {"skew", "kurtosis"}), (3, {"kurtosis"}), (4, set())])
def test_what_so_few_values_do_not_define_is_none_whatever_is_asked_for(count, missing):
    row = describe(np.random.default_rng(6).random(count), 2)
    assert {name for name, value in row.items() if value is None} == missing


def test_one_value_has_no_spread_whatever_is_asked_for():
    assert describe(np.array([7.0]), 1) == dict.fromkeys(STATISTICS) | {"mean": 7.0, "p50": 7.0}


def test_equal_values_have_no_shape_and_a_mean_of_zero_no_cv():
    equal = describe(np.full(19, 0.1))
    assert equal["skew"] is equal["kurtosis"] is None
    assert equal["sd"] == pytest.approx(0, abs=1e-15)
    assert describe(np.arange(-9.0, 10.0))["cv"] is None


def test_tiny_values_have_the_shape_of_large_ones():
    values = np.random.default_rng(7).gamma(2.0, 1.0, 50)
    small, large = describe(values * 2.0**-400), describe(values)
    assert small["kurtosis"] == pytest.approx(large["kurtosis"])
    assert small["skew"] == pytest.approx(large["skew"])


@pytest.mark.parametrize("count", [0, 1, 5, 20])
def test_a_summary_is_a_row_that_parquet_can_hold(count):
    row = summarize({"area_um2": np.arange(count, dtype=float), "neighbors_50um": np.arange(count)})
    assert list(row)[:2] == ["area_um2_mean", "area_um2_sd"]
    assert list(row)[-1] == "neighbors_50um_mad"
    schema = pa.schema([(name, pa.float64()) for name in row])
    table = pa.Table.from_pylist([row], schema=schema)
    assert table.num_rows == 1
    assert table.column("area_um2_mean").null_count == (count == 0)


@pytest.mark.parametrize("kind", ["apart", "alike", "far apart"])
def test_the_median_distance_is_that_of_sorted_distances_to_the_last_bit(kind):
    rng = np.random.default_rng(3)
    for count in range(10, 60):
        signs = rng.choice([-1, 1], count)
        values = {
            "apart": rng.normal(size=count),
            "alike": rng.integers(0, 4, count) / 10,
            "far apart": signs * np.exp(rng.normal(scale=20, size=count)),
        }[kind]
        found = describe(values)
        assert found["mad"] == describe(np.abs(values - found["p50"]))["p50"]
