"""A trained grader: what it says of a slide, when it abstains, and that its file is as it was written."""

import hashlib
import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from pathopipe.errors import RefusalError
from pathopipe.grading.card import sealed
from pathopipe.grading.registry import make_grader
from pathopipe.grading.trained import TrainedGrader
from pathopipe.models.weights import save_weights
from pathopipe.pipeline import GradeSettings
from pathopipe.training.grade.learning import learn
from pathopipe.training.grade.references import references_of
from tests.training.grade.graded_slides import GRADES, NAMES, cohort

SLIDES = cohort(90)


@pytest.fixture(scope="module")
def weights():
    return learn(SLIDES, "linear").grader.weights


def described(place, **changes):
    return {"all": dict(zip(NAMES, SLIDES.values[place].tolist(), strict=True)) | changes}


def clear(grade):
    """A slide of this grade that is told from the others without doubt."""
    return described(grade, area_um2_mean=40.0 + 10 * grade, area_um2_sd=40.0 + 10 * grade)


def test_a_clear_slide_gets_its_grade_with_everything_behind_it(weights):
    for place, grade in enumerate(GRADES):
        found = TrainedGrader(weights, 0.8).grade(None, clear(place))
        assert (found.grade, found.prediction_set, found.reason) == (grade, (grade,), None)
        assert found.calibrated
        assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-3)
        assert found.limits == pytest.approx(weights.card.limits, abs=1e-4)
        evidence = {item.name: item for item in found.evidence}
        assert evidence["score"].value == found.score
        assert evidence["score"].to_limit is not None
        assert "all_size_pull" in evidence
        json.dumps(found.to_dict(), allow_nan=False)


def test_a_higher_coverage_makes_larger_sets_and_more_abstentions(weights):
    count = {}
    for coverage in (0.6, 0.9, 0.95):
        results = [TrainedGrader(weights, coverage).grade(None, described(place)) for place in range(90)]
        count[coverage] = sum(len(result.prediction_set) for result in results)
        for result in results:
            assert (result.grade is None) == (result.prediction_set != (result.grade,))
    assert count[0.6] < count[0.9] <= count[0.95]


def test_it_says_which_grades_it_could_be_and_what_to_set(weights):
    between = described(0, area_um2_mean=45.0, area_um2_sd=45.0)
    found = TrainedGrader(weights, 0.95).grade(None, between)
    assert found.grade is None
    assert (
        found.reason
        == "The grade could be 1 or 2, at a coverage of 95% (setting grade.coverage; a lower one gives smaller sets)."
    )
    assert found.prediction_set == ("1", "2")


def test_a_slide_without_what_it_needs_is_not_graded(weights):
    found = TrainedGrader(weights).grade(None, {"all": {"area_um2_mean": 50.0}})
    assert found.grade is None
    assert found.reason.startswith(
        "86% of the statistics that the grader needs are missing here, the first is area_um2_sd"
    )
    assert TrainedGrader(weights).grade(None, {}).grade is None
    assert (
        TrainedGrader(weights, 0.6).grade(None, clear(2) | {"all": clear(2)["all"] | {"eosin_mean_sd": None}}).grade
        == "3"
    )


def test_a_slide_unlike_those_learned_from_is_not_graded_and_it_says_what_is_unlike(weights):
    odd = clear(2)["all"] | {
        "eosin_mean_mean": 1e4,
        "eosin_mean_sd": 1e4,
        "circularity_mean": -1e4,
        "spatial_clark_evans": 99.0,
    }
    found = TrainedGrader(weights, 0.6).grade(None, {"all": odd})
    assert found.grade is None
    assert found.reason.startswith(
        "The slide is unlike those that the grader learned from: 57% of its statistics lie outside"
    )
    assert "most of all all stain" in found.reason


@pytest.mark.parametrize(("mpp", "graded"), [(0.5, True), (0.6, True), (0.7, False), (0.25, False), (None, True)])
def test_a_resolution_unlike_those_learned_from_is_not_graded(weights, mpp, graded):
    found = TrainedGrader(weights, 0.6, mpp).grade(None, clear(2))
    assert (found.grade is not None) == graded
    if not graded:
        assert f"resolution of {mpp:.3g} µm per pixel is unlike" in found.reason


