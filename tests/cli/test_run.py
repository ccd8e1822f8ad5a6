"""`pathopipe run`: which slides and stages are asked for, and what stopping it stops."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pathopipe.cli.run import Selection
from pathopipe.config import Config
from pathopipe.errors import RefusalError
from pathopipe.workflow import Plan, plan


@pytest.fixture
def planned(tmp_path: Path, small_slide: Path) -> Plan:
    """Two slides; the file of one is gone and was never seen, that of another vanished after its tissue was found."""
    shutil.copy(small_slide, tmp_path / "a.tiff")
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.tiff\nb\tnever.tiff\nc\tgone.tiff\n")
    manifest = tmp_path / "results" / "c" / "tissue" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"identity": "1-x"}')
    values = Config(slides=str(tmp_path / "slides.tsv"), results=str(tmp_path / "results"), skip_missing=True)
    return plan(values.model_dump(mode="json"))


def test_everything_needs_no_targets(planned: Plan) -> None:
    assert Selection().targets(planned) == []
    assert Selection().slides(planned) == ("a", "c")


def test_targets_are_of_slides_that_can_run(planned: Plan) -> None:
    assert Selection(until="tissue").targets(planned) == ["a/tissue/manifest.json"]
    assert Selection(only=("a",)).targets(planned) == ["a/report/manifest.json"]
    assert Selection(only=("c",)).targets(planned) == []
    assert Selection(only=("b",)).targets(planned) == []


def test_an_unknown_slide_is_refused(planned: Plan) -> None:
    with pytest.raises(RefusalError, match="does not list x"):
        Selection(only=("a", "x")).slides(planned)


def children_of(process: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid,sid,args"], capture_output=True, text=True, check=True).stdout
    rows = (line.split(maxsplit=2) for line in listed.splitlines()[1:])
    return [int(pid) for pid, sid, _ in rows if int(sid) == process]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_the_run_stops_its_jobs(tmp_path: Path, small_slide: Path, number: int) -> None:
    shutil.copy(small_slide, tmp_path / "a.tiff")
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.tiff\n")
    run = [sys.executable, "-m", "pathopipe", "run", "--cores", "1"]
    process = subprocess.Popen(run, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    owner = tmp_path / "results" / ".pathopipe" / "owner.json"
    work = tmp_path / "results" / "a" / ".work"
    deadline = time.monotonic() + 60
    while not work.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    (snakemake,) = set(map(int, json.loads(owner.read_text())["processes"])) - {process.pid}
    assert children_of(snakemake)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in errors
    assert children_of(snakemake) == []
    assert not owner.exists()
