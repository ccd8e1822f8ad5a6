"""What several files of tests read and none changes is made once, whichever of pytest's processes asks first."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder of this name, which ``make`` filled; other processes of the same session wait for it.

    Parameters
    ----------
    factory
        Its folder is where pytest-xdist puts those of its processes side by side.
    name
        One for each folder; blanks are allowed, as in the names of users' folders.
    make
        Is called with the empty folder. If it fails, the next who asks tries again.
    """
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_name(f"{name}.done")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
