"""What a format is to the rest: the endings of its files, and what writes one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from pathopipe.exports.selection import Selection


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes
    ----------
    suffixes
        Endings of its files, the usual one first; of folders that are one thing it is ``.zarr``.
    write
        Writes nuclei into a file that is open, or a folder that is there, and returns how many there are.
    joins
        Whether one file can hold several slides.
    streams
        Whether it is written from its beginning to its end, as to standard output.
    write_packed
        As ``write``, for files that end in ``.gz``.
    dictionary
        What says beside a file, given its name, what its columns are.
    """

    suffixes: tuple[str, ...]
    write: Callable[[Selection, Any], int]
    joins: bool = True
    streams: bool = False
    write_packed: Callable[[Selection, BinaryIO], int] | None = None
    dictionary: Callable[[Selection, str], bytes] | None = None
