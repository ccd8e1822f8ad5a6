"""The shipped grader of nuclear pleomorphism, on nuclei that are clearly of one score."""

import pytest

from pathopipe.grading.base import Grader
from pathopipe.grading.registry import make_grader
from pathopipe.pipeline import GradeSettings, NottinghamSettings
from tests.grading.slides import described, in_parts, slide


@pytest.fixture(scope="module")
def grader() -> Grader:
    return make_grader(GradeSettings())


@pytest.mark.parametrize("grade", ["1", "2", "3"])
@pytest.mark.parametrize("seed", [0, 20])
def test_nuclei_of_a_score_get_it(grader, grade, seed):
    nuclei = slide(grade, seed=seed)
    result = grader.grade(in_parts(nuclei), described(nuclei))
    assert (result.grade, result.reason) == (grade, None)
    assert result.stability > 0.9


@pytest.mark.parametrize("grade", ["1", "2", "3"])
@pytest.mark.parametrize("scale", [0.6, 1.5])
def test_what_changes_all_nuclei_alike_changes_no_grade(grader, grade, scale):
    """Shrinkage, generous outlines, a wrong mpp: the stroma's nuclei go along."""
    nuclei, changed = slide(grade), slide(grade, scale=scale)
    first, second = (grader.grade(in_parts(each), described(each)) for each in (nuclei, changed))
    assert second.grade == grade
    assert second.score == pytest.approx(first.score, abs=1e-5)


def test_its_settings_are_its_own():
    nuclei = slide("2", tumor=30)
    own = make_grader(GradeSettings(nottingham=NottinghamSettings(min_nuclei=31)))
    result = own.grade(in_parts(nuclei), described(nuclei))
    assert "Only 30 epithelial nuclei were found, but at least 31 are needed (setting grade.nottingham" in result.reason
    doubtful = make_grader(GradeSettings(nottingham=NottinghamSettings(min_share=1.0)))
    nuclei = slide("2", tumor=30, stroma=10)
    assert "setting grade.nottingham.min_share" in doubtful.grade(in_parts(nuclei), described(nuclei)).reason


def test_the_limits_of_size_include_those_of_the_published_rule(grader):
    """1.5 and 2 times normal (Segen's Medical Dictionary 2012), though they were fitted on scores alone."""
    size = next(item for item in grader.card.items if item.name == "size_ratio")
    for limit, published in zip(size.limits, (1.5, 2.0), strict=True):
        assert limit.low <= published <= limit.high
