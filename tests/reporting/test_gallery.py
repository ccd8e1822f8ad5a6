import numpy as np
import pytest

from pathopipe.reporting.gallery import RULES, choose, driving

QUARTILES = {"area_um2": (20.0, 30.0, 40.0), "solidity": (0.9, 0.95, 0.97), "hematoxylin_mean": (0.2, 0.3, 0.4)}
NONE = {f"p_{name}": np.nan for name in ("epithelial", "inflammatory", "stromal", "other")}


def table(count: int, seed: int = 0, **fixed) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = {
        "nucleus_id": np.arange(count),
        "area_um2": rng.uniform(5, 80, count),
        "score": rng.uniform(0.3, 1, count),
        "at_border": np.zeros(count),
        "solidity": rng.uniform(0.7, 1, count),
        "hematoxylin_mean": rng.uniform(0.1, 0.6, count),
        "typed": np.ones(count, bool),
    }
    shares = rng.dirichlet([1, 1, 1, 1], count).T
    drawn |= dict(zip(NONE, shares, strict=True))
    return drawn | {name: np.full(count, value) for name, value in fixed.items()}


def chosen(columns, wanted=5, at_once=64) -> dict[str, list[int]]:
    count = len(columns["nucleus_id"])
    parts = [
        {name: values[start : start + at_once] for name, values in columns.items()}
        for start in range(0, count, at_once)
    ]
    return {one.kind: list(one.ids) for one in choose(iter(parts), QUARTILES, wanted)}


def highest(keys, count=5) -> list[int]:
    return np.argsort(-keys, kind="stable")[:count].tolist()


def test_every_gallery_holds_what_its_rule_says():
    rows = table(300)
    certainty = np.minimum(rows["score"], np.max([rows[name] for name in NONE], axis=0))
    apart = sum(((rows[name] - middle) / (high - low)) ** 2 for name, (low, middle, high) in QUARTILES.items())
    assert chosen(rows) == {
        "typical": highest(-apart),
        "largest": highest(rows["area_um2"]),
        "irregular": highest(-rows["solidity"]),
        "certain": highest(certainty),
        "uncertain": highest(-certainty),
    }


def test_the_choice_does_not_depend_on_how_the_table_is_cut():
    rows = table(300, area_um2=30.0)
    rows["solidity"] = np.round(rows["solidity"], 1)
    assert chosen(rows, at_once=7) == chosen(rows, at_once=300)
    assert chosen(rows)["largest"] == [0, 1, 2, 3, 4], "of equal ones the first"


def test_what_the_border_cuts_off_is_no_example_of_size_or_shape():
    rows = table(100)
    cut = highest(rows["area_um2"], 20)
    rows["at_border"][cut] = 1
    found = chosen(rows)
    assert not {*found["typical"], *found["largest"], *found["irregular"]} & {*cut}
    assert found["certain"] == chosen(table(100))["certain"]


def test_without_types_the_score_counts_and_a_type_that_is_open_is_not_certain():
    rows = table(100, typed=False, **NONE)
    assert chosen(rows)["certain"] == highest(rows["score"])
    rows = table(100)
    rows["typed"][highest(rows["score"], 50)] = False
    assert not {*chosen(rows)["certain"]} & {*highest(rows["score"], 50)}


def test_nuclei_that_are_all_equally_certain_are_not_told_apart():
    assert [*chosen(table(100, score=1.0, typed=False, **NONE))] == ["typical", "largest", "irregular"]


@pytest.mark.parametrize("count", [1, 5])
def test_few_nuclei_make_one_gallery_the_largest_first(count):
    rows = table(count)
    assert chosen(rows) == {"all": highest(rows["area_um2"])}


def test_no_nuclei_no_gallery():
    assert chosen(table(0)) == {}
    assert chosen(table(100), wanted=0) == {}
    assert driving([], 5) == ()


def test_what_drives_the_grade_is_shown_in_the_grader_s_order():
    (one,) = driving([{"nucleus_id": 7, "influence": 0.5}, {"nucleus_id": 3, "influence": -0.6}], 1)
    assert (one.kind, one.ids, one.values) == ("drives", (7,), (0.5,))
    assert {"drives", *chosen(table(100)), *chosen(table(1))} == {*RULES}
