"""What the page says of a grade."""

from dataclasses import replace

import pytest

from pathopipe.reporting.grade_file import grade_of
from pathopipe.reporting.grade_view import Evidence, Grade

BARE = {"grader": "g", "grade": "2", "grades": ["1", "2", "3"], "probabilities": {"1": 0.1, "2": 0.7, "3": 0.2}}
WHOLE = BARE | {
    "scope": "Made for breast.",
    "stability": None,
    "probabilities_calibrated": True,
    "score": 1.2,
    "limits": [1.0, 2.0],
    "prediction_set": ["1", "2"],
    "coverage": 0.9,
    "evidence": [
        {"name": "size_ratio", "value": 1.7, "unit": "", "meaning": "x", "limits": [1.5, 2.0], "to_limit": -0.2},
        {"name": "nuclei_graded", "value": 900, "unit": "", "meaning": "y", "limits": [], "to_limit": None},
    ],
    "not_assessed": [{"item": "Mitotic count", "reason": "not told apart"}],
    "figures": {
        "spearman": {"value": 0.52, "low": 0.3, "high": 0.7},
        "n_patients": {"value": 81, "low": None, "high": None},
    },
    "card": "Fitted on 81 cases.",
    "regions": {
        "tumor": {"grade": "3", "score": 2.2, "probabilities": {}, "prediction_set": ["3"], "reason": None},
        "densest_field": {
            "grade": None,
            "score": None,
            "probabilities": {},
            "prediction_set": None,
            "reason": "too few nuclei",
        },
    },
    "drivers": {
        "side_um": 250.0,
        "covered": 0.67,
        "left_out": ["all: nuclei_per_mm2", "epithelial: nuclei_count"],
        "fields": [{"x_px": 1500, "y_px": 500, "width_px": 500, "height_px": 500, "nuclei": 97, "influence": -0.0569}],
        "nuclei": [{"nucleus_id": 521, "influence": 0.01}],
    },
}


def grade(**changes) -> Grade:
    found = grade_of(WHOLE | changes)
    assert found is not None
    return found


def test_a_file_of_an_earlier_version_is_read():
    found = grade_of(BARE | {"stability": 0.7})
    assert found is not None
    assert (found.stable, found.possible, found.score_line) == ("Same grade in 70% of resamples", "", None)
    assert (found.regions, found.drivers, found.figures, found.measured) == ((), None, (), ())


def test_probabilities_are_called_what_they_are():
    assert grade().stable == "Probability 70%"
    assert 'aria-label="Probability by grade: 1 10%' in str(grade().bars)
    shares = grade(probabilities_calibrated=False, stability=0.7)
    assert shares.stable == "Same grade in 70% of resamples"
    assert 'aria-label="Share of resamples by grade: 1 10%' in str(shares.bars)
    assert grade(grade=None, abstained=True).stable == ""


@pytest.mark.parametrize(
    ("chosen", "coverage", "words"),
    [
        (["2"], 0.9, "Possible grade: 2. 9 of 10 such sets hold the pathologist's grade."),
        (["1", "2"], 0.8, "Possible grades: 1 or 2. 8 of 10 such sets hold the pathologist's grade."),
        (["1", "2", "3"], 0.95, "Possible grades: all of them. 19 of 20 such sets hold the pathologist's grade."),
        ([], 0.5, "Possible grade: none fits well enough. 5 of 10 such sets hold the pathologist's grade."),
        (None, None, ""),
    ],
)
def test_the_prediction_set_is_told_in_plain_words(chosen, coverage, words):
    assert grade(prediction_set=chosen, coverage=coverage).possible == words


@pytest.mark.parametrize(
    ("value", "to_limit", "words"),
    [
        (1.7, -0.2, "0.200 above the limit of 1.50."),
        (1.7, 0.3, "0.300 below the limit of 2.00."),
        (2.0, 0.0, "At the limit of 2.00."),
        (None, None, ""),
    ],
)
def test_numbers_are_told_by_their_distance_from_the_limit(value, to_limit, words):
    assert Evidence("size_ratio", value, "", "", (1.5, 2.0), to_limit).distance == words


def test_numbers_without_limits_have_no_line():
    found = grade()
    assert [item.name for item in found.measured] == ["size_ratio"]
    assert 'aria-label="Size ratio: 1.70; limits: 1.50, 2.00."' in str(found.measured[0].line)


def test_the_score_stands_between_the_grades():
    assert 'aria-label="Score 1.20; limits between grades: 1.00, 2.00."' in str(grade().score_line)
    assert str(grade().score_line).count('class="part-name"') == 3
    assert str(grade(limits=[1.0]).score_line).count('class="part-name"') == 0, "more grades than parts"


def test_figures_and_their_intervals_are_told_in_a_fixed_order():
    told = [(fact.label, fact.value, fact.note) for fact in grade().figures]
    assert told == [("Patients", "81", ""), ("Rank correlation", "0.52", "(0.30 to 0.70)")]


def test_regions_are_told_by_their_names():
    regions = {region.region: region for region in grade().regions}
    assert list(regions) == ["tumor", "Densest field"]
    assert (regions["tumor"].possible, regions["Densest field"].reason) == ("3", "Too few nuclei.")
    assert grade().one_reason == ""
    alone = replace(grade(), regions=(regions["Densest field"],) * 2)
    assert alone.one_reason == "Too few nuclei."


def test_drivers_are_told_in_words():
    drivers = grade().drivers
    assert drivers is not None
    assert (drivers.fields[0].corner, drivers.fields[0].influence) == ("1,500, 500", "\u22120.057")
    assert drivers.missing == "Nuclear density; Nuclei (epithelial nuclei)"
