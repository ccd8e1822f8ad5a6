"""A wheel that is built here and installed elsewhere has all that a run needs."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pathopipe.synthetic import Scene, write_slide
from tests.workflow.conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without an index, by what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder))
    subprocess.run([sys.executable, "-m", "pip", *build, str(ROOT)], check=True, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_the_workflow_the_weights_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("_workflow/Snakefile", "_workflow/workflow/rules/tissue.smk", "_workflow/envs/pathopipe.yaml"):
        assert f"pathopipe/{needed}" in names
    assert "pathopipe/models/shipped/open.safetensors" in names
    assert "pathopipe/reporting/templates/slide.html" in names
    assert "pathopipe/results/__init__.py" in names
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]


def take_compiled(place: Path) -> None:
    """Give an installation what was compiled here of the same files: to compile the kernels takes a minute.

    Numba takes what it compiled for a file of the same size and time.
    """
    for kept in (ROOT / "src" / "pathopipe").rglob("__pycache__/*.nb[ci]"):
        folder = place / kept.relative_to(ROOT / "src").parent
        folder.mkdir(exist_ok=True)
        shutil.copy(kept, folder)
    for file in (place / "pathopipe").rglob("*.py"):
        source = ROOT / "src" / file.relative_to(place)
        if source.is_file():
            assert file.read_bytes() == source.read_bytes()
            shutil.copystat(source, file)


def test_installed_elsewhere_it_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    place, folder = tmp_path / "an installation", tmp_path / "a study"
    folder.mkdir()
    install = (
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--no-index",
        "--no-warn-script-location",
        "--target",
        str(place),
    )
    subprocess.run([sys.executable, "-m", "pip", *install, str(wheel)], check=True)
    take_compiled(place)
    write_slide(Scene(512, 512, tissue="field"), folder / "field.tiff", levels=1)
    environment = {
        **os.environ,
        "PYTHONPATH": str(place),
        "PATH": os.pathsep.join([str(place / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    command = ("-m", "pathopipe", "demo", "--slide", "field.tiff", "--folder", "demo")
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = folder / "demo" / "results"
    assert json.loads((results / "cohort" / "manifest.json").read_text())["counts"]["done"] == 1
    asked = (results / ".pathopipe" / "conda" / "pathopipe.yaml").read_text()
    assert f"pathopipe @ {wheel.as_uri()}" in asked
    log = (results / ".pathopipe" / "run.log").read_text()
    assert str(ROOT / "src") not in log
