"""The environment of `--sdm conda` takes pathopipe from where this one came from, not from an index alone."""

import hashlib
import json
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from pathopipe.results.names import CONDA_ENV
from pathopipe.running import conda_env as module
from pathopipe.running.conda_env import conda_env, write_conda_env

ROOT = Path(__file__).parents[2]


def asked(text: str) -> Requirement:
    """What the environment's file has pip install."""
    (pip,) = [entry["pip"] for entry in yaml.safe_load(text)["dependencies"] if isinstance(entry, dict)]
    return Requirement(pip[0])


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if this were installed from a wheel: the workflow's folder is no clone."""
    (tmp_path / "_workflow" / "envs").mkdir(parents=True)
    (tmp_path / "_workflow" / "envs" / "pathopipe.yaml").write_text((ROOT / "envs" / "pathopipe.yaml").read_text())
    monkeypatch.setattr(module, "workflow_folder", lambda: tmp_path / "_workflow")
    return tmp_path


def came_from(url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    record = None if url is None else json.dumps({"url": url, "archive_info": {}})
    monkeypatch.setattr(metadata.PathDistribution, "read_text", lambda self, name: record)
    monkeypatch.setattr(metadata.Distribution, "version", "0.1.0")


def test_of_a_clone_it_is_the_clone() -> None:
    assert asked(conda_env()).url == ROOT.as_uri()


def test_of_a_clone_with_other_code_it_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = tmp_path / "a clone"
    (clone / "envs").mkdir(parents=True)
    (clone / "src").mkdir()
    (clone / "pyproject.toml").write_text("")
    (clone / "src" / "a.py").write_text("x = 1\n")
    (clone / "envs" / "pathopipe.yaml").write_text((ROOT / "envs" / "pathopipe.yaml").read_text())
    monkeypatch.setattr(module, "workflow_folder", lambda: clone)
    before = conda_env()
    assert asked(before).url == f"file://{tmp_path}/a%20clone"
    assert conda_env() == before
    (clone / "src" / "a.py").write_text("x = 2\n")
    assert conda_env() != before


def test_of_a_wheel_at_hand_it_is_that_wheel(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = installed / "my wheels" / "pathopipe-0.1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"wheel")
    came_from(wheel.as_uri(), monkeypatch)
    assert asked(conda_env()).url == wheel.as_uri()
    assert hashlib.sha256(b"wheel").hexdigest()[:16] in conda_env()


@pytest.mark.parametrize("url", [None, "file:///gone/pathopipe-0.1.0.whl", "https://example.org/pathopipe-0.1.0.whl"])
def test_else_it_is_the_released_version(url: str | None, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    came_from(url, monkeypatch)
    assert str(asked(conda_env())) == "pathopipe==0.1.0"
    shipped = (ROOT / "envs" / "pathopipe.yaml").read_text()
    assert yaml.safe_load(conda_env()) == yaml.safe_load(shipped)


def test_the_file_is_written_once(tmp_path: Path) -> None:
    write_conda_env(tmp_path)
    file = tmp_path / CONDA_ENV
    assert file.read_text() == conda_env()
    before = file.stat().st_ino
    write_conda_env(tmp_path)
    assert file.stat().st_ino == before
    file.write_text("of another version")
    write_conda_env(tmp_path)
    assert file.read_text() == conda_env()


def test_every_rule_uses_it() -> None:
    for rule in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = rule.read_text()
        assert ("conda:\n        PLAN.conda_env\n" in text) == ("shell:" in text), rule
