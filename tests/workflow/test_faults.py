"""Broken machines: non-zero in the end, everything else finished, nothing lost, and the same command goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pathopipe.pipeline import STAGES
from tests.workflow.conftest import Project, make_project


def states(project: Project) -> dict[str, str]:
    table = pd.read_csv(project.results / "cohort" / "cohort.tsv", sep="\t")
    return dict(zip(table["slide"], table["state"], strict=True))


def finished_stages(project: Project, slide: str) -> dict[str, int]:
    """Time of the manifest of each finished stage."""
    files = {stage: project.results / slide / stage / "manifest.json" for stage in STAGES}
    return {stage: file.stat().st_mtime_ns for stage, file in files.items() if file.exists()}


def test_a_slide_that_vanishes_under_way(tmp_path: Path) -> None:
    project = make_project(tmp_path, slides=2)
    assert project.run("--until", "tiles").returncode == 0
    (tmp_path / "slide 0.tiff").rename(tmp_path / "hidden")
    before = finished_stages(project, "s0")
    done = project.run()
    assert done.returncode == 1
    assert "slide 0.tiff no longer exists" in done.stderr
    assert finished_stages(project, "s0") == before != {}
    assert states(project)["s1"] == "done"
    assert states(project)["s0"] != "done"
    (tmp_path / "hidden").rename(tmp_path / "slide 0.tiff")
    assert project.run().returncode == 0
    assert states(project) == {"s0": "done", "s1": "done"}
    assert finished_stages(project, "s0")["tissue"] == before["tissue"]


def test_a_finished_slide_may_vanish(finished: Project) -> None:
    (finished.folder / "slide 0.tiff").unlink()
    before = finished_stages(finished, "s0")
    done = finished.run("--set", "segment.foreground=0.6")
    assert done.returncode == 0, done.stderr
    assert "finished results are kept: s0" in done.stdout
    assert finished_stages(finished, "s0") == before
    assert states(finished) == {"s0": "done", "s1": "done"}


def test_a_fault_in_one_slide_stops_no_other(tmp_path: Path) -> None:
    """A folder stands where the stage wants to write: an error of the file system, in one slide only."""
    project = make_project(tmp_path, slides=2)
    blocker = project.results / "s0" / ".work" / "segment"
    blocker.parent.mkdir(parents=True)
    blocker.write_text("in the way")
    done = project.run()
    assert done.returncode == 1
    assert states(project)["s1"] == "done"
    assert states(project)["s0"] == "fault"
    assert "run the same command again" in done.stderr
    before = finished_stages(project, "s0")
    blocker.unlink()
    assert project.run().returncode == 0
    assert states(project) == {"s0": "done", "s1": "done"}
    assert finished_stages(project, "s0")["detect"] == before["detect"]


def test_a_run_in_which_every_slide_fails_is_not_the_end(fresh: Project) -> None:
    """The page that tells of it is there, and newer than everything that it could be made from."""
    blocker = fresh.results / "s0" / ".work" / "tissue"
    blocker.parent.mkdir(parents=True)
    blocker.write_text("in the way")
    assert fresh.run("--set", "detect.model=classical").returncode == 1
    assert states(fresh) == {"s0": "fault"}
    blocker.unlink()
    assert fresh.run("--set", "detect.model=classical").returncode == 0
    assert states(fresh) == {"s0": "done"}


def test_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        project = make_project(tmp_path, slides=1)
        done = project.run("--results", "disk/results")
        assert done.returncode == 1
        assert "disk is full" in done.stdout + done.stderr
        finished = [file.parent.name for file in disk.glob("results/s0/*/manifest.json")]
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        again = project.run("--results", "disk/results")
        assert again.returncode == 0, again.stderr
        assert "tissue" in finished
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def start(project: Project) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pathopipe", "run", "--cores", "1"],
        cwd=project.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("stage", ["tissue", "detect", "features"])
def test_a_killed_run_goes_on(fresh: Project, finished_once: Project, stage: str) -> None:
    process = start(fresh)
    work = fresh.results / "s0" / ".work" / stage
    for _ in range(6000):
        if work.exists() or process.poll() is not None:
            break
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = finished_stages(fresh, "s0")
    done = fresh.run()
    assert done.returncode == 0, done.stdout + done.stderr
    after = finished_stages(fresh, "s0")
    assert {name: after[name] for name in before} == before
    assert not list(fresh.results.rglob(".work"))
    for name in ("segment/nuclei.parquet", "features/features.parquet", "report/report.html", "ro-crate-metadata.json"):
        assert (fresh.results / "s0" / name).read_bytes() == (finished_once.results / "s0" / name).read_bytes()


def test_the_command_works_outside_of_the_project_folder(fresh: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    moved = Project(elsewhere)
    done = moved.run("--slides", str(fresh.folder / "slides.tsv"), "--results", "out put", "--until", "tiles")
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "out put" / "s0" / "tiles" / "tiles.parquet").exists()
    shutil.rmtree(elsewhere)
