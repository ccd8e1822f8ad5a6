"""What a stage left that is not finished: its work folder, and in it why it failed, if it did.

To put a stage's files into place and to remove its work folder are two steps. A job may be killed between them, so that
it notes before the first which manifest it is about to put there: what lies beside such a note is a leftover.
"""

from pathlib import Path
from typing import Final

from pathopipe.errors import ArtifactError
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST
from pathopipe.results.documents import read_json
from pathopipe.results.names import WORK

FAULT: Final = "fault.json"
"""Left in the work folder of a stage that failed, until it succeeds."""
STOPPED: Final = "was stopped before it finished, or ran out of memory: run again"
"""Why a stage failed that left a work folder without a reason in it."""
PUBLISHING: Final = "publishing.json"
"""Holds the digest of the manifest that is put into place."""


def work_folder(results: Path, slide: str, stage: str) -> Path:
    """Where a stage keeps what it has not finished."""
    return results / slide / WORK / stage


def work_folders(folder: Path) -> list[Path]:
    """Work folders below a slide's folder, in order; a stage may just be removing its own."""
    try:
        return sorted((folder / WORK).iterdir())
    except OSError:
        return []


def unfinished(folder: Path) -> list[Path]:
    """Work folders below a slide's folder, of stages that are at work, failed, or were stopped."""
    return [work for work in work_folders(folder) if not is_leftover(work)]


def fault_of(folder: Path) -> str | None:
    """Why a stage of the slide failed in the last run, if one did; only to be asked while no stage runs."""
    return next((f"{work.name}: {reason_of(work) or STOPPED}" for work in unfinished(folder)), None)


def reason_of(work: Path) -> str | None:
    """Why the stage of a work folder failed, if it could still say so."""
    try:
        return str(read_json(work / FAULT)["reason"])
    except (ArtifactError, KeyError):
        return None


def is_leftover(work: Path) -> bool:
    """Whether the manifest that the note names is in place, or the folder has been emptied, if it is still there."""
    try:
        if work.is_dir() and not any(work.iterdir()):
            return True
        noted = read_json(work / PUBLISHING)["manifest"]
        return bool(noted == sha256(work.parents[1] / work.name / MANIFEST))
    except (ArtifactError, OSError, KeyError):
        return not work.exists()
