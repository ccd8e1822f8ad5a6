"""Shared folders of tests: made once by all processes together, and again where that failed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.once import once

TESTS = """
from pathlib import Path
import pytest
from tests.once import once

@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    def make(folder):
        with Path({log!r}).open("a") as log:
            log.write("made\\n")
        (folder / "part").write_text("whole")
    return once(tmp_path_factory, "a folder", make)

@pytest.mark.parametrize("number", range(3))
def test_it_is_whole(folder, number):
    assert (folder / "part").read_text() == "whole"
"""


def test_processes_share_it(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"test_{number}.py").write_text(TESTS.format(log=str(tmp_path / "log")))
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile")
    here = Path(__file__).parents[1]
    options = ("--basetemp", str(tmp_path / "base"), "--rootdir", str(here), "-c", str(here / "pyproject.toml"))
    done = subprocess.run([*command, *options, str(tmp_path)], cwd=here, capture_output=True, text=True, check=False)
    assert "9 passed" in done.stdout, done.stdout
    assert (tmp_path / "log").read_text() == "made\n"


def test_what_failed_is_made_again_from_the_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        once(tmp_path_factory, "failed", fail)
    folder = once(tmp_path_factory, "failed", lambda folder: (folder / "part").touch())
    assert [file.name for file in folder.iterdir()] == ["part"]
    assert once(tmp_path_factory, "failed", fail) == folder
