"""Putting the files of a finished stage into place."""

from pathlib import Path

from pathopipe.files import move, remove
from pathopipe.record import MANIFEST
from pathopipe.results.names import CRATE


def publish(draft: Path, final: Path, results: Path) -> None:
    """Move the finished files of a stage from its work folder into place, the manifest last.

    The manifest of an earlier result is removed first: it describes the files that are replaced. A description of the
    folder above goes there.
    """
    remove(final / MANIFEST, results)
    for name in sorted((file.name for file in draft.iterdir()), key=lambda name: (name == MANIFEST, name)):
        move(draft / name, (final.parent if name == CRATE else final) / name, results)
    remove(draft, results)
