import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.grading.base import GradeResult
from pathopipe.grading.criteria import CriteriaGrader
from pathopipe.grading.criteria_card import Item, Statistic
from pathopipe.grading.criteria_score import RESAMPLES, known_of, resample, score_of
from tests.grading.slides import described, in_parts, slide
from tests.grading.test_criteria_card import CARD, LIMITS

GRADER = CriteriaGrader(CARD, 10, 0.5, "grade.made_up", "ab" * 32)
Rows = dict[str, dict[str, Any]]
# On every item at its center, so that the score is 0: grade 2.
ROWS: Rows = {
    "all": {"nuclei_count": 150, "clump_count_mean": 2.5, "epithelial_share": 0.6},
    "epithelial": {"nuclei_count": 90, "area_um2_mean": 60.0, "area_um2_cv": 0.4, "clump_count_mean": 3.0},
    "stromal": {"nuclei_count": 40, "area_um2_mean": 30.0, "clump_count_mean": 2.0},
    "inflammatory": {"nuclei_count": 20, "area_um2_mean": 22.5, "clump_count_mean": 1.0},
}


def rows(type_: str, **changes: Any) -> Rows:
    return ROWS | {type_: ROWS[type_] | changes}


def value(result: GradeResult, name: str) -> float:
    (found,) = [item.value for item in result.evidence if item.name == name]
    return found


def test_the_score_is_the_mean_of_standardized_items():
    assert GRADER.grade(None, ROWS).score == 0
    assert GRADER.grade(None, rows("epithelial", area_um2_mean=75.0)).score == pytest.approx(1 / 3, abs=1e-6)
    assert GRADER.grade(None, rows("stromal", area_um2_mean=40.0)).score == pytest.approx(-1 / 3, abs=1e-6)
    assert GRADER.grade(None, rows("epithelial", area_um2_cv=0.3)).score == pytest.approx(-1 / 3, abs=1e-6)
    assert GRADER.grade(None, rows("epithelial", clump_count_mean=4.0)).score == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.parametrize(
    ("clumps", "grade"), [(-9.0, "1"), (-0.001, "1"), (0.001, "2"), (3.0, "2"), (3.749, "2"), (3.751, "3"), (30.0, "3")]
)
def test_a_grade_begins_at_its_limit(clumps, grade):
    """The score is (clumps - 3) / 3, its limits are -1 and 0.25."""
    result = GRADER.grade(None, rows("epithelial", clump_count_mean=clumps))
    assert (result.grade, result.limits) == (grade, (-1.0, 0.25))


def test_a_score_on_a_limit_has_the_worse_grade():
    card = dataclasses.replace(CARD, limits=(dataclasses.replace(CARD.limits[0], value=-1.0), CARD.limits[1]))
    grader = dataclasses.replace(GRADER, card=card)
    assert grader.grade(None, rows("epithelial", clump_count_mean=0.0)).grade == "2"


def test_items_come_first_with_their_limits_and_then_what_they_are_set_against():
    result = GRADER.grade(None, ROWS)
    names = [item.name for item in result.evidence]
    assert names[:5] == [
        "size", "spread", "clumps", "epithelial_area_um2_mean", "stromal_area_um2_mean",
    ]  # fmt: skip
    assert [item.limits for item in result.evidence if item.limits] == [(1.5, 2.0)] * 3
    assert (value(result, "size"), value(result, "nuclei_graded")) == (2.0, 90)
    assert (value(result, "inflammatory_area_um2_mean"), value(result, "epithelial_share")) == (22.5, 0.6)
    assert result.evidence[0].to_limit == 0.0
    assert result.evidence[1].to_limit == pytest.approx(1.1)
    assert "1.5 (1.4 to 1.6)" in result.evidence[0].meaning
    assert value(result, "grader_kappa") == 0.5
    assert "95% interval 0.3 to 0.6" in next(item.meaning for item in result.evidence if item.name == "grader_kappa")


def test_what_a_protocol_asks_for_beside_is_named_with_the_reason():
    for result in (GRADER.grade(None, ROWS), GRADER.grade(None, {})):
        assert [vars(item) for item in result.not_assessed] == [
            {"item": "mitotic count", "reason": "mitoses are not counted"}
        ]


