import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathopipe.caveats import STOPS_GRADE, warning
from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.grading.criteria_score import resample, score_of
from pathopipe.grading.registry import make_grader
from pathopipe.jobs.execution import execute
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.pipeline import GradeSettings, NottinghamSettings
from pathopipe.results.documents import write_json
from pathopipe.results.schemas.column import Column, schema_of
from pathopipe.results.schemas.counts import REGION, REGION_CLASS, SLIDE, TYPE
from pathopipe.samples import Sample
from tests.grading.slides import described, slide
from tests.made import manifest, seal
from tests.stages.linear_grader import LinearGrader

WARNING = warning("out_of_focus", "40% of the sampled tissue looks out of focus", 0.4, 0.3)
SAMPLE = Sample("s1", Path("s1.svs"))


FEATURES = ("area_um2", "clump_count", "at_border")
MEASURED = tuple(
    f"{name}_{statistic}" for name in ("area_um2", "clump_count") for statistic in ("mean", "sd", "cv", "p50")
)
COUNTED = {column.name: None for column in SLIDE if column.kind == "float64"}


def describe(results: Path, *rows: dict[str, object]) -> None:
    """Write these rows of statistics."""
    columns = (REGION, REGION_CLASS, TYPE, *SLIDE, *(Column(name, "float64", "", "") for name in MEASURED))
    known = [{column.name: row.get(column.name) for column in columns} for row in rows]
    pq.write_table(pa.Table.from_pylist(known, schema_of(columns)), results / "s1/statistics/statistics.parquet")
    seal(results, "s1")


def rows_of(nuclei: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """Rows of the whole slide, and of a region that differs."""
    here = [COUNTED | row | {"region": "slide", "type": name} for name, row in described(nuclei).items()]
    return [row | {"region_class": ""} for row in [*here, here[1] | {"region": "tumor", "area_um2_mean": 9.0}]]


def prepare(
    results: Path,
    level: str = "2",
    tumor: int = 600,
    quality: tuple[dict, ...] = (),
    rejected: str | None = None,
    **changes,
) -> dict[str, np.ndarray]:
    """Upstream artifacts of a slide of this score."""
    nuclei = slide(level, tumor, **changes)
    home, count = results / "s1", len(nuclei["type"])
    known = {"state": "rejected" if rejected else "done", "reason": rejected, "counts": {"nuclei": count}}
    known |= {"mpp_x": 0.25, "mpp_y": 0.25, "quality": list(quality)}
    for stage in ("tissue", "quality", "detect", "segment", "features", "types", "statistics"):
        write_json(home / stage / "manifest.json", manifest(stage, "s1", **known))
        known["quality"] = []
    features = {name: nuclei[name] for name in FEATURES}
    features |= {"clump_count": features["clump_count"].astype(np.float32), "at_border": nuclei["at_border"] > 0}
    table = pa.table(features | {"at_border": features["at_border"].astype(np.int8)})
    pq.write_table(table, home / "features" / "features.parquet")
    places = {f"{axis}_px": nuclei[f"{axis}_um"] / 0.25 for axis in "xy"}
    pq.write_table(pa.table(places), home / "segment" / "nuclei.parquet")
    names = [TYPES[int(place)] if place >= 0 else None for place in nuclei["type"]]
    pq.write_table(pa.table({"type": pa.array(names, pa.string())}), home / "types" / "types.parquet")
    describe(results, *([] if rejected else rows_of(nuclei)))
    return nuclei


def grade(results: Path, sample: Sample = SAMPLE, **settings) -> dict:
    common = {name: settings.pop(name) for name in ("grader", "out_of_scope") if name in settings}
    own = NottinghamSettings(**settings)
    execute("grade", "s1", results, GradeSettings(**common, nottingham=own), sample)
    return json.loads((results / "s1" / "grade" / "grade.json").read_text())


@pytest.mark.parametrize("level", ["1", "2", "3"])
def test_a_slide_is_graded_with_its_evidence(tmp_path, level):
    nuclei = prepare(tmp_path, level)
    result = grade(tmp_path)
    assert result["grade"] == level
    assert result["grader"] == "nottingham-pleomorphism"
    assert result["research_use_only"] is True
    evidence = {item["name"]: item["value"] for item in result["evidence"]}
    assert evidence["nuclei_graded"] == 600
    sizes = [described(nuclei)[name]["area_um2_mean"] for name in ("epithelial", "stromal")]
    assert evidence["size_ratio"] == pytest.approx(sizes[0] / sizes[1], abs=1e-4)


def test_the_nuclei_and_the_statistics_of_a_slide_agree(tmp_path):
    """Of tables in several formats: resamples of nuclei scatter around the score of the statistics."""
    prepare(tmp_path)
    seen = []

    def spy(nuclei, statistics):
        seen.append(resample(nuclei, statistics))
        return seen[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pathopipe.grading.criteria.resample", spy)
        result = grade(tmp_path)
    scores = score_of(make_grader(GradeSettings()).card, seen[0].known)
    assert scores[0] == pytest.approx(result["score"], abs=1e-6)


def test_of_a_slide_without_types_there_is_no_grade(tmp_path):
    nuclei = prepare(tmp_path)
    path = tmp_path / "s1" / "types" / "types.parquet"
    pq.write_table(pa.table({"type": pa.nulls(len(nuclei["type"]), pa.string())}), path)
    describe(tmp_path, rows_of(nuclei)[0])
    result = grade(tmp_path)
    assert result["grade"] is None
    assert "types of the nuclei are not known" in result["reason"]
    assert "types.model" in result["reason"]


def test_without_chromatin_there_is_no_grade(tmp_path):
    nuclei = prepare(tmp_path)
    describe(tmp_path, *[row | {"clump_count_mean": None} for row in rows_of(nuclei)])
    assert grade(tmp_path)["reason"] == "clump_count was not measured: add chromatin to the setting features.groups."


@pytest.mark.parametrize("change", [{"area_um2_sd": "much"}, {"type": 1}, {"nuclei_count": 0.5}])
def test_statistics_of_other_kinds_are_damaged(tmp_path, change):
    prepare(tmp_path)
    path = tmp_path / "s1" / "statistics" / "statistics.parquet"
    table = pq.read_table(path)
    for name, value in change.items():
        column = pa.array([value] * table.num_rows)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, path)
    seal(tmp_path, "s1")
    with pytest.raises(ArtifactError, match=r"statistics/statistics.parquet: is damaged"):
        grade(tmp_path)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("features/features.parquet", {"area_um2": "large"}),
        ("features/features.parquet", {"at_border": None}),
        ("types/types.parquet", {"type": "tumor"}),
        ("types/types.parquet", {"type": 1}),
    ],
)
def test_nuclei_of_other_kinds_are_damaged(tmp_path, file, change):
    prepare(tmp_path)
    path = tmp_path / "s1" / file
    table = pq.read_table(path)
    for name, value in change.items():
        kind = pa.int8() if value is None else None
        column = pa.array([value] * table.num_rows, kind)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, path)
    seal(tmp_path, "s1")
    with pytest.raises(ArtifactError, match=rf"{file}: is damaged"):
        grade(tmp_path)


