import pytest

from pathopipe.errors import RefusalError
from pathopipe.models.graders import Evidence, GradeResult, make_grader


def test_graders_are_made_by_name():
    grader = make_grader("nottingham-pleomorphism", min_nuclei=5)
    assert grader.name == "nottingham-pleomorphism"
    assert grader.grades == ("1", "2", "3")


def test_an_unknown_grader_is_refused_with_the_known_ones():
    with pytest.raises(RefusalError, match="no grader 'fuhrman'; known are nottingham-pleomorphism"):
        make_grader("fuhrman")


def test_a_result_has_the_content_of_the_contract():
    result = GradeResult("g", None, ("1", "2"), "Made for tests.", {}, "Too few.", (Evidence("n", 3, "", "nuclei"),))
    assert result.to_dict() == {
        "grader": "g",
        "grade": None,
        "grades": ["1", "2"],
        "scope": "Made for tests.",
        "probabilities": {},
        "abstained": True,
        "reason": "Too few.",
        "evidence": [{"name": "n", "value": 3, "unit": "", "meaning": "nuclei"}],
        "research_use_only": True,
    }
