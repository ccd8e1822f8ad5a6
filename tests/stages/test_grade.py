import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathopipe.caveats import STOPS_GRADE, warning
from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.jobs.execution import execute
from pathopipe.pipeline import GradeSettings, NottinghamSettings
from pathopipe.results.documents import write_json
from pathopipe.results.schemas.column import Column, schema_of
from pathopipe.results.schemas.counts import REGION, REGION_CLASS, SLIDE, TYPE
from pathopipe.samples import Sample
from tests.made import manifest, seal

WARNING = warning("out_of_focus", "40% of the sampled tissue looks out of focus", 0.4, 0.3)
SAMPLE = Sample("s1", Path("s1.svs"))


COUNTED = {column.name: None for column in SLIDE if column.kind == "float64"}
ROWS = tuple(
    {"region": region, "region_class": "", "type": kind, "nuclei_count": 9, **COUNTED, "area_um2_sd": spread}
    for region, kind, spread in (
        ("slide", "all", 9.0),
        ("slide", "epithelial", 12.3456),
        ("slide", "stromal", None),
        ("tumor", "epithelial", 7.0),
    )
)


def describe(results: Path, *rows: dict[str, object]) -> None:
    """Write these rows of statistics."""
    table = pa.Table.from_pylist(
        rows, schema_of((REGION, REGION_CLASS, TYPE, *SLIDE, Column("area_um2_sd", "float64", "µm²", "")))
    )
    pq.write_table(table, results / "s1" / "statistics" / "statistics.parquet")
    seal(results, "s1")


def prepare(results: Path, area: float, count: int = 600, quality: tuple[dict, ...] = (), rejected: str | None = None):
    """Upstream artifacts of a slide whose nuclei are about ``area`` um2."""
    rng = np.random.default_rng(0)
    areas = area * np.exp(0.2 * rng.normal(size=count))
    features = {
        "area_um2": areas,
        "major_axis_um": np.sqrt(areas * 1.5),
        "minor_axis_um": np.sqrt(areas),
        "solidity": np.full(count, 0.95),
        "circularity": pa.array([None, *np.full(max(count - 1, 0), 0.8)][:count], pa.float64()),
        "hematoxylin_mean": rng.random(count),
    }
    slide = results / "s1"
    known = {"state": "rejected" if rejected else "done", "reason": rejected, "counts": {"nuclei": count}}
    known |= {"mpp_x": 0.25, "mpp_y": 0.25, "quality": list(quality)}
    for stage in ("tissue", "detect", "segment", "features", "types", "statistics"):
        write_json(slide / stage / "manifest.json", manifest(stage, "s1", **known))
        known["quality"] = []
    pq.write_table(pa.table(features), slide / "features" / "features.parquet")
    places = {name: rng.random(count) * 8000 for name in ("x_px", "y_px")}
    pq.write_table(pa.table(places), slide / "segment" / "nuclei.parquet")
    types = pa.array(["epithelial", "stromal", None] * count, pa.string())[:count]
    pq.write_table(pa.table({"type": types}), slide / "types" / "types.parquet")
    describe(results, *([] if rejected else ROWS))


def grade(results: Path, sample: Sample = SAMPLE, **settings) -> dict:
    common = {name: settings.pop(name) for name in ("grader", "out_of_scope") if name in settings}
    own = NottinghamSettings(**settings)
    execute("grade", "s1", results, GradeSettings(**common, nottingham=own), sample)
    return json.loads((results / "s1" / "grade" / "grade.json").read_text())


@pytest.mark.parametrize(("area", "expected"), [(38, "1"), (60, "2"), (100, "3")])
def test_a_slide_is_graded_with_its_evidence(tmp_path, area, expected):
    prepare(tmp_path, area)
    result = grade(tmp_path)
    assert result["grade"] == expected
    assert result["grader"] == "nottingham-pleomorphism"
    assert result["research_use_only"] is True
    evidence = {item["name"]: item["value"] for item in result["evidence"]}
    assert evidence["nuclei_graded"] == 600
    assert evidence["size_ratio"] == pytest.approx(area / 32, rel=0.05)


