"""The files of a slide: what is damaged content, and what a disk or a person that took them away."""

from pathlib import Path

from pathopipe.errors import FaultError
from pathopipe.identity import slide_files

_CHUNK_BYTES = 1 << 22


class SourceFiles:
    """Sizes of a slide's files when it was opened.

    Raises
    ------
    FaultError
        When one is not there or not readable.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._sizes = {file: file.stat().st_size for file in slide_files(path)}
        except OSError as error:
            raise unreadable(error) from error

    def fault(self) -> FaultError | None:
        """Why the files cannot be read, or None when they can be from start to end, as they were when opened.

        Reads everything, which is asked for only where decoding failed: it tells a damaged slide, which is a fact
        that a run records, from a disk that fails, after which a run is repeated.
        """
        try:
            for file, size in self._sizes.items():
                if file.stat().st_size != size:
                    return FaultError("the slide's file changed while it was read: run again when it is complete")
                with file.open("rb") as stream:
                    while stream.read(_CHUNK_BYTES):
                        pass
        except OSError as error:
            return unreadable(error)
        return None


def unreadable(error: OSError) -> FaultError:
    """What an error of the operating system means for the user."""
    return FaultError(
        f"the slide's file cannot be read ({error.strerror or error}): bring it back or mend its permissions, "
        "and run again"
    )
