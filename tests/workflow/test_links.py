"""A run refuses symbolic links in the results, and neither it nor Snakemake follows one that is put there meanwhile."""

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pathopipe.running.preparing import slides_of
from tests.canary import put_link, state
from tests.workflow.conftest import ROOT, Project, log_of

PLACES = (
    "s0",
    "s1/tissue",
    "s1/tiles/manifest.json",
    "s1/logs",
    "s1/.work/segment",
    "cohort",
    "pathopipe.json",
    ".pathopipe/weights",
    ".snakemake/locks",
)


@pytest.fixture
def canary(finished: Project, tmp_path: Path) -> Path:
    """Results of a slide somewhere else, which look as if they were of this run."""
    folder = Path(shutil.copytree(finished.results / "s0", tmp_path / "somebody else's"))
    (folder / ".work" / "segment").mkdir(parents=True)
    (folder / ".work" / "segment" / "owner.json").write_text("{}")
    shutil.copyfile(folder / "segment" / "manifest.json", folder / "manifest.json")
    return folder


def linked(project: Project, canary: Path) -> tuple[object, ...]:
    for place in PLACES:
        put_link(project.results / place, "outside", canary)
    return state(canary), state(project.results)


def named(said: str) -> set[str]:
    return set(re.findall(r"^pathopipe: (?:.*/)?results/(\S+): is a symbolic link", said, re.MULTILINE))


def test_a_run_names_all_links_and_touches_nothing(finished: Project, canary: Path) -> None:
    before = linked(finished, canary)
    done = finished.run("--rerun", "tissue")
    assert (done.returncode, named(done.stderr)) == (2, set(PLACES))
    assert (state(canary), state(finished.results)) == before


@pytest.mark.parametrize("options", [(), ("--delete-all-output",), ("--forceall",)])
def test_so_does_snakemake_itself(finished: Project, canary: Path, options: tuple[str, ...]) -> None:
    before = linked(finished, canary)
    done = finished.snakemake(*options)
    assert done.returncode != 0
    assert named(done.stderr) == set(PLACES)
    assert (state(canary), state(finished.results)) == before


@pytest.mark.parametrize("stage", ["segment", "cohort"])
def test_so_do_the_commands_of_stages(finished: Project, canary: Path, stage: str) -> None:
    put_link(finished.results / ("cohort" if stage == "cohort" else "s0/segment"), "outside", canary)
    before = state(canary), state(finished.results)
    done = finished.run(*(() if stage == "cohort" else ("s0",)), command=(stage,))
    assert (done.returncode, len(named(done.stderr))) == (2, 1)
    assert (state(canary), state(finished.results)) == before


def test_so_does_the_log_of_a_stage(finished: Project, canary: Path) -> None:
    log = finished.results / "s0" / "logs" / "grade.log"
    put_link(log, "outside", canary)
    before = state(canary)
    done = finished.run("s0", "--log", str(log), command=("grade", "--results", str(finished.results)))
    assert done.returncode == 1
    assert named(done.stderr) == {"s0/logs/grade.log"}
    assert state(canary) == before


def test_status_and_verify_go_on(finished: Project, canary: Path) -> None:
    before = linked(finished, canary)
    assert finished.run(command=("status",)).returncode == 0
    done = finished.run(str(finished.results), command=("verify",))
    assert "Traceback" not in done.stdout + done.stderr
    assert (state(canary), state(finished.results)) == before


@pytest.mark.parametrize("start", [Project.run, Project.snakemake])
@pytest.mark.parametrize("place", ["s0/segment", "s0/logs", "s0"])
def test_links_that_come_while_a_run_is_going(
    finished: Project, canary: Path, place: str, start: Callable[..., subprocess.CompletedProcess]
) -> None:
    """The first stage runs again, and somebody moves a folder that a later one writes to."""
    home, before = finished.results / "s0", state(canary)

    def move() -> None:
        while not (home / ".work" / "tissue").exists():
            time.sleep(0.01)
        put_link(finished.results / place, "outside", canary)

    mover = threading.Thread(target=move, daemon=True)
    mover.start()
    done = start(finished, "--forcerun" if start is Project.snakemake else "--rerun", "tissue")
    mover.join()
    assert done.returncode == 1, done.stdout + done.stderr
    assert state(canary) == before, log_of(finished)
    logs = "".join(log.read_text() for log in (home / "logs").glob("*.log"))  # which Snakemake itself points to
    assert f"{place}: is a symbolic link" in done.stdout + done.stderr + (logs if start is Project.snakemake else "")
    assert (finished.results / "s1" / "report" / "manifest.json").exists()


def test_jobs_at_a_cluster_look_at_their_own_slides(finished: Project, canary: Path) -> None:
    """As Snakemake starts them."""
    put_link(finished.results / "s1" / "segment", "outside", canary)
    base = (sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "config.yaml")
    job = ("--mode", "remote", "--cores", "1", "--force", "--nolock", "--target-jobs")
    done = finished.call(*base, *job, "grade:slide=s0")
    assert done.returncode == 0, done.stdout + done.stderr
    before = state(canary), state(finished.results)
    done = finished.call(*base, *job, "grade:slide=s1")
    assert done.returncode != 0
    assert named(done.stderr) == {"s1/segment"}
    assert (state(canary), state(finished.results)) == before


def test_a_process_that_is_for_all_slides_says_so() -> None:
    assert slides_of(["snakemake", "--cores", "8", "tissue:slide=s0"]) is None
    job = ["snakemake", "--target-jobs", "tissue:slide=s0", "pathopipe_grade:slide=s-1", "--cores", "8"]
    assert slides_of(job) == {"s0", "s-1"}
    assert slides_of(["snakemake", "--target-jobs", "cohort:"]) == set()
