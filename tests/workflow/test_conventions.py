"""Where the workflow catalogue, other workflows and snakedeploy expect things, and that they work from there."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import ROOT, Project

SNAKEMAKE = (sys.executable, "-m", "snakemake", "--cores", "2")
MODULE = """
configfile: "config.yaml"

module pathopipe:
    snakefile: "{snakefile}"
    config: config

use rule * from pathopipe as pathopipe_*
"""


def test_the_catalogue_finds_what_it_asks_for() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml"):
        assert (ROOT / name).is_file()


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_both_places_of_the_snakefile_plan_the_whole_workflow(fresh: Project, snakefile: str) -> None:
    done = fresh.call(*SNAKEMAKE, "--snakefile", str(ROOT / snakefile), "--configfile", "config.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "\ncohort " in done.stdout + done.stderr
    assert "\ntissue " in done.stdout + done.stderr


@pytest.mark.slow
def test_another_workflow_uses_it_as_a_module(fresh: Project) -> None:
    (fresh.folder / "Snakefile").write_text(MODULE.format(snakefile=ROOT / "workflow" / "Snakefile"))
    planned = fresh.call(*SNAKEMAKE, "--dry-run")
    assert "\npathopipe_detect " in planned.stdout + planned.stderr
    done = fresh.call(*SNAKEMAKE, "--scheduler", "greedy")
    assert done.returncode == 0, done.stderr
    assert json.loads((fresh.results / "cohort" / "manifest.json").read_text())["counts"]["done"] == 1


@pytest.mark.skipif(importlib.util.find_spec("snakedeploy") is None, reason="snakedeploy is not installed")
def test_snakedeploy_deploys_it(fresh: Project, tmp_path: Path) -> None:
    """From a folder, as nothing is fetched here; of one it declares the Snakefile by half of its path only."""
    deployed = tmp_path / "deployed"
    command = (sys.executable, "-m", "snakedeploy.client", "deploy-workflow")
    subprocess.run([*command, str(ROOT), str(deployed), "--branch", "main", "--name", "pathopipe"], check=True)
    snakefile = deployed / "workflow" / "Snakefile"
    written = snakefile.read_text()
    assert '"workflow/Snakefile"' in written
    snakefile.write_text(written.replace('"workflow/Snakefile"', f'"{ROOT}/workflow/Snakefile"'))
    assert (deployed / "config" / "config.yaml").is_file()
    settings = ("--config", f"slides={fresh.folder}/slides.tsv", f"results={fresh.results}")
    done = fresh.call(*SNAKEMAKE, "--directory", str(deployed), "--snakefile", str(snakefile), *settings, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "\ntissue " in done.stdout + done.stderr
