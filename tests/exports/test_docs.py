"""The examples of docs/export.md run, on small results."""

import re
import shlex
from pathlib import Path

import pytest

from pathopipe.cli import main
from tests.exports.elsewhere import run_elsewhere

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^pathopipe export .*$", PAGE, re.MULTILINE)
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ELSEWHERE = ("squidpy", "spatialdata")


@pytest.fixture(scope="module")
def here(finished_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all commands of the page have been called."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "results").symlink_to(finished_results)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in COMMANDS:
            with pytest.raises(SystemExit) as end:
                main(shlex.split(line)[1:])
            assert end.value.code == 0, line
    return folder


def test_the_commands_write_what_the_page_says(here: Path) -> None:
    assert sorted(path.name for path in here.iterdir()) == [
        "for-qupath",
        "for-spatialdata",
        "labels",
        "nuclei.csv",
        "nuclei.csv-metadata.json",
        "nuclei.h5ad",
        "nuclei.parquet",
        "results",
        "small",
    ]
    sizes = [path.stat().st_size for path in (here / name / "good.geojson" for name in ("small", "for-qupath"))]
    assert sizes[0] < sizes[1] / 3


def test_examples_of_what_is_installed_run(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(here)
    examples = [text for text in EXAMPLES if not any(f"import {name}" in text for name in ELSEWHERE)]
    assert len(examples) == len(EXAMPLES) - len(ELSEWHERE) > 3
    exec("\n".join(examples), {})  # noqa: S102
    shown = capsys.readouterr().out
    assert "Nuclear area µm² area inside the outline" in shown
    assert "neighbors per nucleus" in shown
    assert "[(" in shown


@pytest.mark.parametrize("package", ELSEWHERE)
def test_examples_of_other_programs_run_there(package: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = (text for text in EXAMPLES if f"import {package}" in text)
    monkeypatch.chdir(here)
    shown = run_elsewhere(package, example)
    assert ("µm²" if package == "spatialdata" else "[[") in shown
