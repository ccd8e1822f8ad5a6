"""A stage that is added to a copy of the package as docs/development.md says is run, shown and described everywhere."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, Project, make_project

MODULE = '''"""Counts nuclei per tile."""

from typing import Any

from pathopipe.jobs.job import Job, Outcome
from pathopipe.pipeline import CrowdSettings
from pathopipe.results.documents import write_json


def run(job: Job[CrowdSettings]) -> Outcome:
    """Divide the nuclei by the tiles, times a factor."""
    nuclei = int(job.manifest("segment")["counts"]["nuclei"])
    per_tile = job.settings.times * nuclei / int(job.manifest("tiles")["counts"]["tiles"])
    write_json(job.output("crowd.json"), {"nuclei_per_tile": per_tile})
    return Outcome(counts={"nuclei": nuclei})


def write_empty(job: Job[Any]) -> None:
    """Say nothing."""
    write_json(job.output("crowd.json"), {"nuclei_per_tile": None})
'''
SETTINGS = '''class CrowdSettings(Section):
    """Counting per tile."""

    times: Annotated[int, Field(ge=1)] = Field(1, description="multiply the counts by this")


'''
RECORD = """CROWD: Final = Stage(
    name="crowd",
    title="Crowding",
    help="count nuclei per tile.",
    settings=CrowdSettings,
    contract=1,
    reads=("tiles/manifest.json", "segment/manifest.json", "segment/nuclei.parquet"),
    writes=("crowd.json",),
    demand=Demand(1.0, 0.0, 0.0, 500),
    group="after",
)


"""
TEST = '''"""The stage `crowd`."""


def test_nothing_yet() -> None:
    pass
'''
GENERATED = {
    "config/README.md",
    "profiles/kubernetes/profile.yaml",
    "profiles/slurm-no-accounting/profile.yaml",
    "profiles/slurm/profile.yaml",
    "src/pathopipe/cli/stage_names.py",
    "workflow/schemas/config.schema.json",
}


@dataclass(frozen=True)
class Copied(Project):
    """A project that is run by a copy of this repository."""

    copy: Path

    def call(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        return super().call(*command, PYTHONPATH=str(self.copy / "src"), **environment)


def add_stage(copy: Path) -> None:
    """Edit four files by hand, and have the others made."""
    (copy / "src/pathopipe/stages/crowd.py").write_text(MODULE)
    (copy / "tests/stages/test_crowd.py").write_text(TEST)
    rule = (copy / "workflow/rules/grade.smk").read_text()
    (copy / "workflow/rules/crowd.smk").write_text(re.sub(r"\bgrade\b", "crowd", rule))
    pipeline = copy / "src/pathopipe/pipeline.py"
    text = pipeline.read_text()
    for mark, added in (
        ("class ReportSettings(Section):", SETTINGS + RECORD),
        ("    report: ReportSettings = ReportSettings()", "    crowd: CrowdSettings = CrowdSettings()\n"),
    ):
        assert text.count(mark) == 1
        text = text.replace(mark, added + mark)
    text, changed = re.subn(r"(_BEFORE_REPORT: Final = \(.*)GRADE\)", r"\1GRADE, CROWD)", text)
    assert changed == 1
    pipeline.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    subprocess.run([sys.executable, "-m", "pathopipe.schemas"], cwd=copy, env=environment, check=True)


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for name in ("src", "workflow", "profiles", "config", "docs", "envs", "tests"):
        shutil.copytree(ROOT / name, folder / name)  # compiled kernels as well: to compile them takes a minute
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


@pytest.fixture(scope="module")
def project(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Copied:
    before = contents(copy)
    add_stage(copy)
    after = contents(copy)
    edited = {name for name in after if after[name] != before.get(name)} - GENERATED
    assert sorted(edited) == [
        "src/pathopipe/pipeline.py",
        "src/pathopipe/stages/crowd.py",
        "tests/stages/test_crowd.py",
        "workflow/rules/crowd.smk",
    ]
    project = Copied(make_project(tmp_path_factory.mktemp("crowd"), slides=1).folder, copy)
    done = project.run("--set", "crowd.times=3")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def test_it_runs_with_its_settings(project: Copied) -> None:
    nuclei = json.loads((project.results / "s0/segment/manifest.json").read_text())["counts"]["nuclei"]
    assert json.loads((project.results / "s0/crowd/crowd.json").read_text()) == {"nuclei_per_tile": 3 * nuclei}
    manifest = json.loads((project.results / "s0/crowd/manifest.json").read_text())
    assert (manifest["stage"], manifest["state"], manifest["params"]) == ("crowd", "done", {"times": 3})


def test_the_command_line_and_the_status_know_it(project: Copied) -> None:
    assert "crowd  Stage 10: count nuclei per tile." in re.sub(
        " +", " ", project.run(command=("--help",)).stdout
    ).replace("crowd ", "crowd  ")
    status = json.loads(project.run("--json", command=("status",)).stdout)
    assert '"crowd"' in json.dumps(status)


def test_the_page_and_the_descriptions_name_it(project: Copied) -> None:
    assert "Crowding" in (project.results / "s0/report/report.html").read_text()
    crate = (project.results / "s0/ro-crate-metadata.json").read_text()
    assert "crowd/crowd.json" in crate
    assert project.run("results", command=("verify",)).returncode == 0


def test_other_settings_make_it_and_the_report_run_again(project: Copied) -> None:
    assert project.planned_with("crowd.times=3") == {}
    assert project.planned_with("crowd.times=4") == {"crowd": 1, "report": 1, "cohort": 1}