def test_the_slope_says_how_the_score_changes(weights):
    grader, here = TrainedGrader(weights), described(40)
    values = np.array([here["all"][name] for name in NAMES])
    slope = grader.slope(here)
    assert set(slope) <= {("all", name) for name in NAMES}
    # Over more than the kinks of places among few slides.
    step = 4.0
    for place, name in enumerate(NAMES[:2]):
        ends = [grader.judge((values + sign * step * np.eye(len(NAMES))[place])[None]).scores[0] for sign in (1, -1)]
        assert slope["all", name] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.5)
    for kind in ("trees", "nominal"):
        assert learn(cohort(30), kind).grader.slope(here) == {}


def saved(path, weights, **changes):
    card = sealed(replace(weights.card, name="mine"), weights.tensors)
    save_weights(path, replace(card, **changes), weights.tensors)
    return GradeSettings(grader=str(path))


def test_a_saved_grader_says_the_same(tmp_path, weights):
    settings = saved(tmp_path / "mine.safetensors", weights)
    found = make_grader(settings)
    assert (found.name, found.grades) == ("mine", GRADES)
    assert found.grade(None, clear(1)).score == TrainedGrader(weights).grade(None, clear(1)).score
    assert found.model[0] is not None


def test_a_slide_is_set_beside_the_slides_learned_from(tmp_path, weights):
    assert TrainedGrader(weights).grade(None, clear(1)).to_dict()["references"] is None
    card = sealed(replace(weights.card, name="mine", references=references_of(SLIDES)), weights.tensors)
    save_weights(tmp_path / "mine.safetensors", card, weights.tensors)
    found = make_grader(GradeSettings(grader=str(tmp_path / "mine.safetensors"))).grade(None, clear(1)).references
    assert found["label"] == "grade"
    assert found["groups"] == [{"grade": grade, "slides": 30} for grade in GRADES]
    (size,) = (one for one in found["statistics"] if one["column"].startswith("area_um2"))
    assert (size["row"], size["value"]) == ("all", 50.0)
    middles = [quantiles[2] for quantiles in size["quantiles"]]
    assert middles == pytest.approx([40, 50, 60], abs=3)


def test_a_grader_of_an_earlier_version_has_no_references_and_still_grades(tmp_path, weights):
    path = tmp_path / "mine.safetensors"
    settings = saved(path, weights)
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    card = json.loads(header["__metadata__"]["pathopipe"])
    del card["references"]
    told = {key: value for key, value in card.items() if key not in {"format", "kind"}} | {"seal": "-"}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(weights.tensors):
        digest.update(weights.tensors[name].tobytes())
    assert card["seal"] == digest.hexdigest(), "as it was sealed before"
    header["__metadata__"]["pathopipe"] = json.dumps(card)
    written = json.dumps(header).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + content[8 + size :])
    assert make_grader(settings).grade(None, clear(1)).references is None


@pytest.mark.parametrize(
    "changes",
    [{"figures": {"patients kept apart": {"quadratic_kappa": 1.0}}}, {"limits": (0.0, 0.1)}, {"scope": "All."}],
)
def test_a_card_that_was_edited_is_refused(tmp_path, weights, changes):
    settings = saved(tmp_path / "mine.safetensors", weights, **changes)
    with pytest.raises(RefusalError, match="the card or the weights of the grader 'mine' were edited"):
        make_grader(settings)


def test_a_grader_of_other_statistics_is_refused(tmp_path, weights):
    older = replace(weights.card, contract=weights.card.contract + 1)
    save_weights(tmp_path / "old.safetensors", sealed(older, weights.tensors), weights.tensors)
    with pytest.raises(RefusalError, match=r"was trained on statistics of contract version 4, .* train it again"):
        make_grader(GradeSettings(grader=str(tmp_path / "old.safetensors")))


def test_weights_that_were_edited_are_refused(tmp_path, weights):
    path = tmp_path / "mine.safetensors"
    settings = saved(path, weights)
    content = bytearray(path.read_bytes())
    content[-4:] = struct.pack("<f", 0.125)
    path.write_bytes(content)
    with pytest.raises(RefusalError, match="were edited since it was trained"):
        make_grader(settings)


def test_weights_of_another_kind_are_refused():
    from pathopipe.models import shelf

    nuclei = shelf.__file__.replace("shelf.py", "shipped/open.safetensors")
    with pytest.raises(RefusalError, match="'pathopipe train grade' wrote"):
        make_grader(GradeSettings(grader=nuclei))
