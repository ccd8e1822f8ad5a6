import csv
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.pipeline import COHORT, CohortSettings, ReportSettings
from pathopipe.reporting.cohort_settings import noted_settings
from pathopipe.results.documents import read_json, write_json
from pathopipe.samples import Sample
from pathopipe.stages import cohort
from tests.made import seal
from tests.stages.finished_slide import finish, reject

SIZE = (256, 200)
PRIVATE = "/data/Mustermann Erika/slide 7.svs"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A finished slide and a rejected one."""
    folder = tmp_path_factory.mktemp("cohort")
    for slide in ("done", "rejected"):
        sample = finish(folder / "results", slide, folder, SIZE, 12)
        if slide == "rejected":
            reject(folder / "results", slide, "tissue", "no tissue was found: the slide is blank")
        execute("report", slide, folder / "results", ReportSettings(), sample)
    return folder / "results"


def fail(results: Path, slide: str, reason: str) -> None:
    write_json(results / slide / ".work" / "detect" / "fault.json", {"reason": reason})


def samples(*slides: str, **extra: str) -> list[Sample]:
    return [Sample(slide, Path(PRIVATE), patient="Mustermann", extra=extra) for slide in slides]


def gather(results: Path, lines: list[Sample], *columns: str) -> tuple[list[dict[str, str]], str, dict]:
    manifest = execute_cohort(results, lines, CohortSettings(columns=columns))
    with (results / "cohort" / "cohort.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return rows, (results / "cohort" / "index.html").read_text(encoding="utf-8"), manifest


@pytest.fixture
def copied(results, tmp_path):
    return Path(shutil.copytree(results, tmp_path / "results"))


def test_every_slide_of_the_sheet_has_a_row_in_its_order(copied):
    fail(copied, "broken", "the slide's file: Input/output error: fix this and run again")
    rows, page, manifest = gather(copied, samples("rejected", "broken", "done", "later"))
    assert [(row["slide"], row["state"]) for row in rows] == [
        ("rejected", "rejected"),
        ("broken", "fault"),
        ("done", "done"),
        ("later", "missing"),
    ]
    assert manifest["counts"] == {"done": 1, "rejected": 1, "fault": 1, "missing": 1}
    model = read_json(copied / "done" / "detect" / "manifest.json")["model"]
    assert [row["model"] for row in rows] == ["", "", model["name"], ""]
    assert f"Nuclei found by <b>{model['name']}</b>" in page
    assert rows[0]["reason"] == "no tissue was found: the slide is blank"
    assert "Input/output error" in rows[1]["reason"]
    assert "../done/report/report.html" in page
    assert "../rejected/report/report.html" in page
    assert "../broken/report/report.html" not in page


def test_numbers_are_those_of_the_slide(copied):
    rows, page, _ = gather(copied, samples("done"))
    assert rows[0]["nuclei_count"] == "12"
    assert (rows[0]["grade"], rows[0]["share_of_resamples_2"], rows[0]["abstained"]) == ("2", "0.7", "false")
    statistics = pq.read_table(copied / "done" / "statistics" / "statistics.parquet").to_pylist()[0]
    assert float(rows[0]["area_um2_mean"]) == statistics["area_um2_mean"]
    table = pq.read_table(copied / "cohort" / "cohort.parquet").to_pylist()[0]
    said = {"region", "type"}
    assert {name: table[name] for name in statistics if name not in said} == {
        name: value for name, value in statistics.items() if name not in said
    }
    assert not said & rows[0].keys()
    assert "data:image/jpeg;base64," in page


def test_patients_and_paths_reach_no_output(copied):
    fail(copied, "broken", "the slide's file: Input/output error")
    gather(copied, samples("done", "broken", site="B1"), "site")
    for file in (copied / "cohort").iterdir():
        if file.name != "run.json":
            content = file.read_bytes()
            assert b"Mustermann" not in content
            assert b"Erika" not in content
            assert b"slide 7" not in content
            assert str(copied).encode() not in content


def of_patients(**patients: str) -> list[Sample]:
    return [Sample(slide, Path(PRIVATE), patient=patient) for slide, patient in patients.items()]


def regrade(results: Path, slide: str, **changes) -> None:
    path = results / slide / "grade" / "grade.json"
    write_json(path, read_json(path) | changes)
    seal(results, slide, "grade")


def test_slides_of_a_patient_have_one_grade_and_no_name(copied):
    shutil.copytree(copied / "done", copied / "second")
    regrade(copied, "second", grade="3", probabilities={"1": 0.0, "2": 0.1, "3": 0.9})
    lines = of_patients(done="Mustermann", rejected="Mustermann", second="Mustermann")
    rows, page, _ = gather(copied, [*lines, Sample("later", Path(PRIVATE))])
    assert [row["patient_grade"] for row in rows] == ["3", "3", "3", ""]
    assert [row["patient_slides"] for row in rows] == [*["done rejected second"] * 3, ""]
    assert "Patients with several slides" in page
    assert "The grade of a patient is the worst of the grades of the slides." in page
    assert "<td>2, –, 3</td>" in page
    assert "Rejected: rejected." in page
    for file in (copied / "cohort").iterdir():
        assert b"Mustermann" not in file.read_bytes()


def test_the_rule_is_a_setting_and_stated_on_the_page(copied):
    shutil.copytree(copied / "done", copied / "second")
    regrade(copied, "second", grade="3", probabilities={"1": 0.0, "2": 0.3, "3": 0.7})
    lines = of_patients(done="M", second="M")
    execute_cohort(copied, lines, CohortSettings(patient_rule="pooled"))
    table = pq.read_table(copied / "cohort" / "cohort.parquet").to_pylist()
    page = (copied / "cohort" / "index.html").read_text(encoding="utf-8")
    assert [row["patient_grade"] for row in table] == ["2", "2"]
    assert "highest mean probability" in page
    assert "Weighted mean 50%." in page


def test_patients_of_one_slide_each_are_in_the_table_alone(copied):
    rows, page, _ = gather(copied, of_patients(done="A", rejected="B"))
    assert [(row["patient_grade"], row["patient_slides"]) for row in rows] == [("2", "done"), ("", "rejected")]
    assert "Patients with several slides" not in page


def test_calibrated_probabilities_are_not_called_shares_of_resamples(copied):
    regrade(copied, "done", probabilities_calibrated=True, stability=None)
    rows, page, _ = gather(copied, samples("done"))
    assert rows[0]["probability_2"] == "0.7"
    assert "share_of_resamples_2" not in rows[0]
    assert "probability 70%" in page
    assert "resamples" not in page
    column = pq.read_schema(copied / "cohort" / "cohort.parquet").field("probability_2")
    assert column.metadata[b"description"] == b"calibrated probability of grade 2"


def test_further_columns_are_shown_only_where_listed(copied):
    lines = samples("done", site="=1+1", note="<b>x</b>")
    rows, page, _ = gather(copied, lines)
    assert not {"site", "note", "patient"} & set(rows[0])
    rows, page, _ = gather(copied, lines, "note", "site", "patient", "absent")
    assert rows[0]["site"] == "'=1+1"
    assert rows[0]["note"] == "<b>x</b>"
    assert rows[0]["patient"] == rows[0]["absent"] == ""
    assert "<b>x</b>" not in page


def test_one_word_shows_and_compares_all_columns_that_may_be_shown(copied):
    rows, page, _ = gather(copied, samples("done", site="A", age="50"), "all")
    assert (rows[0]["site"], rows[0]["age"]) == ("A", "50")
    assert "all" not in rows[0]
    assert "Mustermann" not in page
    assert '<option value="sheet.age">age</option>' in page


def test_a_fault_keeps_the_old_report_but_not_its_numbers(copied):
    fail(copied, "done", "the disk is full")
    rows, page, _ = gather(copied, samples("done"))
    assert rows[0]["state"] == "fault"
    assert rows[0]["reason"] == "detect: the disk is full"
    assert "earlier run" in page
    assert "nuclei_count" not in rows[0]


@pytest.mark.parametrize("name", ["grade/grade.json", "statistics/statistics.parquet", "report/manifest.json"])
def test_a_damaged_file_is_a_fault_of_its_slide_alone(copied, name):
    (copied / "done" / name).write_bytes(b"{")
    rows, *_ = gather(copied, samples("done", "rejected"))
    assert [row["state"] for row in rows] == ["fault", "rejected"]
    assert name in rows[0]["reason"]
    assert str(copied) not in rows[0]["reason"]


@pytest.mark.parametrize(
    "name", ["grade/grade.json", "detect/manifest.json", "grade/manifest.json", "report/manifest.json"]
)
@pytest.mark.parametrize("content", ["{}", '{"state": "done"}'])
def test_json_that_lacks_entries_is_a_fault_of_its_slide_alone(copied, name, content):
    (copied / "done" / name).write_text(content)
    if name == "grade/grade.json":
        seal(copied, "done", "grade")
    rows, *_ = gather(copied, samples("done", "rejected"))
    assert [row["state"] for row in rows] == ["fault", "rejected"]
    assert rows[0]["reason"] == f"{name}: is damaged: delete it and run again"


@pytest.mark.parametrize("name", ["region", "type"])
def test_a_table_without_the_slides_row_is_a_fault(copied, name):
    path = copied / "done" / "statistics" / "statistics.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.schema.get_field_index(name), name, pa.array(["tumor"])), path)
    seal(copied, "done", "statistics")
    rows, *_ = gather(copied, samples("done", "rejected"))
    assert (rows[0]["state"], rows[0]["reason"]) == (
        "fault",
        "statistics/statistics.parquet: is damaged: delete it and run again",
    )


@pytest.mark.parametrize("name", ["grade/grade.json", "statistics/statistics.parquet", "tissue/thumbnail.jpg"])
def test_what_somebody_changed_is_a_fault_of_its_slide_alone(copied, name):
    path = copied / "done" / name
    path.write_bytes(path.read_bytes() + b"\n")
    rows, *_ = gather(copied, samples("done", "rejected"))
    assert [row["state"] for row in rows] == ["fault", "rejected"]
    assert rows[0]["reason"].startswith(f"{name}: is not what the stage '{name.partition('/')[0]}' wrote")


def test_the_same_results_give_the_same_bytes(copied):
    def content() -> dict[str, bytes]:
        gather(copied, samples("done", "rejected", "later"))
        files = [*(copied / "cohort").iterdir(), copied / "ro-crate-metadata.json"]
        return {file.name: file.read_bytes() for file in files if file.name != "run.json"}

    first = content()
    for file in copied.rglob("*"):
        os.utime(file, (1, 1))
    assert content() == first
    assert set(first) == {*COHORT.writes, "manifest.json", "ro-crate-metadata.json"}


def test_tissue_and_stain_stand_in_the_sheet_to_run_again(copied):
    path = copied / "done" / "grade" / "manifest.json"
    write_json(path, read_json(path) | {"about": {"tissue": "breast", "stain": "H&E"}})
    gather(copied, samples("done", "rejected"))
    with (copied / "cohort" / "slides.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["tissue"], row["stain"]) for row in rows] == [("breast", "H&E"), ("", "")]


def test_warnings_of_the_stages_reach_the_table_and_the_page(copied):
    path = copied / "done" / "features" / "manifest.json"
    warned = {"code": "implausible_mpp", "message": "the mpp is probably wrong", "value": 2.0, "threshold": 0.5}
    write_json(path, read_json(path) | {"quality": [warned]})
    rows, page, _ = gather(copied, samples("done", "rejected", "later"))
    assert [row["warnings"] for row in rows] == ["implausible_mpp pen", "pen", ""]
    assert '"warnings":[["implausible_mpp","The mpp is probably wrong."' in page
    assert "Doubtful resolution" in page


def test_settings_that_differ_from_most_are_told_and_the_recipe_keeps_all_sections(copied):
    for slide in ("second", "third"):
        shutil.copytree(copied / "done", copied / slide)
    slides = ("done", "second", "third", "rejected")
    gather(copied, samples(*slides))
    whole = read_json(copied / "cohort" / "config.json")
    path = copied / "second" / "segment" / "manifest.json"
    write_json(path, read_json(path) | {"params": {"size": 20, "deep": {"er": "x"}}})
    rows, page, _ = gather(copied, samples(*slides))
    other = 'segment.deep.er="x" segment.size=20'
    assert [row["other_settings"] for row in rows] == ["", other, "", ""]
    said = "1 of 4 slides was made with other settings than config.json holds"
    assert said in page
    assert "segment.size=20" in page
    assert read_json(copied / "cohort" / "config.json") == whole
    assert noted_settings(copied) == {"second": other}
    assert (copied / "cohort" / "Snakefile").read_text().startswith(f"# {said}: slides.tsv lists them.\n")
    assert said in (copied / "ro-crate-metadata.json").read_text()


def test_a_cohort_of_the_same_settings_is_told_nothing_of_them(copied):
    rows, page, _ = gather(copied, samples("done", "rejected"))
    assert [row["other_settings"] for row in rows] == ["", ""]
    assert "settings" not in page
    assert noted_settings(copied) == {}
    assert not (copied / "cohort" / "Snakefile").read_text().startswith("#")


def test_a_slide_without_grade_has_no_shares_and_its_reason_is_in_sight(copied):
    path = copied / "done" / "grade" / "grade.json"
    write_json(path, read_json(path) | {"grade": None, "abstained": True, "reason": "Too few nuclei for a grade."})
    seal(copied, "done", "grade")
    rows, page, _ = gather(copied, samples("done"))
    assert "share_of_resamples_2" not in rows[0]
    assert '"reason":"Too few nuclei for a grade."' in page
    assert '<td class="reason">Too few nuclei for a grade.' in page


def test_pictures_of_a_large_cohort_stay_in_the_folders_of_the_slides(copied, monkeypatch):
    lines = samples("done", "rejected", "later")
    _, page, _ = gather(copied, lines)
    assert "tissue/thumbnail.jpg" not in page
    monkeypatch.setattr(cohort, "EMBEDDED", 2)
    _, page, _ = gather(copied, lines)
    assert '"picture":"../done/tissue/thumbnail.jpg"' in page
    assert page.count("tissue/thumbnail.jpg") == 1, "of a rejected slide there is none"
    assert "data:image" not in page


def test_statistics_that_are_named_are_shown_and_compared(copied):
    names = ("area_um2_p50", "nuclei_count")
    shown = CohortSettings(columns=("site",), statistics=names)
    for place in range(11):
        shutil.copytree(copied / "done", copied / f"s{place}")
        restate(copied, f"s{place}", area_um2_p50=30.0 + place if place < 10 else 9000.0)
    lines = [Sample(f"s{place}", Path(PRIVATE), extra={"site": "AB"[place % 2]}) for place in range(11)]
    execute_cohort(copied, lines, shown)
    page = (copied / "cohort" / "index.html").read_text(encoding="utf-8")
    assert "By site" in page
    assert "Nuclear area, median" in page
    assert "1 comparison was made" in page, "all slides have as many nuclei"
    table = pq.read_table(copied / "cohort" / "cohort.parquet").to_pylist()
    assert [row["outlying"] for row in table] == [*[None] * 10, "area_um2_p50"]
    assert "1 slide is an outlier" in page


def restate(results: Path, slide: str, **changes) -> None:
    path = results / slide / "statistics" / "statistics.parquet"
    table = pq.read_table(path)
    for name, value in changes.items():
        column = pa.array([value, *table[name].to_pylist()[1:]], table.schema.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    pq.write_table(table, path)
    seal(results, slide, "statistics")
