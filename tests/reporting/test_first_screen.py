from dataclasses import replace

import pytest

from pathopipe.reporting.fact import Fact
from pathopipe.reporting.first_screen import how_sure, left_out
from pathopipe.reporting.grade_view import Grade

STEADY = Grade("g", "scope", "2", ("1", "2", "3"), (0.1, 0.7, 0.2), False, None, (), stability=0.7)
LIMITS = {"score": 0.4, "limits": (0.0, 1.0)}


def test_resamples_are_not_called_certainty():
    said = how_sure(replace(STEADY, shares_of="Not how likely it is to be correct."))
    assert said == ("Same grade in 70% of resamples.", "Not how likely it is to be correct.")
    assert "robab" not in " ".join(said)


def test_probabilities_stand_beside_the_grades_that_are_possible():
    trained = replace(STEADY, stability=None, calibrated=True, prediction_set=("2", "3"), coverage=0.9)
    held = "Possible grades: 2 or 3. 9 of 10 such sets hold the pathologist's grade."
    assert how_sure(trained) == ("Probability 70%.", held)


def test_a_grader_that_says_nothing_of_it_is_not_spoken_for():
    assert how_sure(replace(STEADY, stability=None)) == ("The grader does not say how sure it is.",)


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (0.4, "The score is 0.40 above the limit between 1 and 2."),
        (0.75, "The score is 0.25 below the limit between 2 and 3."),
        (1.0, "The score is at the limit between 2 and 3."),
    ],
)
def test_the_nearest_limit_is_told(score, words):
    assert words in how_sure(replace(STEADY, score=score, limits=(0.0, 1.0)))


def test_limits_that_do_not_go_with_the_grades_are_not_told():
    assert how_sure(replace(STEADY, score=0.4, limits=(0.0,))) == how_sure(STEADY)


def test_the_first_figure_that_says_how_the_grader_agrees_is_told_with_its_interval():
    facts = (
        Fact("Patients", "81"),
        Fact("Accuracy", "0.71"),
        Fact("Quadratic-weighted kappa", "0.55", "(0.35 to 0.68)"),
    )
    told = "When the grader was tested: quadratic-weighted kappa 0.55 (0.35 to 0.68); 1 is perfect."
    assert how_sure(replace(STEADY, figures=facts))[-1] == told
    assert how_sure(replace(STEADY, figures=facts[:2]))[-1].startswith("When the grader was tested: accuracy 0.71;")
    assert how_sure(replace(STEADY, figures=facts[:1])) == how_sure(STEADY)


def test_nothing_is_sure_without_a_grade():
    assert how_sure(replace(STEADY, grade=None, abstained=True, **LIMITS)) == ()


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ("", ""),
        ("a", "Not assessed: a."),
        ("ab", "Not assessed: a and b."),
        ("abcd", "Not assessed: a, b, c and d."),
        ("abcdefg", "Not assessed: a, b, c and 4 more."),
    ],
)
def test_what_was_not_assessed_is_a_sentence(items, words):
    assert left_out(replace(STEADY, not_assessed=tuple((item, "why") for item in items))) == words
    assert left_out(None) == ""