@pytest.mark.parametrize("file", ["features/features.parquet", "types/types.parquet", "segment/nuclei.parquet"])
def test_a_table_of_another_length_is_damaged(tmp_path, file):
    prepare(tmp_path)
    path = tmp_path / "s1" / file
    pq.write_table(pq.read_table(path).slice(1), path)
    seal(tmp_path, "s1")
    with pytest.raises(ArtifactError, match=rf"{file}: is damaged"):
        grade(tmp_path)


@pytest.mark.parametrize("name", ["region", "type", "nuclei_count"])
def test_statistics_without_what_they_are_about_are_damaged(tmp_path, name):
    prepare(tmp_path)
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
    prepare(tmp_path)
    warn(tmp_path, stage, warning("pen", "pen marks", 0.9, 0), warning(code, f"what {code} means", 0.9, 0.1))
    result = grade(tmp_path)
    assert (result["grade"], result["abstained"], result["probabilities"]) == (None, True, {})
    assert f"hat {code} means" in result["reason"]
    assert {item["name"] for item in result["evidence"]} >= {"size_ratio", "nuclei_graded"}


def test_a_little_damage_and_pen_stop_nothing(tmp_path):
    prepare(tmp_path)
    warn(tmp_path, "detect", warning("pen", "pen marks", 0.9, 0), warning("damaged", "damaged", 0.05, 0))
    assert grade(tmp_path)["grade"] == "2"
    warn(tmp_path, "detect", warning("damaged", "5.1% are damaged", 0.051, 0))
    assert "5.1% are damaged" in grade(tmp_path)["reason"]


def test_a_doubtful_mpp_is_named_first_also_where_too_few_nuclei_remain(tmp_path):
    prepare(tmp_path, tumor=2, quality=(WARNING,))
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
    prepare(tmp_path)
    sample = Sample("s1", Path("s1.svs"), extra=about | {"site": "B1"})
    result = grade(tmp_path, sample)
    assert (result["grade"], result["outside_scope"]) == (None, words)
    assert "set grade.out_of_scope" in result["reason"]
    manifest = json.loads((tmp_path / "s1/grade/manifest.json").read_text())
    assert manifest["about"] == about
    assert [entry["code"] for entry in manifest["quality"]] == ["out_of_scope"]
    result = grade(tmp_path, sample, out_of_scope=True)
    assert (result["grade"], result["outside_scope"], result["reason"]) == ("2", words, None)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({}, "The sample sheet states no tissue and no stain, so that the scope was not checked."),
        ({"tissue": "breast"}, "The sample sheet states no stain, so that the scope was not checked."),
        ({"tissue": "breast", "stain": "H&E"}, "are not distinguished."),
    ],
)
def test_a_scope_that_could_not_be_checked_is_said(tmp_path, about, words):
    prepare(tmp_path)
    found = grade(tmp_path, Sample("s1", Path("s1.svs"), extra=about))
    assert found["grade"] == "2"
    assert found["scope"].endswith(words)


