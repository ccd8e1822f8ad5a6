"""Levels stored in pieces that we decode ourselves: TIFF in most of its forms, and DICOM."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import BLOCK, RGB, DecodeError, Level
from pathopipe.slide.cache import PixelCache
from pathopipe.slide.mosaic import mosaic
from pathopipe.slide.pieces import Layout, Pieces

_CACHE_BYTES: Final = 16 << 20
_MOST_CACHE_BYTES: Final = 320 << 20
_LARGE_PIECE_PX: Final = 1 << 22
_CLEARLY: Final = 1.1
"""A level that is less than this finer than the next stored one is not worth decoding it from a larger one."""


@dataclass(frozen=True)
class Stored:
    """A level of a file: its pieces, and the path of the file that they lie in."""

    pieces: Pieces
    path: Path

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pieces.layout.width, self.pieces.layout.height


class TiledBackend:
    """Decodes pieces one by one, keeps the last ones, and adds levels of ``scale`` 2, 4 and 8 between those stored.

    A slide of 0.25 mpp with levels 1, 4 and 16 is read at 0.5 mpp without decoding and averaging all of its pixels.
    Tolerance: a value differs from the mean of the stored pixels that it spans by less than 1 gray level on average,
    and 999 of 1000 by at most 10; nothing is shifted. Rows and columns that do not fill a pixel at the right and lower
    border are left out.

    A piece is decoded once per pass over the level where a row of pieces fits into 320 MB, else at most five times; a
    file whose pieces are too large for that is rejected. One that can't be decoded is not tried again.

    Parameters
    ----------
    stored
        The levels from the largest to the smallest.
    """

    def __init__(
        self,
        name: str,
        stored: Sequence[Stored],
        mpp: tuple[float, float] | None,
        bounds: tuple[int, int, int, int] | None = None,
    ) -> None:
        self.format = name
        self.mpp = mpp
        self.bounds = bounds
        self._stored = tuple(stored)
        for one in self._stored:
            _check_size(one.pieces.layout)
        levels = sorted(_levels(self._stored), key=lambda item: item[1].downsample)
        self._sources = tuple(number for number, _ in levels)
        self.levels = tuple(level for _, level in levels)
        self._files = {path: path.open("rb") for path in {one.path for one in self._stored}}
        self._cache = PixelCache(self._cache_bytes)
        self._failed = dict[tuple[int, int, int], str]()
        self._lock = threading.Lock()

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        """Decode a rectangle of a level from the pieces that it touches."""
        stored, scale = self._stored[self._sources[level]], self.levels[level].scale
        layout = stored.pieces.layout

        def piece(column: int, row: int) -> RGB:
            return self._cache.get(level, (column, row), lambda: self._decode(level, column, row))

        columns, rows = range(x, x + width), range(y, y + height)
        return mosaic(columns, rows, layout.piece_w // scale, layout.piece_h // scale, piece)

    def is_blank(self, level: int, x: range, y: range) -> bool:
        """Whether the writer left out all that a rectangle of a level touches."""
        return self._stored[self._sources[level]].pieces.layout.is_blank(x, y, self.levels[level].scale)

    def close(self) -> None:
        """Release the files."""
        for file in self._files.values():
            file.close()

    def _decode(self, level: int, column: int, row: int) -> RGB:
        stored, place = self._stored[self._sources[level]], (level, column, row)
        if place in self._failed:
            raise DecodeError(self._failed[place])
        try:
            return stored.pieces.decode(self._files[stored.path].fileno(), column, row, self.levels[level].scale)
        except DecodeError as error:
            with self._lock:
                self._failed[place] = str(error)
            raise

    def _cache_bytes(self, level: int) -> int:
        """Enough for the rows of pieces that a row of blocks touches, where pieces are higher than blocks."""
        layout, scale = self._stored[self._sources[level]].pieces.layout, self.levels[level].scale
        if layout.piece_h // scale <= BLOCK and layout.across > 1:
            return _CACHE_BYTES
        return max(_CACHE_BYTES, min(_rows_bytes(layout, 2), _MOST_CACHE_BYTES))


def _check_size(layout: Layout) -> None:
    large = layout.piece_w * layout.piece_h > _LARGE_PIECE_PX
    if large and _rows_bytes(layout, 1) > _MOST_CACHE_BYTES:
        raise SlideRejectedError(
            f"the file is stored in pieces of {layout.piece_w} x {layout.piece_h} pixels, too large to be read one by "
            "one: convert it to a tiled TIFF"
        )


def _rows_bytes(layout: Layout, rows: int) -> int:
    """Bytes of so many rows of decoded pieces, or of as many as there are."""
    return 3 * layout.across * layout.piece_w * layout.piece_h * min(rows, layout.down)


def _levels(stored: Sequence[Stored]) -> list[tuple[int, Level]]:
    """The stored levels and the scaled ones, each with the number of the stored one that it is read from."""
    first = stored[0].size
    plain = [Level.of(*one.size, *first) for one in stored]
    levels = list(enumerate(plain))
    for number, level in enumerate(plain):
        next_one = min((other.downsample for other in plain if other.downsample > level.downsample), default=None)
        for scale in stored[number].pieces.scales:
            downsample = level.downsample * scale
            if next_one is None or downsample * _CLEARLY < next_one:
                size = max(1, level.width // scale), max(1, level.height // scale)
                levels.append((number, Level(*size, downsample, scale)))
    return levels
