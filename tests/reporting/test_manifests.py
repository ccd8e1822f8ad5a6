import pytest

from pathopipe.reporting import manifests as reported
from pathopipe.reporting.grade_file import grade_of
from pathopipe.reporting.vocabulary import MPP_CHECKS
from tests.made import manifest as made_manifest

TISSUE = {
    "stage": "tissue",
    "state": "done",
    "reason": None,
    "mpp_x": 0.25,
    "mpp_y": 0.25,
    "mpp_source": "sheet",
    "identity": "12-ab",
    "slide_info": {"width": 4000, "height": 8000, "format": "aperio"},
    "quality": [{"code": "pen", "message": "pen marks cover 3%", "value": 0.03}],
    "params": {"margin_um": 24.0},
    "counts": {"samples": 44},
    "versions": {"numpy": "2.0"},
    "contract": 1,
}
REJECTED = {"state": "rejected", "reason": "no nuclei were found", "versions": {"numpy": "2.1"}}


def texts(facts):
    return {fact.label: (fact.value, fact.note) for fact in facts}


@pytest.mark.parametrize("checked_by", ["scales", "size", "nothing"])
def test_by_what_the_resolution_was_checked(checked_by):
    (fact,) = reported.mpp_facts({"mpp_checked_by": checked_by})
    assert fact.label == "Resolution check"
    assert fact.value == MPP_CHECKS[checked_by]
    assert reported.mpp_facts({}) == ()


def test_size_and_resolution_with_their_source():
    facts = texts(reported.slide_facts(TISSUE))
    assert facts["Size"] == ("1.00 × 2.00\u202fmm", "(4,000 × 8,000 px)")
    assert facts["Resolution"] == ("0.25\u202fµm per pixel", "(given in the sample sheet)")
    different = reported.resolution(TISSUE | {"mpp_y": 0.5})
    assert different == "0.25 × 0.5\u202fµm per pixel"


def test_what_a_rejected_slide_does_not_know_is_left_out():
    assert reported.slide_facts({"mpp_x": None, "slide_info": {"width": 10, "height": 20}})[0].value == "10 × 20 px"
    assert reported.slide_facts({}) == ()
    assert reported.identity_facts({}) == ()
    assert reported.warnings({}) == ()


def test_the_first_stage_that_rejected_is_named():
    assert reported.rejection({"tissue": TISSUE}) is None
    found = reported.rejection({"tissue": TISSUE, "segment": REJECTED, "features": REJECTED | {"reason": "passed on"}})
    assert found == reported.Rejection("Nucleus segmentation", "No nuclei were found.")


def test_warnings_are_sentences():
    (warning,) = reported.warnings({"tissue": TISSUE})
    assert (warning.message, warning.label, warning.stops_grade) == ("Pen marks cover 3%.", "Pen marks", False)


def entry(code, value=1.0):
    return {"code": code, "message": code, "value": value, "threshold": 0.1}


def test_warnings_of_all_stages_are_told_those_that_stop_a_grade_first():
    manifests = {
        "tissue": {"quality": [entry("pen"), entry("not_he")]},
        "detect": {"quality": [entry("damaged", 0.05)]},
        "features": {"quality": [entry("implausible_mpp", -3.0)]},
        "grade": {"quality": [entry("out_of_scope")], "params": {"out_of_scope": False}},
    }
    found = [(warning.code, warning.stops_grade) for warning in reported.warnings(manifests)]
    stops = [("not_he", True), ("implausible_mpp", True), ("out_of_scope", True)]
    assert found == [*stops, ("pen", False), ("damaged", False)]
    manifests["grade"]["params"]["out_of_scope"] = True
    manifests["detect"]["quality"] = [entry("damaged", 0.051)]
    assert [warning.code for warning in reported.warnings(manifests) if warning.stops_grade] == [
        "damaged",
        "implausible_mpp",
    ]


@pytest.mark.parametrize("probabilities", [{"low": 0.2, "high": 0.8}, [0.2, 0.8]])
def test_grade_is_read_with_probabilities_in_the_order_of_the_grades(probabilities):
    content = {"grader": "g", "grade": "high", "grades": ["low", "high"], "probabilities": probabilities}
    content["evidence"] = [{"name": "area_um2_mean", "value": 30.0, "unit": "µm²", "meaning": "large"}]
    grade = grade_of(content)
    assert grade.probabilities == (0.2, 0.8)
    assert not grade.abstained
    assert grade.evidence[0].label == "Nuclear area, mean"
    assert grade.evidence[0].written == "30.0\u202fµm²"


