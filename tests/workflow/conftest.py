"""A small cohort, run once; tests that change something work on a copy."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from pathopipe.fingerprint import handed_down
from pathopipe.pipeline import COHORT, STAGES
from pathopipe.synthetic import Scene, write_slide
from tests.once import once

ROOT = Path(__file__).parents[2]
PADDING = 1 << 19
"""Bytes at the end of each slide that no pixel lies in, so many that an identity does not see all of them."""


@dataclass(frozen=True)
class Project:
    """A folder with a sheet, slides and results, and the commands that a person would type in it."""

    folder: Path
    patience_s: ClassVar[int] = 600

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def write_sheet(self, *rows: str, header: str = "slide\tpath\tmpp") -> None:
        (self.folder / "slides.tsv").write_text("\n".join([header, *rows]) + "\n")

    def run(
        self, *arguments: str, command: tuple[str, ...] = ("run",), **environment: str
    ) -> subprocess.CompletedProcess:
        cores = () if "--cores" in arguments or command != ("run",) else ("--cores", "2")
        return self.call(sys.executable, "-m", "pathopipe", *command, *cores, *arguments, **environment)

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        base = (
            "-m",
            "snakemake",
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--cores",
            "2",
            "--configfile",
            "config.yaml",
        )
        return self.call(sys.executable, *base, *arguments, **environment)

    def call(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **handed_down((*STAGES, COHORT.name)), "PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=self.patience_s,
        )

    def planned(self, **environment: str) -> dict[str, int]:
        """Jobs per rule that a run would start."""
        return self.planned_with(**environment)

    def planned_with(self, *settings: str, options: tuple[str, ...] = (), **environment: str) -> dict[str, int]:
        """Jobs per rule that a run with other settings or options would start."""
        changes = [part for setting in settings for part in ("--set", setting)]
        done = self.run(*changes, *options, "--", "--dry-run", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        table = re.search(r"job +count\n[- ]+\n(.*?)\n\n", done.stdout + done.stderr, re.DOTALL)
        rows = dict(line.split() for line in table[1].splitlines()) if table else {}
        return {rule: int(count) for rule, count in rows.items() if rule not in {"total", "all"}}


def make_project(folder: Path, slides: int) -> Project:
    project = Project(folder)
    for number in range(slides):
        write_slide(Scene(640, 512, seed=number, tissue="field"), folder / f"slide {number}.tiff", levels=1)
        with (folder / f"slide {number}.tiff").open("ab") as file:
            file.write(bytes(PADDING))
    project.write_sheet(*(f"s{number}\tslide {number}.tiff\t" for number in range(slides)))
    (folder / "config.yaml").write_text("slides: slides.tsv\nresults: results\n")
    return project


def run_cohort(folder: Path) -> None:
    project = make_project(folder, slides=2)
    done = project.run()
    assert done.returncode == 0, done.stdout + done.stderr + log_of(project)


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(once(tmp_path_factory, "finished cohort", run_cohort))


@pytest.fixture
def finished(finished_once: Project, tmp_path: Path) -> Project:
    """A copy of the finished cohort, in another place."""
    return Project(Path(shutil.copytree(finished_once.folder, tmp_path / "copy of cohort")))


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A project of one slide that nothing was run on."""
    return make_project(tmp_path, slides=1)


def log_of(project: Project) -> str:
    log = project.results / ".pathopipe" / "run.log"
    return log.read_text() if log.exists() else ""
