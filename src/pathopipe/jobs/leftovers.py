"""What lies in the work folders of a slide's stages, and whose stage failed; a stage's is gone when it is finished.

To put a stage's files into place and to remove its work folder are two steps. A job may be killed between them, so that
it notes before the first which manifest it is about to put there: what lies beside such a note is a leftover.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from pathopipe import files
from pathopipe.errors import ArtifactError, FaultError
from pathopipe.jobs.ownership import living_owner
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST
from pathopipe.results.documents import read_json, write_json

FAULT: Final = "fault.json"
"""Left in the work folder of a stage that failed, until it succeeds."""
STOPPED: Final = "was stopped before it was finished, or out of memory: run again"
"""Why a stage failed that left a work folder without a reason in it."""
OWNER: Final = "owner.json"
"""Names who works in the folder."""
_PUBLISHING: Final = "publishing.json"
_LAST: Final = (OWNER, _PUBLISHING)


def work_folder(results: Path, slide: str, stage: str) -> Path:
    """Where a stage keeps what it has not finished."""
    return results / slide / ".work" / stage


def begin(work: Path) -> None:
    """Take back what an earlier job noted: this one may be killed, too."""
    files.remove(work / _PUBLISHING, _results(work))


def announce(work: Path, manifest: Path) -> None:
    """Note which manifest will be put into place next."""
    write_json(work / _PUBLISHING, {"manifest": sha256(manifest)}, _results(work))


def remove(work: Path) -> None:
    """Remove the work folder of a finished stage, who owns it and the note last.

    What cannot be removed stays a leftover: it makes no finished stage a fault.
    """
    with contextlib.suppress(OSError, FaultError):
        for entry in sorted(work.iterdir(), key=lambda entry: _LAST.index(entry.name) if entry.name in _LAST else -1):
            files.remove(entry, _results(work))
    for folder in (work, work.parent):
        _remove_if_empty(folder, _results(work))


def unfinished(folder: Path) -> list[Path]:
    """Work folders below a slide's folder, of stages that are at work, failed, or were stopped."""
    return [work for work in _folders(folder) if not _is_leftover(work)]


def sweep(folder: Path) -> None:
    """Remove the work folders below a slide's folder whose stages are finished, if nobody else is at it."""
    for work in _folders(folder):
        if _is_leftover(work) and not living_owner(work / OWNER):
            remove(work)
    _remove_if_empty(folder / ".work", folder.parent)


def fault_of(folder: Path) -> str | None:
    """Why a stage of the slide failed in the last run, if one did; only to be asked while no stage runs."""
    return next((f"{work.name}: {reason_of(work) or STOPPED}" for work in unfinished(folder)), None)


def reason_of(work: Path) -> str | None:
    """Why the stage of a work folder failed, if it could still say so."""
    try:
        return str(read_json(work / FAULT)["reason"])
    except (ArtifactError, KeyError):
        return None


def _folders(folder: Path) -> list[Path]:
    """Work folders, in order; a stage may just be removing its own."""
    try:
        return sorted((folder / ".work").iterdir())
    except OSError:
        return []


def _results(work: Path) -> Path:
    return work.parents[2]


def _remove_if_empty(folder: Path, results: Path) -> None:
    with contextlib.suppress(OSError, FaultError), files.opened(folder.parent, results) as place:
        os.rmdir(folder.name, dir_fd=place)


def _is_leftover(work: Path) -> bool:
    """Whether the manifest that the note tells of is in place, or the folder has been emptied, if it is still there."""
    try:
        if work.is_dir() and not any(work.iterdir()):
            return True
        noted = read_json(work / _PUBLISHING)["manifest"]
        return bool(noted == sha256(work.parents[1] / work.name / MANIFEST))
    except (ArtifactError, OSError, KeyError):
        return not work.exists()
