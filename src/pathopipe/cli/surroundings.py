"""What a shell may start the program with: streams that are closed, or can't take every letter."""

import os
import resource
import sys
from typing import Final

_LEAST_MEMORY: Final = 2**30
"""Bytes of address space that no stage starts with less of: the libraries that it loads take more."""


def prepare(arguments: list[str] | None) -> None:
    """Let there be three streams that take every letter, and file names that may have any.

    Where Python was told to know ASCII alone, the program starts again in Python's UTF-8 mode.
    """
    _open_closed()
    if arguments is None and sys.getfilesystemencoding() == "ascii" and not sys.flags.utf8_mode:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONUTF8": "1"})  # noqa: S606
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    if encoding and not errors:
        os.environ["PYTHONIOENCODING"] = f"{encoding}:backslashreplace"  # of Snakemake and its jobs
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def require_memory() -> None:
    """Make sure that no limit leaves less memory than libraries take to load: some of them crash there.

    Raises
    ------
    MemoryError
        When one does.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < _LEAST_MEMORY:
        raise MemoryError


def _open_closed() -> None:
    """Put nothing in the place of a closed stream: the next file would get its number, and what others print."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
