"""Where the frames of a DICOM file lie, and which are missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import MAX_DAMAGED_SHARE, DecodeError

_ITEM: Final = b"\xfe\xff\x00\xe0"
_UNDEFINED: Final = 0xFFFFFFFF
_BEYOND: Final = 1 << 60
_MOST_SPARSE: Final = 50_000_000
Places = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Instance:
    """One file of a series, without its pixels, and where these begin."""

    path: Path
    content: pydicom.Dataset
    pixels_at: int

    def __getattr__(self, name: str) -> Any:
        """Value of an attribute of the standard; None where the file lacks it."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.content.get(name)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole level in pixels."""
        return int(self.TotalPixelMatrixColumns or 0), int(self.TotalPixelMatrixRows or 0)

    @property
    def kind(self) -> list[str]:
        """The four values of its image type."""
        return [str(value) for value in self.ImageType or ()]


def places(one: Instance) -> Places:
    """Offsets and lengths in bytes of the frames, row by row; a length of 0 means that there is none.

    Raises
    ------
    SlideRejectedError
        When frames are missing, or lie where a grid has no place for them.
    DecodeError
        When what the file says of them is damaged.
    """
    _check_frames(one)
    return _grid(one, *_frames(one))


def _is_sparse(one: Instance) -> bool:
    return bool(
        one.DimensionOrganizationType == "TILED_SPARSE"
        or (one.DimensionOrganizationType is None and one.PerFrameFunctionalGroupsSequence)
    )


def _check_frames(one: Instance) -> None:
    """Compare the frames that a level lists with those that it must have."""
    stated, needed = int(one.NumberOfFrames or 1), -(-one.size[0] // one.Columns) * -(-one.size[1] // one.Rows)
    if not _is_sparse(one) and stated < needed:
        raise _lacking(needed - stated, needed)
    if stated > needed:
        raise DecodeError(f"a level of {needed} frames lists {stated}")


def _lacking(missing: int, needed: int) -> SlideRejectedError:
    return SlideRejectedError(
        f"a level of the DICOM series lacks {missing:,} of {needed:,} frames: copy or export all of it again"
    )


def _grid(one: Instance, offsets: list[int], lengths: list[int]) -> Places:
    """Put frames at their places; a place of a sparse image that has no frame was left out.

    Raises
    ------
    SlideRejectedError
        When more frames are missing than may be damaged.
    DecodeError
        When their places are damaged.
    """
    across, down = -(-one.size[0] // one.Columns), -(-one.size[1] // one.Rows)
    stated = int(one.NumberOfFrames or 1)
    sparse = _is_sparse(one)
    if stated - len(offsets) > MAX_DAMAGED_SHARE * stated:
        raise _lacking(stated - len(offsets), stated)
    numbers = np.array(list(_places(one, across, down))) if sparse else np.arange(stated)
    if len(numbers) != stated or (sparse and across * down > _MOST_SPARSE):
        raise DecodeError("the places of frames are damaged")
    if len(np.unique(numbers)) < stated:
        raise SlideRejectedError(
            "several frames of the DICOM file lie at the same position, like focal planes: export one of them"
        )
    # Frames beyond the end of the file are left as such: they count as damage when they are read.
    missing = stated - len(offsets)
    grid = np.zeros((2, across * down), np.int64)
    grid[:, numbers] = [[*offsets[:stated], *[_BEYOND] * missing], [*lengths[:stated], *[1] * missing]]
    return grid[0], grid[1]


def _places(one: Instance, across: int, down: int) -> Iterator[int]:
    for frame in one.PerFrameFunctionalGroupsSequence or ():
        place = frame.PlanePositionSlideSequence[0]
        column = (int(place.ColumnPositionInTotalImagePixelMatrix) - 1) / one.Columns
        row = (int(place.RowPositionInTotalImagePixelMatrix) - 1) / one.Rows
        if column % 1 or row % 1 or not (0 <= column < across and 0 <= row < down):
            raise SlideRejectedError("the frames of the DICOM file do not lie on one grid: export it as 'TILED_FULL'")
        yield int(row * across + column)


def _frames(one: Instance) -> tuple[list[int], list[int]]:
    """Where each frame lies in the file, and its length in bytes."""
    with one.path.open("rb") as file:
        file.seek(one.pixels_at)
        head = file.read(12)
        if head[:4] != b"\xe0\x7f\x10\x00":
            raise DecodeError("the file ends before its pixels")
        explicit = head[4:6] in {b"OB", b"OW"}
        length = int.from_bytes(head[8:12] if explicit else head[4:8], "little")
        start = one.pixels_at + (12 if explicit else 8)
        size = file.seek(0, 2)
        if length != _UNDEFINED:
            frame = int(one.Rows) * int(one.Columns) * 3
            many = min(int(one.NumberOfFrames or 1), max(0, size - start) // frame)
            return [start + number * frame for number in range(many)], [frame] * many
        return _items(file, start, size, int(one.NumberOfFrames or 1))


def _items(file: Any, start: int, size: int, stated: int) -> tuple[list[int], list[int]]:
    """Walk over the items of encapsulated pixels, the first of which is an index that isn't needed."""
    offsets, lengths, at = list[int](), list[int](), start
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        if head[:4] != _ITEM:
            break
        length = int.from_bytes(head[4:], "little")
        offsets.append(at + 8)
        lengths.append(length)
        at += 8 + length
    if len(offsets) - 1 > stated:
        raise SlideRejectedError("the frames of the DICOM file are cut into several parts each: export it again")
    whole = [place for place, length in zip(offsets[1:], lengths[1:], strict=True) if place + length <= size]
    return whole, lengths[1 : 1 + len(whole)]
