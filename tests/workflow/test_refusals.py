"""Refused before anything starts: one sentence per mistake, all at once, exit code 2."""

import json
import os
from pathlib import Path

import pytest

from pathopipe.cli import main
from pathopipe.jobs.ownership import owning


@pytest.fixture
def folder(tmp_path: Path, small_slide: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a slide and a good sheet."""
    (tmp_path / "a.tiff").symlink_to(small_slide)
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.tiff\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuse(capsys: pytest.CaptureFixture, *arguments: str) -> list[str]:
    with pytest.raises(SystemExit) as stop:
        main(["run", *arguments])
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert not list(Path("results").glob("*/tissue"))
    return [line.removeprefix("pathopipe: ") for line in lines]


def test_all_mistakes_of_a_sheet_at_once(folder: Path, capsys: pytest.CaptureFixture) -> None:
    rows = [
        "a\ta.tiff\t",
        "A\ta.tiff\t",
        "../x\ta.tiff\t",
        "b c\ta.tiff\t",
        "<script>\ta.tiff\t",
        "d\ta.tiff\tbig",
        "e\t\t",
    ]
    (folder / "slides.tsv").write_text("\n".join(["slide\tpath\tmpp", *rows]))
    lines = refuse(capsys)
    assert [line.split(":")[0].rsplit(" ", 1)[1] for line in lines] == ["3", "4", "5", "6", "7", "8"]
    assert "already used in line 2" in lines[0]


def test_mistakes_of_lines_files_and_settings_at_once(folder: Path, capsys: pytest.CaptureFixture) -> None:
    os.mkfifo(folder / "pipe.svs")
    (folder / "binary.json").write_bytes(b"\xff\xfe")
    rows = [
        "a b\ta.tiff\t",
        "gone\tgone.svs\t",
        f"long\t{'x' * 300}.svs\t",
        "pipe\tpipe.svs\t",
        f"c\ta.tiff\t{folder}",
        "d\ta.tiff\tbinary.json",
    ]
    (folder / "slides.tsv").write_text("\n".join(["slide\tpath\troi", *rows]))
    lines = refuse(capsys, "--set", "detect.model=nope")
    wanted = [
        "line 2",
        "gone.svs is missing",
        "xx.svs is missing",
        "pipe.svs is neither",
        "is not a file",
        "nope",
        "UTF-8",
    ]
    assert [word in line for word, line in zip(wanted, lines, strict=True)] == [True] * 7


def test_missing_files_and_going_on_without_them(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "slides.tsv").write_text("slide\tpath\na\ta.tiff\nb\tnot_there.svs\nc\tnor_this.svs\n")
    lines = refuse(capsys)
    assert [("not_there.svs" in line, "nor_this.svs" in line) for line in lines] == [(True, False), (False, True)]
    assert all("--skip-missing" in line for line in lines)
    with pytest.raises(SystemExit) as stop:
        main(["run", "--skip-missing", "--", "--dry-run"])
    assert stop.value.code == 0
    assert "b, c" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("tiles.sise=512", "did you mean 'size'"),
        ("tiles.size=big", "tiles.size should be a valid integer"),
        ("tiles.size=300", "multiple of 256"),
        ("segment.foreground=2", "less than 1"),
        ("detect.model=hovernet", "there is no nucleus model 'hovernet'"),
        (
            "detect.model=gone.safetensors",
            "gone.safetensors: cannot be read (No such file or directory): correct",
        ),
        ("detect.model=slides.tsv", "slides.tsv: is not a weights file of pathopipe"),
        ("grade.grader=gleason", "gleason"),
        ("tiles.halo=10", "tiles.halo"),
        ("tiles.mpp=0.25", "made for 0.5 micrometers"),
        ("cohort.columns=[site]", "has no column 'site'"),
        ("report.measures=area", "there is no measure 'area'"),
        ("cohort.columns=site", "has no column 'site'"),
        ("cohort.columns=grade", "'grade' can't be shown (known grade, for evaluation; never written"),
        ("cohort.columns=grade", "no other columns that could be shown"),
        ("cohort.statistics=[area]", "cohort.statistics: there is no statistic 'area'"),
        ("cohort.columns=3", "cohort.columns should be a list"),
    ],
)
def test_settings(folder: Path, capsys: pytest.CaptureFixture, setting: str, words: str) -> None:
    (line,) = refuse(capsys, "--set", setting)
    assert words in line


def test_columns_that_can_be_shown_are_named(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "slides.tsv").write_text("slide\tpath\tpatient\tsite\tscanner\na\ta.tiff\tp\tx\ty\n")
    patient, unknown = refuse(capsys, "--set", "cohort.columns=site, patient,side")
    assert "'patient' can't be shown" in patient
    assert "has no column 'side'" in unknown
    assert all(line.endswith("columns that can be shown: site, scanner") for line in (patient, unknown))


def test_a_results_folder_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "file").write_text("")
    (line,) = refuse(capsys, "--results", "file")
    assert "cannot be written" in line


def test_results_of_a_newer_version(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "results").mkdir()
    (folder / "results" / "pathopipe.json").write_text(json.dumps({"contracts": {"segment": 99}}))
    (line,) = refuse(capsys)
    assert "newer version" in line
    assert [path.name for path in (folder / "results").iterdir() if path.name != ".pathopipe"] == ["pathopipe.json"]


def test_two_runs_on_one_folder(folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with owning(folder / "results"):
        monkeypatch.delenv("PATHOPIPE_OWNS")  # as another process would see it
        (line,) = refuse(capsys)
        assert f"process {os.getpid()}" in line
        monkeypatch.setenv("PATHOPIPE_OWNS", str(folder / "results"))
    assert not (folder / "results" / ".pathopipe" / "owner.json").exists()


def test_an_unknown_slide(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (line,) = refuse(capsys, "--only", "a,zz")
    assert "does not list zz" in line


def test_a_roi_that_is_no_geojson(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "roi.geojson").write_text("{}")
    (folder / "slides.tsv").write_text("slide\tpath\troi\na\ta.tiff\troi.geojson\n")
    (line,) = refuse(capsys)
    assert "roi.geojson" in line
