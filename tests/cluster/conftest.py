"""One Slurm for all tests of a session, and a cohort that was run without it, which all runs on it must equal."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from pathopipe.errors import RefusalError
from pathopipe.running.cluster import check_interpreter
from pathopipe.synthetic import Scene, write_slide
from tests.cluster.local_slurm import LocalSlurm, local_slurm, missing
from tests.once import once
from tests.workflow.conftest import ROOT, Project

GOOD = ("s0", "s1", "s2", "s3")
PROFILE = ROOT / "profiles" / "slurm-no-accounting"


@pytest.fixture(scope="session")
def startable() -> None:
    """This Python can be started by jobs elsewhere: not in a folder whose name has a blank."""
    try:
        check_interpreter()
    except RefusalError as refusal:
        pytest.skip(str(refusal))


@pytest.fixture(scope="session")
def slurm(startable: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSlurm]:
    if absent := missing():
        pytest.skip(f"Slurm is not installed here: there is no {absent[0]}")
    if find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("Snakemake's plugin for Slurm is not installed: pip install 'pathopipe[slurm]'")
    with local_slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@dataclass(frozen=True)
class ClusterProject(Project):
    """A project whose runs go to Slurm, by the shipped profile, with polls that suit jobs of seconds."""

    slurm: LocalSlurm
    patience_s: ClassVar[int] = 1200

    @property
    def options(self) -> tuple[str, ...]:
        polls = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")
        return ("--profile", "slurm-no-accounting", "--", *polls)

    def run_on_cluster(self, *arguments: str) -> subprocess.CompletedProcess:
        command = (sys.executable, "-m", "pathopipe", "run", *self.options, *arguments)
        return self.call(*command, **self.slurm.environment)


def run_at_home(folder: Path) -> None:
    project = Project(folder)
    for number, slide in enumerate(GOOD):
        write_slide(Scene(512, 512, seed=number, tissue="field"), project.folder / f"{slide}.tiff", levels=1)
    intact = (project.folder / "s0.tiff").read_bytes()
    (project.folder / "corrupt.tiff").write_bytes(intact[: len(intact) // 2])
    write_sheet(project, *GOOD, "corrupt")
    (project.folder / "config.yaml").write_text("detect:\n  model: classical\n")
    done = project.run()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Four good slides and a corrupt one, run on this machine."""
    return Project(once(tmp_path_factory, "home", run_at_home))


def write_sheet(project: Project, *slides: str) -> None:
    project.write_sheet(*(f"{slide}\t{slide}.tiff\t" for slide in slides))


@pytest.fixture
def cluster(slurm: LocalSlurm, at_home: Project, tmp_path: Path) -> ClusterProject:
    """The same slides, without results."""
    folder = tmp_path / "on the cluster"
    shutil.copytree(at_home.folder, folder, ignore=shutil.ignore_patterns("results"))
    return ClusterProject(folder, slurm)
