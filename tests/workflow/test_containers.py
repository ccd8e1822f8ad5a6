"""What can be known of containers without building one: `--sdm apptainer` puts each rule into the image."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from pathopipe.pipeline import STAGES
from tests.workflow.conftest import ROOT, Project

APPTAINER = """#!/bin/bash
# Notes its image and command, and runs the command without any container.
if [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit; fi
while [[ "$1" != *.sif ]]; do shift; done
echo "$@" >> "$NOTES"
shift
exec "$@"
"""


@pytest.mark.slow
def test_every_rule_runs_in_the_image(fresh: Project) -> None:
    tools, notes, image = fresh.folder / "tools", fresh.folder / "notes", fresh.folder / "image.sif"
    tools.mkdir()
    image.write_text("no image")
    for name in ("apptainer", "singularity"):
        (tools / name).write_text(APPTAINER)
        (tools / name).chmod(0o755)
    script = (
        f"export PATH={shlex.quote(str(tools))}:$PATH NOTES={shlex.quote(str(notes))}; "
        "exec pathopipe run --cores 2 --set container=image.sif -- --sdm apptainer"
    )
    done = fresh.call("bash", "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = [line for line in notes.read_text().splitlines() if "pathopipe " in line]
    assert all(line.startswith(str(image)) for line in ran)
    assert {match for line in ran for match in re.findall(r"pathopipe (\w+) ", line)} == {*STAGES, "cohort"}


def test_an_image_that_is_missing_is_refused(fresh: Project) -> None:
    done = fresh.run("--set", "container=image.sif")
    assert done.returncode == 2
    assert "image.sif is missing" in done.stderr


def test_images_are_built_from_the_lock_file_and_the_pod_runs_what_they_hold() -> None:
    installed = "pip install --no-cache-dir --require-hashes -r /opt/pathopipe/"
    for name in ("Dockerfile", "pathopipe.def"):
        assert installed in (ROOT / "containers" / name).read_text()
    pod = yaml.safe_load(Path(ROOT / "containers" / "kubernetes.yaml").read_text())["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["command"][:2] == ["pathopipe", "run"]
    assert container["workingDir"] in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
