"""Programs that read exports, in an environment of their own: they want other versions of what the tests run with."""

import os
import subprocess
from pathlib import Path

import pytest

VARIABLE = "PATHOPIPE_SPATIAL_PYTHON"
"""Names the Python of an environment with squidpy, spatialdata, ome-zarr and ome-zarr-models."""


def run_elsewhere(package: str, code: str, *arguments: Path) -> str:
    """Run code that needs a package, and return what it prints; skip the test where there is no such environment."""
    python = os.environ.get(VARIABLE)
    if not python:
        pytest.skip(f"{package} is not installed here: name the Python of an environment that has it as {VARIABLE}")
    script = f"import sys\nimport {package}\n{code}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", script, *map(str, arguments)],
        capture_output=True, text=True, check=False, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