@pytest.mark.parametrize(
    ("given_rows", "words"),
    [
        ({}, "Only 0 epithelial nuclei were found, but at least 10 are needed (setting grade.made_up.min_nuclei)."),
        ({"all": {"nuclei_count": 0}}, "Only 0 epithelial nuclei were found"),
        ({"all": ROWS["all"]}, "The types of the nuclei are not known"),
        (rows("epithelial", nuclei_count=9), "Only 9 epithelial nuclei were found"),
        (rows("stromal", nuclei_count=4), "Only 4 stromal nuclei were found to compare epithelial ones with, but at l"),
        ({name: row for name, row in ROWS.items() if name != "stromal"}, "Only 0 stromal nuclei were found to comp"),
        (rows("epithelial", area_um2_cv=None), "area_um2_cv of epithelial nuclei is not known: fewer of them than"),
        (
            {name: row | {"area_um2_mean": None} for name, row in ROWS.items()},
            "area_um2_mean of epithelial nuclei is not known",
        ),
        (rows("epithelial", clump_count_mean=None), "clump_count_mean of epithelial nuclei is not known"),
        (
            {name: row | {"clump_count_mean": None} for name, row in ROWS.items()},
            "clump_count was not measured: add chromatin to the setting features.groups.",
        ),
        (rows("stromal", area_um2_mean=0.0), "A number to compare with is 0."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_abstains_and_says_why(given_rows, words):
    result = GRADER.grade(in_parts(slide()), given_rows)
    assert words in result.reason
    assert (result.grade, result.score, result.probabilities, result.abstained) == (None, None, {}, True)
    assert GRADER.slope(given_rows) == {} or "nuclei were found" in words
    json.dumps(result.to_dict(), allow_nan=False)


def test_as_many_nuclei_as_are_needed_are_enough():
    assert GRADER.grade(None, rows("epithelial", nuclei_count=10)).grade == "2"
    assert GRADER.grade(None, rows("stromal", nuclei_count=5)).grade == "2"
    assert dataclasses.replace(GRADER, min_nuclei=91).grade(None, ROWS).grade is None


@settings(max_examples=40, deadline=None)
@given(area=st.floats(20, 200), stroma=st.floats(15, 60), spread=st.floats(0.05, 0.8), clumps=st.floats(0.5, 9))
def test_the_slope_is_that_of_the_score(area, stroma, spread, clumps):
    changes = {"area_um2_mean": area, "area_um2_cv": spread, "clump_count_mean": clumps}
    here = rows("epithelial", **changes) | {"stromal": ROWS["stromal"] | {"area_um2_mean": stroma}}
    slope = GRADER.slope(here)
    assert len(slope) == 4
    for (type_, column), rate in slope.items():
        step = 1e-5 * here[type_][column]
        ends = [
            float(score_of(CARD, known_of(CARD, here | {type_: here[type_] | {column: here[type_][column] + side}})))
            for side in (-step, step)
        ]
        assert rate == pytest.approx((ends[1] - ends[0]) / (2 * step), rel=1e-4)
    assert slope["stromal", "area_um2_mean"] < 0 < slope["epithelial", "area_um2_mean"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_statistic_of_two_items_has_the_slopes_of_both(order):
    items = (CARD.items[0], Item("area", "area", "", CARD.items[0].of, None, 60.0, 20.0, LIMITS))
    grader = dataclasses.replace(GRADER, card=dataclasses.replace(CARD, items=items[::order]))
    assert grader.slope(ROWS)["epithelial", "area_um2_mean"] == pytest.approx((1 / 0.5 / 30 + 1 / 20) / 2)


def test_statistics_of_the_nuclei_are_those_of_the_stage():
    """Of the slide as a whole; without nuclei that are cut off in sizes, with them in the rest."""
    nuclei = slide()
    nuclei["area_um2"][::17] = np.nan
    wanted = (*CARD.statistics, Statistic("stromal", "area_um2_sd", whole=True), Statistic("other", "area_um2_mean"))
    found, known = resample(in_parts(nuclei), wanted), described(nuclei)
    for part in wanted[:-1]:
        assert found.known[part].shape == (1 + RESAMPLES,)
        assert found.known[part][0] == pytest.approx(known[part.type][part.column], rel=1e-10)
    assert np.isnan(found.known[wanted[-1]]).all()


@pytest.mark.parametrize("size", [1, 7, 64, 900, 100_000])
def test_the_parts_that_nuclei_come_in_change_nothing(size):
    """Not the last bit of any resample."""
    nuclei = slide("2", tumor=300)
    once, again = (resample(in_parts(nuclei, each), CARD.statistics) for each in (size, 333))
    for part in CARD.statistics:
        assert len(set(once.known[part])) > RESAMPLES / 2
        assert np.array_equal(once.known[part], again.known[part])
    result = GRADER.grade(in_parts(nuclei, size), described(nuclei))
    assert result == GRADER.grade(in_parts(nuclei, 333), described(nuclei))
    assert len(result.probabilities) == 3


def test_nuclei_of_other_types_and_of_none_change_no_grade():
    nuclei = slide("2")
    others = {name: column.copy() for name, column in nuclei.items()}
    for name in ("area_um2", "clump_count"):
        others[name][(nuclei["type"] < 0) | (nuclei["type"] == 1)] *= 7
    first, second = (GRADER.grade(in_parts(each), described(each)) for each in (nuclei, others))
    assert (first.score, first.probabilities) == (second.score, second.probabilities)
    drawn = [resample(in_parts(each), CARD.statistics).known for each in (nuclei, others)]
    assert all(np.array_equal(drawn[0][part], drawn[1][part]) for part in CARD.statistics)


def test_an_even_slide_is_stable_and_a_divided_one_is_not():
    """Half of the divided slide has large nuclei: which part of it was seen decides."""
    even = slide("2", tumor=1500)
    even["clump_count"][even["type"] == 0] = 2.0
    result = GRADER.grade(in_parts(even), described(even))
    assert (result.grade, result.stability) == ("2", 1.0)
    divided = {name: column.copy() for name, column in even.items()}
    tumor, left = divided["type"] == 0, divided["x_um"] < 1000
    divided["clump_count"][tumor] = np.where(left, 1.0, 7.0)[tumor]
    card = dataclasses.replace(CARD, limits=_limits_around(divided))
    doubtful = dataclasses.replace(GRADER, card=card, min_share=0.7).grade(in_parts(divided), described(divided))
    assert doubtful.grade is None
    assert sum(share > 0.2 for share in doubtful.probabilities.values()) >= 2
    assert f"score {_scored(doubtful)}, but only " in doubtful.reason
    assert "at least 70% are needed (setting grade.made_up.min_share)" in doubtful.reason


def _limits_around(nuclei: dict[str, np.ndarray]):
    score = float(score_of(CARD, known_of(CARD, described(nuclei))))
    return tuple(dataclasses.replace(LIMITS[0], value=v, low=v, high=v) for v in (score - 0.01, score + 0.01))


def _scored(result: GradeResult) -> str:
    return result.grades[int(np.searchsorted(result.limits, result.score, side="right"))]


def test_a_share_that_is_as_high_as_needed_is_enough():
    nuclei = slide("2")
    shares = GRADER.grade(in_parts(nuclei), described(nuclei)).probabilities
    assert sum(shares.values()) == pytest.approx(1)
    exact = dataclasses.replace(GRADER, min_share=max(shares.values()))
    assert exact.grade(in_parts(nuclei), described(nuclei)).grade is not None


def test_a_region_is_graded_by_its_statistics_alone():
    region = GRADER.grade(None, ROWS)
    assert (region.grade, region.probabilities, region.stability, region.shares_of) == ("2", {}, None, "")
    assert "squares" not in {item.name for item in region.evidence}
    nuclei = slide("2")
    whole = GRADER.grade(in_parts(nuclei), described(nuclei))
    assert GRADER.grade(None, described(nuclei)).score == whole.score
    assert value(whole, "squares") == 64


def test_a_small_field_is_cut_into_smaller_squares():
    nuclei = slide("2", extent_um=250.0)
    result = GRADER.grade(in_parts(nuclei), described(nuclei))
    assert value(result, "squares") == 16
    assert "62.5 µm" in next(item.meaning for item in result.evidence if item.name == "squares")


@settings(max_examples=25, deadline=None)
@given(tumor=st.integers(0, 80), stroma=st.integers(0, 30), extent=st.floats(20, 3000), seed=st.integers(0, 99))
def test_any_slide_gives_a_valid_result(tumor, stroma, extent, seed):
    nuclei = slide("3", tumor, stroma, extent, seed=seed)
    result = GRADER.grade(in_parts(nuclei), described(nuclei))
    assert result.abstained == (result.reason is not None)
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert all(item["value"] is not None for item in content["evidence"])
    assert not content["probabilities"] or sum(content["probabilities"].values()) == pytest.approx(1, abs=1e-3)
