"""The finished pieces of a stage, in one growing file: a job that was killed goes on from the last of them.

The file lies in the stage's work folder and is not an output: it is gone when the stage is finished.
"""

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pathopipe.files import open_file
from pathopipe.jobs.parallel import ordered_map

ItemT = TypeVar("ItemT")
Arrays = Mapping[str, NDArray[Any]]
Span = tuple[int, int]
"""Where bytes lie in the journal's file, and how many."""

_HEADER: Final = struct.Struct("<8sQQI")
_MAGIC: Final = b"pathopi1"
# Of the size that safetensors begin with: that of the JSON after it.
_SIZE: Final = 8


class Journal:
    """Numbered records of bytes, each with its length and checksum; what a killed writer left half is cut off.

    Parameters
    ----------
    path
        The file; made with its folder when the first record is added.
    check
        Called before each write; raises when another job has taken over.
    root
        Below it no symbolic link is followed; the file's own folder by default.
    """

    def __init__(self, path: Path, check: Callable[[], None], root: Path | None = None) -> None:
        self._check = check
        self._file = open_file(path, os.O_RDWR | os.O_CREAT, root)
        self._places: dict[int, Span] = {}
        self._end = self._scan()
        check()
        os.ftruncate(self._file, self._end)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def __len__(self) -> int:
        return len(self._places)

    def read(self, number: int) -> bytes:
        """Return a record; may be called by any thread."""
        return self.read_span(self._places[number])

    def read_span(self, span: Span) -> bytes:
        """Return some of the file's bytes; may be called by any thread."""
        place, length = span
        return _read(self._file, length, place)

    def spans(self, number: int) -> dict[str, Span]:
        """Where the values of each array lie that `pack` made a record of: to read one and not all."""
        place, _ = self._places[number]
        size = int.from_bytes(_read(self._file, _SIZE, place), "little")
        start = place + _SIZE + size
        arrays = json.loads(_read(self._file, size, place + _SIZE))
        ends = {name: array["data_offsets"] for name, array in arrays.items()}
        return {name: (start + first, after - first) for name, (first, after) in ends.items()}

    def append(self, number: int, payload: bytes) -> None:
        """Add a record; all of it is in the file, or none."""
        self._check()
        head = _HEADER.pack(_MAGIC, number, len(payload), _checksum(number, payload))
        try:
            _write(self._file, head + payload, self._end)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._places[number] = (self._end + _HEADER.size, len(payload))
        self._end += _HEADER.size + len(payload)

    def _scan(self) -> int:
        """Find the whole records; returns where they end."""
        place, size = 0, os.fstat(self._file).st_size
        while place + _HEADER.size <= size:
            magic, number, length, checksum = _HEADER.unpack(_read(self._file, _HEADER.size, place))
            start = place + _HEADER.size
            if magic != _MAGIC or start + length > size:
                break
            if _checksum(number, _read(self._file, length, start)) != checksum:
                break
            self._places[number] = (start, length)
            place = start + length
        return place


def advance(
    journal: Journal, work: Callable[[ItemT], Arrays], items: Iterable[ItemT], workers: int, first: int = 0
) -> Iterator[dict[str, NDArray[Any]]]:
    """Apply ``work`` in ``workers`` threads to the items that are not in the journal yet; yields all results in order.

    Item i has number ``first`` + i. A result is kept before it is yielded.
    """

    def make(numbered: tuple[int, ItemT]) -> bytes | None:
        number, item = numbered
        return None if number in journal else pack(work(item))

    for number, made in enumerate(ordered_map(make, enumerate(items, first), workers), first):
        if made is not None:
            journal.append(number, made)
        yield unpack(journal.read(number) if made is None else made)


def pack(arrays: Arrays) -> bytes:
    """Arrays by name as bytes: safetensors, nothing of it pickled."""
    from safetensors.numpy import save

    # It takes the bytes as they lie in memory, whatever their order there.
    return bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))


def unpack(payload: bytes) -> dict[str, NDArray[Any]]:
    """Arrays that `pack` made bytes of."""
    from safetensors.numpy import load

    return dict(load(payload))


def _checksum(number: int, payload: bytes) -> int:
    return zlib.crc32(payload, number & 0xFFFFFFFF)


def _read(file: int, length: int, place: int) -> bytes:
    """Read so many bytes; a system call may return fewer."""
    parts = list[bytes]()
    while length:
        part = os.pread(file, length, place)
        if not part:
            raise EOFError("the work folder's journal was cut off while it was in use")
        parts.append(part)
        length, place = length - len(part), place + len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _write(file: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, place)
        view, place = view[written:], place + written
