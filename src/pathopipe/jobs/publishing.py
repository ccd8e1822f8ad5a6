"""Putting the files of a finished stage into place."""

import os
from pathlib import Path

from pathopipe.files import opened, remove
from pathopipe.record import MANIFEST
from pathopipe.results.names import CRATE


def publish(draft: Path, final: Path, results: Path) -> None:
    """Move the finished files of a stage from its work folder into place, the manifest last.

    That of an earlier result goes before all else: it tells of the files that are replaced. A description of the folder
    above goes there.
    """
    places = opened(draft, results), opened(final, results, make=True), opened(final.parent, results)
    with places[0] as source, places[1] as target, places[2] as above:
        remove(final / MANIFEST, results)
        for name in sorted((file.name for file in draft.iterdir()), key=lambda name: (name == MANIFEST, name)):
            os.replace(name, name, src_dir_fd=source, dst_dir_fd=above if name == CRATE else target)
    remove(draft, results)
