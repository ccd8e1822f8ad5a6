import pytest

from pathopipe.errors import RefusalError
from pathopipe.grading.base import Evidence, GradeResult, out_of_scope
from pathopipe.grading.registry import make_grader
from pathopipe.pipeline import GradeSettings, NottinghamSettings


def test_graders_are_made_by_name():
    grader = make_grader(GradeSettings(nottingham=NottinghamSettings(min_nuclei=5)))
    assert grader.min_nuclei == 5
    assert grader.name == "nottingham-pleomorphism"
    assert grader.grades == ("1", "2", "3")


def test_an_unknown_grader_is_refused_with_the_known_ones():
    with pytest.raises(
        RefusalError, match="no grader 'fuhrman': choose one of nottingham-pleomorphism, or give the path"
    ):
        make_grader(GradeSettings(grader="fuhrman"))


def test_a_result_has_the_content_of_the_contract():
    result = GradeResult("g", None, ("1", "2"), "Made for tests.", {}, "Too few.", (Evidence("n", 3, "", "nuclei"),))
    assert result.to_dict() == {
        "grader": "g",
        "grade": None,
        "grades": ["1", "2"],
        "scope": "Made for tests.",
        "outside_scope": None,
        "stability": None,
        "score": None,
        "limits": [],
        "probabilities": {},
        "probabilities_are": "",
        "probabilities_calibrated": False,
        "prediction_set": None,
        "coverage": None,
        "abstained": True,
        "reason": "Too few.",
        "evidence": [{"name": "n", "value": 3, "unit": "", "meaning": "nuclei", "limits": [], "to_limit": None}],
        "not_assessed": [],
        "figures": {},
        "card": "",
        "references": None,
        "research_use_only": True,
    }


def test_a_number_says_how_far_it_is_from_the_nearest_limit():
    assert Evidence("a", 45.0, "um2", "", (30.0, 50.0)).to_limit == 5.0
    assert Evidence("a", 33.0, "um2", "", (30.0, 50.0)).to_limit == -3.0
    assert Evidence("a", 33.0, "um2", "").to_limit is None
    assert Evidence("a", None, "um2", "", (30.0, 50.0)).to_limit is None


def test_figures_of_the_grader_have_names():
    result = GradeResult(
        "g", "1", ("1", "2"), "", figures={"spearman": (0.5, 0.3, 0.6), "n_patients": (81, None, None)}
    )
    assert result.to_dict()["figures"] == {
        "spearman": {"value": 0.5, "low": 0.3, "high": 0.6},
        "n_patients": {"value": 81, "low": None, "high": None},
    }


def test_a_share_of_resamples_is_no_certainty():
    result = GradeResult("g", "2", ("1", "2"), "", {"1": 0.3, "2": 0.7})
    assert (result.stability, result.to_dict()["probabilities_calibrated"]) == (0.7, False)
    assert GradeResult("g", "2", ("1", "2"), "", {"1": 0.3, "2": 0.7}, calibrated=True).stability is None


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({}, None),
        ({"tissue": "breast", "stain": "H&E"}, None),
        ({"tissue": "Breast, left", "stain": "HE"}, None),
        ({"tissue": "breast carcinoma", "stain": "Haematoxylin and eosin"}, None),
        ({"stain": "hematoxylin & eosin"}, None),
        ({"stain": "h/e"}, None),
        ({"tissue": "colon"}, "the sample sheet states tissue 'colon', but the grader is made for breast"),
        ({"tissue": "breastplate"}, "tissue 'breastplate'"),
        ({"stain": "HES"}, "the sample sheet states stain 'HES', but the grader is made for H&E"),
        ({"stain": "Hedgehog"}, "stain 'Hedgehog'"),
        ({"stain": "ER"}, "stain 'ER'"),
        ({"tissue": "lung", "stain": "PAS"}, "made for breast; the sample sheet states stain 'PAS'"),
    ],
    ids=str,
)
def test_what_the_sheet_says_is_held_against_what_the_grader_is_made_for(about, words):
    found = out_of_scope(make_grader(GradeSettings()), about)
    assert (found is None) == (words is None)
    assert words is None or words in found
