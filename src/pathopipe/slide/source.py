"""The files of a slide: what is damaged content, and what is a fault of the disk or a file that was removed."""

import threading
from pathlib import Path

from pathopipe.errors import FaultError, cause
from pathopipe.identity import slide_files

_CHUNK_BYTES = 1 << 22


class SourceFiles:
    """Sizes and times of a slide's files when it was opened; may be shared by threads.

    Raises
    ------
    FaultError
        When one is not there or not readable.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._stamps = {file: _stamp(file) for file in slide_files(path)}
        except OSError as error:
            raise unreadable(error) from error
        self._lock = threading.Lock()
        self._read = False

    def fault(self) -> FaultError | None:
        """Why the files cannot be read, or None when they can be from start to end, as they were when opened.

        Asked for only where decoding failed: it tells a damaged slide, which is a fact that a run records, from a disk
        that fails, after which a run is repeated. Everything is read the first time that no fault is found; afterwards
        only sizes and times are compared.
        """
        try:
            with self._lock:
                if not (self._changed() or self._read):
                    self._read_everything()
                    self._read = True
                if self._changed():
                    return FaultError("the slide's file changed while it was read: run again when it is complete")
        except OSError as error:
            return unreadable(error)
        return None

    def _changed(self) -> bool:
        return any(_stamp(file) != stamp for file, stamp in self._stamps.items())

    def _read_everything(self) -> None:
        for file in self._stamps:
            with file.open("rb") as stream:
                while stream.read(_CHUNK_BYTES):
                    pass


def _stamp(file: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds."""
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


def unreadable(error: OSError) -> FaultError:
    """What an error of the operating system means for the user."""
    return FaultError(
        f"the slide's file cannot be read ({cause(error)}): restore it or fix its permissions, and run again"
    )
