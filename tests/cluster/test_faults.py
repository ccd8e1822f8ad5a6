"""A real Slurm that fails in all the ways that it has: nothing is lost, nothing finished is done again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import GOOD, PROFILE, ClusterProject, write_sheet
from tests.cluster.watching import Watch, contents, differing, gathered, states
from tests.workflow.conftest import Project, log_of

pytestmark = pytest.mark.slow
OUTAGE_S = 60
PATIENCE_S = ClusterProject.patience_s


def jobs_of(project: ClusterProject, comment: str, state: str) -> list[str]:
    """Numbers of the jobs in a state whose comment, the names of their rules, starts so."""
    jobs = project.slurm.jobs().items()
    return [
        str(number)
        for number, job in jobs
        if job["JobState"] == state
        and job.get("Comment", "").startswith(f"rule_{comment}")
        and job["WorkDir"] == str(project.results.resolve())
    ]


def start(project: ClusterProject, *options: str) -> subprocess.Popen:
    with (project.folder / "run.out").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pathopipe", "run", *options],
            cwd=project.folder,
            env={**os.environ, **project.slurm.environment},
            start_new_session=True,
            stdout=log,
            stderr=log,
        )


def reported(project: ClusterProject) -> str:
    return (project.folder / "run.out").read_text() + log_of(project)


def test_node_memory_controller_and_a_cancelled_job(cluster: ClusterProject, at_home: Project, tmp_path: Path) -> None:
    """In one run: a node goes down, jobs are killed for memory, the controller is away, a job is cancelled."""
    slurm = cluster.slurm
    write_sheet(cluster, *GOOD)
    little = yaml.safe_load((PROFILE / "profile.yaml").read_text())
    little["set-resources"]["detect"] = {"mem_mb": "120 if attempt == 1 else 2000"}
    (cluster.folder / "little").mkdir()
    (cluster.folder / "little" / "profile.yaml").write_text(yaml.safe_dump(little))
    with Watch(cluster.results) as watch:
        run = start(cluster, "--profile", "little", *cluster.options[2:])
        try:
            slurm.wait_for(lambda: jobs_of(cluster, "before", "RUNNING"), seconds=PATIENCE_S)
            slurm.call("scontrol", "update", "NodeName=localhost", "State=DOWN", "Reason=test")
            slurm.wait_for(lambda: jobs_of(cluster, "before", "NODE_FAIL"), seconds=PATIENCE_S)
            slurm.call("scontrol", "update", "NodeName=localhost", "State=RESUME")
            slurm.wait_for(lambda: watch.finished("tiles") == len(GOOD), seconds=PATIENCE_S)
            slurm.wait_for(
                lambda: killed_for_memory(cluster) and jobs_of(cluster, "detect", "RUNNING"), seconds=PATIENCE_S
            )
            slurm.stop_controller()
            time.sleep(OUTAGE_S)
            slurm.start_controller()
            slurm.wait_for(
                lambda: jobs_of(cluster, "after", "RUNNING") and watch.finished("segment"), seconds=PATIENCE_S
            )
            cancelled = jobs_of(cluster, "after", "RUNNING")
            slurm.call("scancel", *cancelled)
            assert run.wait(timeout=PATIENCE_S) == 0, reported(cluster)
        finally:
            run.kill()
    assert len(killed_for_memory(cluster)) >= len(GOOD)
    assert set(jobs_of(cluster, "after", "CANCELLED")) == set(cancelled)
    expected = gathered(at_home, tmp_path / "expected", *GOOD)
    assert differing(contents(cluster, *GOOD), contents(expected, *GOOD)) == []
    assert states(cluster) == {"done": 4}
    assert watch.times("detect") == dict.fromkeys(GOOD, 1)
    for stage in ("tissue", "tiles", "segment"):  # of groups that were killed
        assert max(watch.times(stage).values()) <= 2
    assert watch.times("report") == dict.fromkeys(GOOD, 1)


def killed_for_memory(project: ClusterProject) -> list[str]:
    return [*jobs_of(project, "detect", "FAILED"), *jobs_of(project, "detect", "OUT_OF_MEMORY")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk))
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_and_a_killed_run(
    cluster: ClusterProject, at_home: Project, small_disk: Path, tmp_path: Path
) -> None:
    """The disk is full, and made larger; then Snakemake is killed, whose jobs go on; the same command ends it well."""
    slides = GOOD[:2]
    write_sheet(cluster, *slides)
    cluster.results.symlink_to(small_disk)
    full = cluster.run_on_cluster("--retries", "0")
    assert full.returncode == 1
    assert "disk is full" in full.stdout + full.stderr
    assert "continuing slide by slide" in full.stdout
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    with Watch(cluster.results) as watch:
        run = start(cluster, *cluster.options)
        try:
            cluster.slurm.wait_for(lambda: watch.finished("detect"), seconds=PATIENCE_S)
            cluster.slurm.wait_for(lambda: jobs_of(cluster, "after", "RUNNING"), seconds=PATIENCE_S)
        finally:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        left = jobs_of(cluster, "", "RUNNING")
        done = cluster.run_on_cluster()
    assert done.returncode == 0, done.stdout + done.stderr + log_of(cluster)
    assert f"cancelling jobs that a killed run left in Slurm: {' '.join(left)}" in done.stdout
    assert left
    assert set(left) <= set(jobs_of(cluster, "", "CANCELLED"))
    expected = gathered(at_home, tmp_path / "expected", *slides)
    assert differing(contents(cluster, *slides), contents(expected, *slides)) == []
    assert states(cluster) == {"done": 2}
    assert max(watch.times("detect").values()) == 1
