"""Snakemake's log of a run: kept with the results, and read for why the workflow failed where no stage says it."""

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pathopipe.errors import FaultError
from pathopipe.files import open_file, remove

_OURS: Final = "pathopipe: "
_ERROR: Final = re.compile(r"(Error|Exception|error:)")
_JOB_LOG: Final = re.compile(r"^ +log: (.+/slurm_logs/.+\.log) \(check log")


def log_of(results: Path) -> Path:
    """Where Snakemake's log of the last run is kept."""
    return results / ".pathopipe" / "run.log"


def begin_log(results: Path) -> Callable[[str], None]:
    """Remove the log of the run before; returns what adds a line. On a full disk, the run's own messages go on."""
    log, flags = log_of(results), os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with contextlib.suppress(OSError):
        remove(log, results)

    def add(line: str) -> None:
        with contextlib.suppress(OSError, FaultError), os.fdopen(open_file(log, flags, results), "a") as file:
            file.write(line)

    return add


def last_words(log: Path) -> str:
    """Our last complaint in Snakemake's log, else its own, the first line of the last block with an error."""
    lines = _lines(log)
    if ours := [line for line in lines if line.startswith(_OURS)]:
        return ours[-1].removeprefix(_OURS)
    errors = [index for index, line in enumerate(lines) if _ERROR.search(line)]
    words = " ".join(line.strip() for line in lines[errors[-1] :][:2]) if errors else "it does not say why"
    jobs = [last for line in lines if (match := _JOB_LOG.match(line)) for last in _lines(Path(match[1]))[-1:]]
    return words.rstrip(" .:") + (f"; the last output of a Slurm job was '{jobs[-1].strip()}'" if jobs else "")


def _lines(log: Path) -> list[str]:
    try:
        return [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        return []