def test_abstention_without_probabilities():
    grade = grade_of({"grader": "g", "grade": None, "grades": ["1"], "abstained": True, "reason": "too few"})
    assert (grade.grade, grade.abstained, grade.reason, grade.bars) == (None, True, "Too few.", None)
    assert grade_of({}) is None


def test_long_evidence_is_cut_beside_the_grade_and_short_is_not():
    evidence = [{"name": f"n{i}", "value": i, "unit": "", "meaning": ""} for i in range(9)]
    long = grade_of({"grader": "g", "evidence": evidence})
    assert long.is_cut
    assert [item.name for item in long.leading] == ["n0", "n1", "n2", "n3"]
    assert not grade_of({"grader": "g", "evidence": evidence[:6]}).is_cut


def test_records_say_how_a_stage_was_run():
    model = {"name": "net", "sha256": "ff" * 32}
    first, second = reported.stage_records({"tissue": TISSUE, "detect": TISSUE | {"model": model}})
    assert texts(first.params) == {"margin_um": ("24", "")}
    assert texts(first.counts) == {"samples": ("44", "")}
    assert first.model == ()
    assert texts(second.model) == {"Name": ("net", ""), "Weights": ("ff" * 32, "")}


def test_versions_that_differ_between_stages_are_all_named():
    assert texts(reported.version_facts({"a": TISSUE, "b": REJECTED, "c": TISSUE})) == {"numpy": ("2.0, 2.1", "")}


def test_a_model_is_named_with_its_terms():
    detect = {"model": {"name": "research", "sha256": "ab", "licence": "CC BY-NC-SA 4.0"}}
    found = made_manifest("segment")
    assert texts(reported.nuclei_facts(detect, found)) == {"Nuclei found by": ("research", "(CC BY-NC-SA 4.0)")}
    assert reported.nuclei_facts({"model": None}, found) == ()
    record = reported.stage_records({"detect": {"state": "done"} | detect})[0]
    assert texts(record.model)["License"] == ("CC BY-NC-SA 4.0", "")


def test_given_nuclei_are_called_so_with_what_changed_against_those_before() -> None:
    counts = {"given": 1210, "left_out": 10, "nuclei": 1200, "typed": 1100}
    changes = {"before": 1205, "kept": 1190, "changed": 6, "deleted": 9, "added": 4, "retyped": 2}
    about = {"inputs": {"nuclei": "ab"}, "counts": counts, "nuclei_format": "GeoJSON"}
    detect = made_manifest("detect", model=None)
    alone = reported.nuclei_facts(detect, made_manifest("segment", changes=None, **about))
    told = "(GeoJSON in the sample sheet: 1,210 found there, 10 left out)"
    assert texts(alone) == {"Nuclei": ("given, not found by a model", told)}
    facts = reported.nuclei_facts(detect, made_manifest("segment", changes=changes, **about))
    kept = "1,190 kept, 6 changed, 9 deleted, 4 added, 2 retyped"
    assert texts(facts) == texts(alone) | {"Corrections": (kept, "(of 1,205 before)")}
    untyped = reported.nuclei_facts(detect, made_manifest("segment", changes=changes | {"retyped": None}, **about))
    assert "retyped" not in untyped[1].value
    types = made_manifest("types", counts={"nuclei": 1200, "epithelial": 1100, "unknown": 100}, model=None)
    (fact,) = reported.type_facts(types, made_manifest("segment", **about))
    assert (fact.value, fact.note) == ("epithelial 92%, not said 8%", "(given)")


def test_what_nuclei_are_stands_with_who_says_so_and_where_that_holds() -> None:
    counts = {"nuclei": 200, "epithelial": 100, "inflammatory": 40, "stromal": 20, "other": 0, "unknown": 40}
    model = {"name": "breast", "sha256": "0", "licence": "CC BY 4.0"}
    made = made_manifest("types", counts=counts, model=model, scope="learned on breast")
    (fact,) = reported.type_facts(made, made_manifest("segment"))
    assert fact.value == "epithelial 50%, inflammatory 20%, stromal 10%, not said 20%"
    assert fact.note == "(by the model breast; learned on breast; CC BY 4.0)"


def test_without_a_model_nothing_is_said_of_what_nuclei_are() -> None:
    types = made_manifest("types", counts={"nuclei": 200, "unknown": 200}, model=None)
    assert reported.type_facts(types, made_manifest("segment")) == ()


def test_the_page_says_with_which_stain_was_measured():
    (native,) = reported.stain_facts({"stain": {"measured": "native"}})
    assert (native.label, native.value) == ("Stain of the measures", "as it is on the slide")
    (other,) = reported.stain_facts({"stain": {"measured": "normalized", "target": {}}})
    assert other.value.startswith("normalized to the target")
