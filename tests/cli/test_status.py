"""`pathopipe status`: what is printed, and that looking changes nothing."""

import json
import os
from pathlib import Path

import pytest

from pathopipe.cli import main
from pathopipe.jobs.asked import made_by, note
from pathopipe.pipeline import COHORT, ORDER, Config
from pathopipe.results.documents import write_json
from pathopipe.results.names import CRATE
from tests.status.test_slides import NOW, finish, work

PRIVATE = "Mustermann Erika"


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One slide of each state, and a hundred that wait; the current folder is another one."""
    results = tmp_path / "results"
    finish(results, "done", *ORDER)
    finish(results, "rejected", *ORDER, state="rejected", reason="the slide is blank")
    finish(results, "half", *ORDER[:4])
    finish(results, "broken", "tissue", "quality")
    work(results, "broken", "tiles", "fault.json", reason="the disk is full")
    slides = ["done", "rejected", "half", "broken", *(f"later{number}" for number in range(100))]
    sheet = tmp_path / "slides.tsv"
    sheet.write_text("slide\tpath\n" + "".join(f"{slide}\t{PRIVATE}/{slide}.svs\n" for slide in slides))
    write_json(results / ".pathopipe" / "config.json", {"slides": str(sheet)})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return results


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["status", *arguments])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_what_calls_for_attention_is_listed_and_the_rest_counted(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in cohort.rglob("*")}
    lines = ask(capsys, "--results", str(cohort)).splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["slide", "half", "broken", "finished"]
    assert lines[2].split() == ["broken", "done", "done", "failed", *"-------", "tiles:", "the", "disk", "is", "full"]
    assert lines[3].split() == ["finished", "4", "4", "3", "3", "2", "2", "2", "2", "2", "2"]
    assert lines[5] == "104 slides: 1 done, 1 rejected, 1 failed, 1 begun, 100 waiting"
    assert "nothing is running" in lines[6]
    assert "takes about" in lines[6]
    assert {path: path.stat().st_mtime_ns for path in cohort.rglob("*")} == before


def test_all_lists_all(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = ask(capsys, "--results", str(cohort), "--all")
    assert "later99" in text
    assert "tissue: the slide is blank" in text
    assert PRIVATE not in text


def test_json_holds_every_stage_of_every_slide(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(ask(capsys, "--results", str(cohort), "--json"))
    assert len(found) == 104
    assert found["half"]["stages"]["detect"]["state"] == "done"
    assert found["broken"]["stages"]["tiles"] == {"state": "failed", "share": None, "reported": "the disk is full"}


def test_a_cohort_page_that_is_older_than_the_results_is_told(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in ("index.html", "run.json"):
        write_json(cohort / "cohort" / file, {})
    page = cohort / "cohort" / "index.html"
    os.utime(page.with_name("run.json"), (NOW, NOW))
    assert f"cohort page, older than some of the results: {page}" in ask(capsys, "--results", str(cohort))
    os.utime(page.with_name("run.json"), (NOW + 1e6, NOW + 1e6))
    assert f"cohort page: {page}" in ask(capsys, "--results", str(cohort))


def test_a_run_that_is_going_on_is_named(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pathopipe.jobs.ownership import owning

    with owning(cohort):
        assert f"process {os.getpid()} on" in ask(capsys, "--results", str(cohort))


def test_what_a_run_was_not_asked_for_is_not_left(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pathopipe.jobs.ownership import owning

    with owning(cohort):
        note(cohort, ["half", "later1"], "segment", None, {stage: {} for stage in ORDER})
        assert "is at work on 2 of these slides, up to segment:" in ask(capsys, "--results", str(cohort))
    with owning(cohort):
        assert "is at work: " in ask(capsys, "--results", str(cohort))


def test_slides_of_other_settings_and_missing_files_of_the_cohort_are_told(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ask(capsys, "--results", str(cohort))
    assert "other settings" not in text
    assert "the cohort:" not in text
    (cohort / "cohort").mkdir()
    for name in (*COHORT.writes, "manifest.json"):
        (cohort / "cohort" / name).touch()
    (cohort / CRATE).touch()
    rows = (f"later{number}\tsegment.min_area_um2={number}\n" for number in range(7))
    (cohort / "cohort" / "slides.tsv").write_text("slide\tother_settings\ndone\t\n" + "".join(rows))
    text = ask(capsys, "--results", str(cohort))
    assert "made with other settings than most slides: later0: segment.min_area_um2=0; later1: " in text
    assert "later4: segment.min_area_um2=4 …\n" in text
    assert "the cohort:" not in text
    (cohort / "cohort" / "cohort.tsv").unlink()
    (cohort / CRATE).unlink()
    missing = f"the cohort: cohort.tsv and {CRATE} are missing: 'pathopipe run' makes it again"
    assert missing in ask(capsys, "--results", str(cohort))


def test_without_results_there_is_nothing_to_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["status", "--results", str(tmp_path / "typo")])
    assert end.value.code == 2
    assert "typo: this results folder does not exist" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_what_the_next_run_would_run_again_is_told_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the settings that a run would have, and of those of the last run where a folder is given alone."""
    made = made_by(Config())
    for number, stage in enumerate(ORDER):
        finish(tmp_path / "results", "s", stage, begin=NOW + 60 * number, mpp_source="metadata", **made[stage])
    (tmp_path / "slides.tsv").write_text("slide\tpath\ns\ts.svs\n")
    monkeypatch.chdir(tmp_path)
    assert "not up to date" not in ask(capsys)
    changed = (
        "not up to date:\n  grade runs again for 1 slide: its settings changed (grader: nottingham-pleomorphism -> x)"
    )
    assert changed in ask(capsys, "--set", "grade.grader=x")
    assert "not up to date" not in ask(capsys, "--set", "detect.model=trained/mine.safetensors")
    write_json(tmp_path / "results" / ".pathopipe" / "config.json", {"slides": "slides.tsv", "grade": {"grader": "x"}})
    assert changed in ask(capsys, "--results", "results")
    write_json(tmp_path / "results" / ".pathopipe" / "config.json", {"slides": "slides.tsv", "of": "another version"})
    assert "not up to date" not in ask(capsys, "--results", "results")
