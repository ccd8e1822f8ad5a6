"""The environments ask for what pyproject.toml asks for."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {
    "opencv-python-headless": "py-opencv",
    "openslide-bin": "openslide",
    "snakemake": "snakemake-minimal",
}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def locked() -> dict[str, Version]:
    return versions_in("lock.txt")


def versions_in(lock: str) -> dict[str, Version]:
    lines = (ROOT / "envs" / lock).read_text().splitlines()
    found = {}
    for line in lines:
        if match := re.match(r"^([A-Za-z0-9._-]+)==([^ ;]+)", line):
            found[match[1].lower().replace("_", "-")] = Version(match[2])
    return found


def test_the_lock_satisfies_every_requirement(project: dict, locked: dict[str, Version]) -> None:
    wanted = [Requirement(text) for text in (*project["dependencies"], *project["optional-dependencies"]["test"])]
    for requirement in wanted:
        assert locked[requirement.name.lower()] in requirement.specifier, (
            f"run the command in docs/development.md: {requirement}"
        )


def test_every_requirement_has_an_upper_bound(project: dict) -> None:
    """A major version can break what was tested; tools for tests are in the lock alone."""
    extras = project["optional-dependencies"]
    wanted = (*project["dependencies"], *(text for name in extras if name != "test" for text in extras[name]))
    assert len(wanted) > 30
    assert [text for text in wanted if not any(part.operator == "<" for part in Requirement(text).specifier)] == []


def test_the_tests_run_with_what_the_readme_installs() -> None:
    install, then = "pip install {}--require-hashes -r envs/lock.txt", "pip install {}--no-deps -e ."
    readme, script = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    assert f"{install.format('')} && {then.format('')}\n" in readme
    assert "pip install --require-hashes -r envs/lock-run.txt\npip install --no-deps .\n" in readme
    quiet = "--quiet --disable-pip-version-check "
    installed = [line for line in script.splitlines() if line.startswith("pip install")]
    assert installed == [install.format(f"{quiet}--no-compile "), then.format(quiet)]


def test_what_only_runs_has_a_lock_of_its_own_with_the_same_versions(project: dict, locked: dict[str, Version]) -> None:
    running = versions_in("lock-run.txt")
    assert {Requirement(text).name.lower() for text in project["dependencies"]} <= set(running)
    assert running.items() <= locked.items()
    assert "torch" not in running


@pytest.mark.parametrize("lock", ["lock.txt", "lock-run.txt"])
def test_the_lock_pins_by_hash_and_names_no_index(lock: str) -> None:
    text = (ROOT / "envs" / lock).read_text()
    pinned = [block for block in re.split(r"\n(?=\S)", text) if "==" in block.split("\n")[0]]
    assert len(pinned) > 50
    assert all("--hash=sha256:" in block for block in pinned)
    assert "://" not in text
    assert "--index" not in text


def test_the_conda_environment_follows_the_project(project: dict) -> None:
    listed = yaml.safe_load((ROOT / "envs" / "pathopipe.yaml").read_text())["dependencies"]
    conda = {entry.split(" ")[0]: entry.partition(" ")[2] for entry in listed if isinstance(entry, str)}
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    assert conda.pop("python") == project["requires-python"]
    conda.pop("pip")
    assert pip == [f"pathopipe=={project['version']}"]
    expected = {}
    for text in project["dependencies"]:
        name, specifier = re.match(r"([a-z0-9-]+)(.*)", text).groups()
        expected[CONDA_NAMES.get(name, name)] = specifier
    assert conda == expected


def test_the_package_imports_only_what_it_asks_for(project: dict) -> None:
    optional = project["optional-dependencies"]
    extras = ("train", "slurm", "kubernetes", "geo", "anndata")
    wanted = (*project["dependencies"], *(text for name in extras for text in optional[name]))
    # Jinja2 can't do without MarkupSafe.
    asked = {Requirement(text).name.lower().replace("_", "-") for text in wanted} | {"markupsafe"}
    sources = packages_distributions()
    unknown = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in (ROOT / "src").rglob("*.py")
        for module in _imported(path)
        if module not in sys.stdlib_module_names | {"pathopipe"}
        and not asked & {name.lower().replace("_", "-") for name in sources.get(module, ())}
    }
    assert not unknown


def _imported(path: Path) -> Iterator[str]:
    """Names of the top-level modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
