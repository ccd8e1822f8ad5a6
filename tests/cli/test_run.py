"""`pathopipe run`: which slides and stages are asked for, and what stopping it stops."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from PIL import Image

from pathopipe import slide as slide_package
from pathopipe.cli import main
from pathopipe.errors import RefusalError
from pathopipe.pipeline import Config
from pathopipe.reporting.cohort_settings import OTHER_SETTINGS
from pathopipe.results.names import CACHE
from pathopipe.running.cluster import HERE
from pathopipe.running.expectations import expectations
from pathopipe.running.plan import Plan
from pathopipe.running.preparing import prepare
from pathopipe.running.selection import Selection
from pathopipe.running.workflow import Run


@pytest.fixture
def planned(tmp_path: Path, small_slide: Path) -> Plan:
    """Two slides; the file of one is gone and was never seen, that of another vanished after its tissue was found."""
    shutil.copy(small_slide, tmp_path / "a.tiff")
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.tiff\nb\tnever.tiff\nc\tgone.tiff\n")
    manifest = tmp_path / "results" / "c" / "tissue" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"identity": "1-x"}')
    values = Config(slides=str(tmp_path / "slides.tsv"), results=str(tmp_path / "results"), skip_missing=True)
    return prepare(values)


def test_everything_needs_no_targets(planned: Plan) -> None:
    assert Selection().targets(planned) == []
    assert Selection().slides(planned) == ("a", "c")


@pytest.mark.parametrize("error", [MemoryError, ValueError, OSError])
def test_an_estimate_that_fails_is_no_failure_of_the_run(
    error: type[Exception], planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    assert list(expectations(planned, ("a", "c"), 2))
    monkeypatch.setattr(slide_package, "open_slide", fail)
    assert not list(expectations(planned, ("a", "c"), 2))


def test_stages_that_open_a_png_ask_for_the_memory_that_it_takes(tmp_path: Path) -> None:
    for name, side in (("small", 100), ("large", 5000)):
        Image.new("P", (side, side)).save(tmp_path / f"{name}.png")
    (tmp_path / "slides.tsv").write_text("slide\tpath\nsmall\tsmall.png\nlarge\tlarge.png\n")
    values = Config(slides=str(tmp_path / "slides.tsv"), results=str(tmp_path / "results"))
    for _ in range(2):  # the second time from what was noted
        planned = prepare(values)
        for stage, more in (("tissue", 200), ("detect", 200), ("segment", 0)):
            asked = [planned.memory(stage)(SimpleNamespace(slide=slide), 1) for slide in ("small", "large")]
            assert asked[1] - asked[0] == more


def test_targets_are_of_slides_that_can_run(planned: Plan) -> None:
    assert Selection(until="tissue").targets(planned) == ["a/tissue/manifest.json"]
    assert Selection(only=("a",)).targets(planned) == ["a/report/manifest.json"]
    assert Selection(only=("c",)).targets(planned) == []
    assert Selection(only=("b",)).targets(planned) == []


def test_settings_that_one_configuration_does_not_repeat_are_told(planned: Plan) -> None:
    samples = tuple(replace(sample, extra={OTHER_SETTINGS: "segment.min_area_um2=20"}) for sample in planned.samples)
    run = Run(replace(planned, samples=samples), Selection(only=("a",)), HERE, 1)
    told = [line for line in run.introduction() if "by the sheet" in line]
    other = "a: by the sheet it was made with segment.min_area_um2=20, which this run does not use"
    assert told == [f"{other}: give them with --only a and --set"]
    assert not [line for line in Run(planned, Selection(), HERE, 1).introduction() if "by the sheet" in line]


def test_an_unknown_slide_is_refused(planned: Plan) -> None:
    with pytest.raises(RefusalError, match="does not list x"):
        Selection(only=("a", "x")).slides(planned)


@pytest.mark.parametrize("mine", [True, False])
def test_jobs_get_no_cache_among_the_results(planned: Plan, monkeypatch: pytest.MonkeyPatch, mine: bool) -> None:
    """One that the user set stays."""
    cache = str(planned.sheet.parent if mine else planned.results / CACHE)
    for name, value in {"XDG_CACHE_HOME": cache, "PATHOPIPE_SLIDES": "", "PATH": os.environ["PATH"]}.items():
        monkeypatch.setenv(name, value)
    planned.export()
    assert os.environ.get("XDG_CACHE_HOME") == (cache if mine else None)


def test_the_configuration_is_parsed_once(
    tmp_path: Path, small_slide: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slides.tsv").write_text(f"slide\tpath\na\t{small_slide}\n")
    monkeypatch.chdir(tmp_path)
    parsed, parse = list[object](), Config.model_validate
    monkeypatch.setattr(Config, "model_validate", lambda values: parsed.append(values) or parse(values))
    with pytest.raises(SystemExit) as end:
        main(["run", "--dry-run", "--set", "tiles.size=512"])
    assert end.value.code == 0, capsys.readouterr().err
    assert "tissue     1 slide: a" in capsys.readouterr().out
    assert len(parsed) == 1


def family(process: int) -> list[psutil.Process]:
    return psutil.Process(process).children(recursive=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stopping_the_run_stops_its_jobs(tmp_path: Path, small_slide: Path, number: int) -> None:
    shutil.copy(small_slide, tmp_path / "a.tiff")
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.tiff\n")
    run = [sys.executable, "-m", "pathopipe", "run", "--cores", "1"]
    process = subprocess.Popen(run, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "results" / "a" / ".work").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    keeper, *others = family(process.pid)
    assert len(others) >= 2
    for other in others:
        other.suspend()  # they neither finish by themselves nor hear what is asked of them
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    _, alive = psutil.wait_procs([keeper, *others], timeout=30)
    assert alive == []
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert "run the same command to continue" in errors
        assert not (tmp_path / "results" / ".pathopipe" / "owner.json").exists()
