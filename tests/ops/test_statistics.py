import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from pathopipe.ops.statistics import STATISTICS, describe, summarize


def test_statistics_are_those_of_scipy():
    values = np.random.default_rng(0).gamma(3.0, 12.0, 2000)
    row = describe(values)
    assert list(row) == list(STATISTICS)
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(values.std(ddof=1))
    assert row["cv"] == pytest.approx(stats.variation(values, ddof=1))
    assert row["skew"] == pytest.approx(stats.skew(values, bias=False))
    assert [row[f"p{p:02}"] for p in (5, 25, 50, 75, 95)] == pytest.approx(
        list(np.percentile(values, [5, 25, 50, 75, 95]))
    )


def test_what_is_not_finite_is_left_out():
    assert describe(np.array([1.0, np.nan, 2.0, np.inf, 4.0])) == describe(np.array([1.0, 2.0, 4.0]))


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_without_values_everything_is_none(values):
    assert describe(np.array(values)) == dict.fromkeys(STATISTICS)


def test_one_value_has_a_place_but_no_spread():
    row = describe(np.array([7.0]))
    assert row["mean"] == row["p05"] == row["p95"] == 7.0
    assert row["sd"] is None
    assert row["cv"] is None
    assert row["skew"] is None


def test_equal_values_have_no_shape_and_a_mean_of_zero_no_cv():
    assert describe(np.full(9, 0.1))["skew"] is None
    assert describe(np.full(9, 0.1))["sd"] == pytest.approx(0, abs=1e-15)
    assert describe(np.array([-1.0, 0.0, 1.0]))["cv"] is None


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_summary_is_a_row_that_parquet_can_hold(count):
    row = summarize({"area_um2": np.arange(count, dtype=float), "neighbors_50um": np.arange(count)})
    assert list(row)[:2] == ["area_um2_mean", "area_um2_sd"]
    assert list(row)[-1] == "neighbors_50um_skew"
    schema = pa.schema([(name, pa.float64()) for name in row])
    table = pa.Table.from_pylist([row], schema=schema)
    assert table.num_rows == 1
    assert table.column("area_um2_mean").null_count == (count == 0)
