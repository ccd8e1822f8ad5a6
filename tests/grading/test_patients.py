"""One grade for several slides of a patient."""

import pytest

from pathopipe.grading.patients import RULES, GradedSlide, grade_patient

GRADES = ("1", "2", "3")


def slide(name: str, grade: str | None = "2", nuclei: float = 1000, **more) -> GradedSlide:
    shares = more.pop("probabilities", {} if grade is None else {grade: 1.0})
    return GradedSlide(name, more.pop("state", "done"), grade, GRADES, shares, nuclei, **more)


@pytest.mark.parametrize(
    ("rule", "expected", "remark"),
    [("worst", "3", ""), ("representative", "1", "Grade of a."), ("pooled", "2", "Weighted mean 41%.")],
)
def test_each_rule_gives_its_grade(rule, expected, remark):
    slides = [
        slide("a", "1", 3000, probabilities={"1": 0.39, "2": 0.38, "3": 0.23}),
        slide("b", "3", 1000, probabilities={"1": 0.2, "2": 0.38, "3": 0.42}),
        slide("c", "2", 2000, probabilities={"1": 0.2, "2": 0.48, "3": 0.32}),
    ]
    found = grade_patient(slides, rule)
    assert (found.slides, found.grade) == (("a", "b", "c"), expected)
    assert found.remarks == ((remark,) if remark else ())


def test_pooling_weighs_by_nuclei_and_equal_means_give_the_worse_grade():
    slides = [slide("a", "1", 3000), slide("b", "3", 1000)]
    assert grade_patient(slides, "pooled").grade == "1"
    assert grade_patient([slide("a", "1", 1000), slide("b", "3", 3000)], "pooled").grade == "3"
    assert grade_patient([slide("a", "1", 1000), slide("b", "3", 1000)], "pooled").grade == "3"


def test_epithelial_nuclei_count_where_all_slides_have_types():
    slides = [slide("a", "1", 5000, epithelial=100.0), slide("b", "3", 1000, epithelial=900.0)]
    assert grade_patient(slides, "representative").grade == "3"
    slides = [slide("a", "1", 5000), slide("b", "3", 1000, epithelial=900.0)]
    assert grade_patient(slides, "representative").grade == "1"


@pytest.mark.parametrize("rule", RULES)
def test_slides_without_a_grade_are_named_and_count_for_nothing(rule):
    slides = [
        slide("a", "1", 100),
        slide("b", None, 9000),
        GradedSlide("c", "rejected"),
        GradedSlide("d", "rejected"),
        GradedSlide("e", "missing"),
        GradedSlide("f", "fault"),
    ]
    found = grade_patient(slides, rule)
    assert (found.grade, found.of_slides) == ("1", ("1", None, None, None, None, None))
    assert found.remarks[-4:] == (
        "Without a grade: b.",
        "Rejected: c, d.",
        "Not finished: e.",
        "Failed: f.",
    )
    nothing = grade_patient(slides[1:], rule)
    assert (nothing.grade, nothing.remarks[0]) == (None, "No slide has a grade.")


def test_different_graders_give_no_grade_together():
    other = GradedSlide("b", "done", "high", ("low", "high"), {"high": 1.0}, 100)
    found = grade_patient([slide("a"), other], "worst")
    assert (found.grade, found.remarks) == (None, ("The slides were graded by different graders.",))


def test_what_has_no_probabilities_is_not_pooled():
    found = grade_patient([slide("a"), slide("b", probabilities={})], "pooled")
    assert (found.grade, "can't be pooled" in found.remarks[0]) == (None, True)
    assert grade_patient([slide("a", nuclei=0)], "pooled").grade is None