def test_another_stain_in_the_image_is_outside_of_the_scope_whatever_the_sheet_says(tmp_path):
    prepare(tmp_path, quality=(warning("not_he", "the colors are not those of H&E", 0.9, 0.3),))
    sample = Sample("s1", Path("s1.svs"), extra={"tissue": "breast", "stain": "H&E"})
    assert grade(tmp_path, sample)["reason"].startswith("The colors are not those of H&E (set grade.out_of_scope")
    result = grade(tmp_path, sample, out_of_scope=True)
    assert (result["grade"], result["outside_scope"]) == ("2", "The colors are not those of H&E.")


def test_asking_for_grades_out_of_scope_lifts_no_other_guard(tmp_path):
    prepare(tmp_path)
    warn(tmp_path, "features", warning("implausible_mpp", "the mpp is probably wrong", 2.0, 0.5))
    assert grade(tmp_path, out_of_scope=True)["grade"] is None


def test_stability_is_called_so(tmp_path):
    prepare(tmp_path)
    result = grade(tmp_path)
    assert result["stability"] == result["probabilities"]["2"] > 0.9
    assert result["probabilities_calibrated"] is False
    assert "not how likely it is to be correct" in result["probabilities_are"]
    assert result["outside_scope"] is None


def test_places_are_taken_in_micrometers(tmp_path):
    """8000 pixels of 0.25 um are 8 squares of 250 um."""
    prepare(tmp_path, tumor=3000)
    assert {item["name"]: item["value"] for item in grade(tmp_path)["evidence"]}["squares"] == 64


def test_settings_reach_the_grader(tmp_path):
    prepare(tmp_path)
    assert grade(tmp_path)["grade"] == "2"
    assert "at least 601 are needed" in grade(tmp_path, min_nuclei=601)["reason"]


def test_a_warning_about_focus_makes_it_abstain(tmp_path):
    prepare(tmp_path, quality=(WARNING,))
    result = grade(tmp_path)
    assert result["grade"] is None
    assert result["abstained"] is True
    assert "40% of the sampled tissue looks out of focus" in result["reason"]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_nuclei_give_a_valid_abstention(tmp_path, count):
    prepare(tmp_path, tumor=count)
    assert f"Only {count} epithelial nuclei were found" in grade(tmp_path)["reason"]


def test_a_grader_gets_the_statistics_of_the_regions_that_it_asks_for(tmp_path, monkeypatch):
    prepare(tmp_path)
    asked = LinearGrader({("tumor/epithelial", "area_um2_mean"): 1.0}, regions=("tumor",))
    monkeypatch.setattr("pathopipe.stages.grade.make_grader", lambda *_: asked)
    result = grade(tmp_path)
    assert result["score"] == 9.0
    assert result["regions"]["tumor"]["reason"] == "A statistic is missing."


def test_a_rejected_slide_is_not_graded_and_says_why(tmp_path):
    prepare(tmp_path, rejected="no mpp")
    result = grade(tmp_path)
    assert result["reason"] == "The slide was rejected: no mpp"
    assert result["grades"] == ["1", "2", "3"]
    assert result["evidence"] == []
    assert result["probabilities"] == {}


def test_the_same_slide_gives_the_same_bytes(tmp_path):
    prepare(tmp_path)
    grade(tmp_path)
    first = (tmp_path / "s1" / "grade" / "grade.json").read_bytes()
    grade(tmp_path)
    assert (tmp_path / "s1" / "grade" / "grade.json").read_bytes() == first


def test_an_unknown_grader_is_refused(tmp_path):
    prepare(tmp_path)
    with pytest.raises(RefusalError, match="no grader 'gleason'"):
        grade(tmp_path, grader="gleason")


@pytest.mark.parametrize("measured", ["native", "normalized"])
def test_a_grader_that_learned_from_another_stain_gives_no_grade(tmp_path, monkeypatch, measured):
    prepare(tmp_path)
    path = tmp_path / "s1" / "features" / "manifest.json"
    write_json(path, json.loads(path.read_text()) | {"stain": {"measured": measured}})
    learned = LinearGrader({("epithelial", "area_um2_mean"): 1.0})
    monkeypatch.setattr("pathopipe.stages.grade.make_grader", lambda *_: learned)
    result = grade(tmp_path)
    if measured == "native":
        assert result["grade"] == "2"
        return
    assert result["grade"] is None
    assert result["reason"] == (
        "The measures were made with normalized stain, but the grader learned from native ones: set "
        "features.stain=native."
    )


def test_the_shipped_grader_takes_either_stain(tmp_path):
    prepare(tmp_path)
    path = tmp_path / "s1" / "features" / "manifest.json"
    write_json(path, json.loads(path.read_text()) | {"stain": {"measured": "normalized"}})
    assert grade(tmp_path)["grade"] == "2"