def test_statistics_of_the_slide_are_shown_and_change_no_grade(tmp_path):
    prepare(tmp_path, 60)
    shown = grade(tmp_path)
    evidence = {item["name"]: item["value"] for item in shown["evidence"]}
    assert evidence["typed_area_sd_um2"] == pytest.approx(12.3456, abs=0.01)
    describe(tmp_path, *[row | {"area_um2_sd": None} for row in ROWS])
    bare = grade(tmp_path)
    assert bare["probabilities"] == shown["probabilities"]
    assert [item["name"] for item in shown["evidence"] if item not in bare["evidence"]] == ["typed_area_sd_um2"]


@pytest.mark.parametrize("change", [{"area_um2_sd": ["much"] * 4}, {"type": [1] * 4}, {"nuclei_count": [0.5] * 4}])
def test_statistics_of_other_kinds_are_damaged(tmp_path, change):
    prepare(tmp_path, 60)
    path = tmp_path / "s1" / "statistics" / "statistics.parquet"
    table = pq.read_table(path)
    for name, values in change.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    pq.write_table(table, path)
    seal(tmp_path, "s1")
    with pytest.raises(ArtifactError, match=r"statistics/statistics.parquet: is damaged"):
        grade(tmp_path)


@pytest.mark.parametrize("name", ["region", "type", "nuclei_count"])
def test_statistics_without_what_they_are_about_are_damaged(tmp_path, name):
    prepare(tmp_path, 60)
    path = tmp_path / "s1" / "statistics" / "statistics.parquet"
    pq.write_table(pq.read_table(path).drop_columns([name]), path)
    seal(tmp_path, "s1")
    with pytest.raises(ArtifactError, match=r"statistics/statistics.parquet: is damaged"):
        grade(tmp_path)


def warn(results: Path, stage: str, *entries: dict) -> None:
    path = results / "s1" / stage / "manifest.json"
    write_json(path, json.loads(path.read_text()) | {"quality": list(entries)})


@pytest.mark.parametrize("stage", ["tissue", "detect", "features"])
@pytest.mark.parametrize("code", STOPS_GRADE)
def test_a_guard_of_any_stage_stops_the_grade_and_says_why(tmp_path, stage, code):
    prepare(tmp_path, 60)
    warn(tmp_path, stage, warning("pen", "pen marks", 0.9, 0), warning(code, f"what {code} means", 0.9, 0.1))
    result = grade(tmp_path)
    assert (result["grade"], result["abstained"], result["probabilities"]) == (None, True, {})
    assert f"hat {code} means" in result["reason"]
    assert {item["name"] for item in result["evidence"]} >= {"size_ratio", "nuclei_graded"}


def test_a_little_damage_and_pen_stop_nothing(tmp_path):
    prepare(tmp_path, 60)
    warn(tmp_path, "detect", warning("pen", "pen marks", 0.9, 0), warning("damaged", "damaged", 0.05, 0))
    assert grade(tmp_path)["grade"] == "2"
    warn(tmp_path, "detect", warning("damaged", "5.1% are damaged", 0.051, 0))
    assert "5.1% are damaged" in grade(tmp_path)["reason"]


