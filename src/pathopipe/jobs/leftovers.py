"""Work folders, made and removed: a stage's is gone when the stage is finished (`results.unfinished` reads them)."""

import contextlib
import os
from pathlib import Path
from typing import Final

from pathopipe import files
from pathopipe.errors import FaultError
from pathopipe.jobs.ownership import living_owner
from pathopipe.provenance import sha256
from pathopipe.results.documents import write_json
from pathopipe.results.names import WORK
from pathopipe.results.unfinished import PUBLISHING, is_leftover, work_folders

OWNER: Final = "owner.json"
"""Names who works in the folder."""
_LAST: Final = (OWNER, PUBLISHING)


def begin(work: Path) -> None:
    """Take back what an earlier job noted: this one may be killed, too."""
    files.remove(work / PUBLISHING, _results(work))


def announce(work: Path, manifest: Path) -> None:
    """Note which manifest will be put into place next."""
    write_json(work / PUBLISHING, {"manifest": sha256(manifest)}, _results(work))


def remove(work: Path) -> None:
    """Remove the work folder of a finished stage, who owns it and the note last.

    What cannot be removed stays a leftover: it makes no finished stage a fault.
    """
    with contextlib.suppress(OSError, FaultError):
        for entry in sorted(work.iterdir(), key=lambda entry: _LAST.index(entry.name) if entry.name in _LAST else -1):
            files.remove(entry, _results(work))
    for folder in (work, work.parent):
        _remove_if_empty(folder, _results(work))


def sweep(folder: Path) -> None:
    """Remove the work folders below a slide's folder whose stages are finished, if nobody else is at it."""
    for work in work_folders(folder):
        if is_leftover(work) and not living_owner(work / OWNER):
            remove(work)
    _remove_if_empty(folder / WORK, folder.parent)


def _results(work: Path) -> Path:
    return work.parents[2]


def _remove_if_empty(folder: Path, results: Path) -> None:
    with contextlib.suppress(OSError, FaultError), files.opened(folder.parent, results) as place:
        os.rmdir(folder.name, dir_fd=place)
