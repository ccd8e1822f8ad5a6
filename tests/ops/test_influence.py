"""Influence of nuclei on a score, against leaving them out."""

from collections.abc import Mapping

import numpy as np
import pytest

from pathopipe.ops.influence import score_influence
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.statistics import STATISTICS, summarize

Columns = dict[str, np.ndarray]
MOMENTS = ("mean", "sd", "cv", "skew", "kurtosis")
EPITHELIAL = TYPES.index("epithelial")


def nuclei(count: int, seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    kind = rng.integers(-1, len(TYPES), count)
    area = rng.gamma(4, 10, count) + 20 * (kind == EPITHELIAL)
    whole = {"type": kind, "at_border": (rng.random(count) < 0.1).astype(np.int8)}
    return {"area_um2": area, "circularity": rng.beta(8, 2, count), **whole}


def describe(columns: Columns, kept: np.ndarray, whole_only: tuple[str, ...] = ()) -> dict[str, dict[str, float]]:
    """Statistics as the stage makes them, of the nuclei that are kept."""
    found = {}
    for group in ("all", *TYPES):
        here = kept & (np.ones(len(kept), bool) if group == "all" else columns["type"] == TYPES.index(group))
        values = {name: columns[name][here] for name in ("area_um2", "circularity")}
        values |= {name: np.where(columns["at_border"][here] == 0, values[name], np.nan) for name in whole_only}
        found[group] = summarize(values) | {"nuclei_count": int(here.sum()), "nuclei_per_mm2": here.sum() / 2.0}
    return found


def contributions(
    columns: Columns, slope: Mapping[tuple[str, str], float], whole_only: tuple[str, ...] = (), size: int = 97
) -> np.ndarray:
    total = len(columns["type"])

    def parts(names):
        for start in range(0, total, size):
            yield {name: columns[name][start : start + size] for name in names}

    described = describe(columns, np.ones(total, bool), whole_only)
    found = score_influence(parts, slope, described, ("area_um2", "circularity"), whole_only)
    assert found.coverage.left_out == ()
    return np.concatenate(list(found.parts()))


def score(columns: Columns, kept: np.ndarray, slope: Mapping[tuple[str, str], float], *whole_only: str) -> float:
    described = describe(columns, kept, whole_only)
    return sum(value * described[group][column] for (group, column), value in slope.items())


def left_out(columns: Columns, slope: Mapping[tuple[str, str], float], *whole_only: str) -> np.ndarray:
    """What the score loses without each nucleus."""
    every = np.ones(len(columns["type"]), bool)
    before, found = score(columns, every, slope, *whole_only), []
    for number in range(len(every)):
        kept = every.copy()
        kept[number] = False
        found.append(before - score(columns, kept, slope, *whole_only))
    return np.array(found)


@pytest.mark.parametrize("statistic", MOMENTS)
def test_of_a_moment_it_is_what_leaving_a_nucleus_out_changes(statistic):
    columns, slope = nuclei(400), {("all", f"area_um2_{statistic}"): 1.7}
    found, true = contributions(columns, slope), left_out(columns, slope)
    # To first order: the rest is of the order of 1 / n, more where the fourth power of one value counts.
    assert found == pytest.approx(true, abs=0.15 * np.abs(true).max())
    assert np.corrcoef(found, true)[0, 1] > 0.98
    assert abs(found.sum()) < 1e-9 * np.abs(found).max()


@pytest.mark.parametrize("statistic", [name for name in STATISTICS if name not in {*MOMENTS, "mad"}])
def test_of_a_quantile_it_tells_which_nuclei_raise_it(statistic):
    """How much depends on the two values that happen to lie next to the quantile; for the MAD, on all of its three."""
    columns, slope = nuclei(400), {("all", f"area_um2_{statistic}"): 1.0}
    found, true = contributions(columns, slope), left_out(columns, slope)
    assert np.corrcoef(found, true)[0, 1] > 0.9
    assert abs(found.sum()) < 1e-9 * np.abs(found).max()


@pytest.mark.parametrize("statistic", [name for name in STATISTICS if name not in MOMENTS])
def test_of_a_quantile_it_is_what_leaving_many_out_changes(statistic):
    columns, slope = nuclei(20_000), {("all", f"area_um2_{statistic}"): 1.0}
    found, every = contributions(columns, slope), np.ones(20_000, bool)
    for seed in range(3):
        kept = every.copy()
        high = np.argsort(-columns["area_um2"] + 30 * np.random.default_rng(seed).random(20_000))[:4000]
        kept[high[:: 3 + seed]] = False
        fallen = score(columns, every, slope) - score(columns, kept, slope)
        assert found[~kept].sum() == pytest.approx(fallen, rel=0.35)


def test_groups_and_cut_off_nuclei_count_as_in_the_statistics():
    columns = nuclei(300)
    slope = {("epithelial", "area_um2_sd"): 2.0, ("all", "circularity_mean"): -30.0, ("all", "area_um2_mean"): 0.5}
    found, true = contributions(columns, slope, ("area_um2",)), left_out(columns, slope, "area_um2")
    assert found == pytest.approx(true, abs=0.1 * np.abs(true).max())
    cut = columns["at_border"] == 1
    alone = contributions(columns, {("epithelial", "area_um2_sd"): 2.0}, ("area_um2",))
    assert (alone[cut | (columns["type"] != EPITHELIAL)] == 0).all()
    assert (alone[~cut & (columns["type"] == EPITHELIAL)] != 0).all()


def test_values_that_are_missing_contribute_nothing():
    columns = nuclei(300)
    columns["area_um2"][::7] = np.nan
    slope = {("all", "area_um2_mean"): 1.0, ("all", "area_um2_p90"): 1.0}
    found, true = contributions(columns, slope), left_out(columns, slope)
    assert (found[::7] == 0).all()
    assert np.corrcoef(found, true)[0, 1] > 0.9


def test_parts_of_any_size_give_the_same():
    columns, slope = nuclei(500), {("all", f"area_um2_{name}"): 1.0 for name in STATISTICS}
    first = contributions(columns, slope, size=500)
    assert contributions(columns, slope, size=7) == pytest.approx(first, rel=1e-12)


SLOPE = {
    ("all", "area_um2_mean"): 0.02,
    ("all", "area_um2_sd"): 0.05,
    ("epithelial", "area_um2_cv"): 3.0,
    ("all", "area_um2_p90"): 0.01,
    ("all", "circularity_iqr"): 4.0,
    ("epithelial", "circularity_mad"): -6.0,
    ("all", "area_um2_skew"): 0.2,
}


def test_the_top_tenth_of_nuclei_changes_the_score_more_than_a_random_tenth():
    columns, rng = nuclei(3000), np.random.default_rng(1)
    found, every = contributions(columns, SLOPE, ("area_um2",)), np.ones(3000, bool)
    before = score(columns, every, SLOPE, "area_um2")

    def fallen(gone: np.ndarray) -> float:
        kept = every.copy()
        kept[gone] = False
        return before - score(columns, kept, SLOPE, "area_um2")

    by_chance = [abs(fallen(rng.permutation(3000)[:300])) for _ in range(20)]
    assert abs(fallen(np.argsort(-np.abs(found))[:300])) > max(by_chance)
    order = np.argsort(found)
    assert fallen(order[-300:]) > max(by_chance), "without what raises the score it falls"
    assert fallen(order[:300]) < -max(by_chance), "without what lowers the score it rises"


def test_what_has_no_influence_function_is_left_out_and_counted():
    columns = nuclei(300)
    described = describe(columns, np.ones(300, bool))
    described["all"] |= {"spatial_ripley_mean": 2.0, "flat_mean": 3.0, "flat_sd": 0.0}
    slope = {
        ("all", "area_um2_mean"): 1.0,
        ("all", "nuclei_per_mm2"): 1.0,
        ("all", "spatial_ripley_mean"): 5.0,
        ("all", "flat_mean"): 1.0,
        ("stromal", "texture_mean"): 1.0,
        ("all", "circularity_sd"): 0.0,
        ("all", "circularity_p50"): float("nan"),
    }
    found = score_influence(lambda _: iter(()), slope, described, ("area_um2", "circularity", "flat"), ())
    mean = described["all"]["area_um2_mean"]
    assert [(term.measure, dict(term.slopes)) for term in found.terms] == [("area_um2", {"mean": 1.0})]
    assert found.coverage.share == pytest.approx(mean / (mean + 150 + 10 + 3))
    assert found.coverage.left_out == (
        ("all", "nuclei_per_mm2"),
        ("all", "spatial_ripley_mean"),
        ("all", "flat_mean"),
        ("stromal", "texture_mean"),
    )
    assert score_influence(lambda _: iter(()), {}, described, (), ()).coverage.share == 1.0