def test_a_doubtful_mpp_is_named_first_also_where_too_few_nuclei_remain(tmp_path):
    prepare(tmp_path, 60, count=20, quality=(WARNING,))
    warn(tmp_path, "features", warning("implausible_mpp", "the mpp is probably wrong", -2.0, 0.5))
    assert grade(tmp_path)["reason"] == "The mpp is probably wrong."


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (
            {"tissue": "colon", "stain": "H&E"},
            "The sample sheet states tissue 'colon', but the grader is made for breast.",
        ),
        ({"stain": "PAS"}, "The sample sheet states stain 'PAS', but the grader is made for H&E."),
    ],
)
def test_a_slide_out_of_scope_is_graded_only_where_that_is_asked_for(tmp_path, about, words):
    prepare(tmp_path, 60)
    sample = Sample("s1", Path("s1.svs"), extra=about | {"site": "B1"})
    result = grade(tmp_path, sample)
    assert (result["grade"], result["outside_scope"]) == (None, words)
    assert "set grade.out_of_scope" in result["reason"]
    manifest = json.loads((tmp_path / "s1/grade/manifest.json").read_text())
    assert manifest["about"] == about
    assert [entry["code"] for entry in manifest["quality"]] == ["out_of_scope"]
    result = grade(tmp_path, sample, out_of_scope=True)
    assert (result["grade"], result["outside_scope"], result["reason"]) == ("2", words, None)


def test_another_stain_in_the_image_is_outside_of_the_scope_whatever_the_sheet_says(tmp_path):
    prepare(tmp_path, 60, quality=(warning("not_he", "the colors are not those of H&E", 0.9, 0.3),))
    sample = Sample("s1", Path("s1.svs"), extra={"tissue": "breast", "stain": "H&E"})
    assert grade(tmp_path, sample)["reason"].startswith("The colors are not those of H&E (set grade.out_of_scope")
    result = grade(tmp_path, sample, out_of_scope=True)
    assert (result["grade"], result["outside_scope"]) == ("2", "The colors are not those of H&E.")


def test_asking_for_grades_out_of_scope_lifts_no_other_guard(tmp_path):
    prepare(tmp_path, 60)
    warn(tmp_path, "features", warning("implausible_mpp", "the mpp is probably wrong", 2.0, 0.5))
    assert grade(tmp_path, out_of_scope=True)["grade"] is None


def test_stability_is_called_so(tmp_path):
    prepare(tmp_path, 60)
    result = grade(tmp_path)
    assert result["stability"] == result["probabilities"]["2"] == 1.0
    assert result["probabilities_calibrated"] is False
    assert "not how likely it is to be correct" in result["probabilities_are"]
    assert result["outside_scope"] is None


def test_places_are_taken_in_micrometers(tmp_path):
    """8000 pixels of 0.25 um are 8 squares of 250 um."""
    prepare(tmp_path, 60, count=3000)
    assert {item["name"]: item["value"] for item in grade(tmp_path)["evidence"]}["squares"] == 64


def test_settings_reach_the_grader(tmp_path):
    prepare(tmp_path, 60)
    assert grade(tmp_path, reference_area_um2=45)["grade"] == "1"
    assert "at least 601 are needed" in grade(tmp_path, min_nuclei=601)["reason"]


def test_a_warning_about_focus_makes_it_abstain(tmp_path):
    prepare(tmp_path, 60, quality=(WARNING,))
    result = grade(tmp_path)
    assert result["grade"] is None
    assert result["abstained"] is True
    assert "40% of the sampled tissue looks out of focus" in result["reason"]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_nuclei_give_a_valid_abstention(tmp_path, count):
    prepare(tmp_path, 60, count=count)
    assert "epithelial nuclei could be measured" in grade(tmp_path)["reason"]


def test_a_rejected_slide_is_not_graded_and_says_why(tmp_path):
    prepare(tmp_path, 60, rejected="no mpp")
    result = grade(tmp_path)
    assert result["reason"] == "The slide was rejected: no mpp"
    assert result["grades"] == ["1", "2", "3"]
    assert result["evidence"] == []
    assert result["probabilities"] == {}


def test_the_same_slide_gives_the_same_bytes(tmp_path):
    prepare(tmp_path, 60)
    grade(tmp_path)
    first = (tmp_path / "s1" / "grade" / "grade.json").read_bytes()
    grade(tmp_path)
    assert (tmp_path / "s1" / "grade" / "grade.json").read_bytes() == first


def test_an_unknown_grader_is_refused(tmp_path):
    prepare(tmp_path, 60)
    with pytest.raises(RefusalError, match="no grader 'gleason'"):
        grade(tmp_path, grader="gleason")
