"""A slide that can be read at any resolution."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import BLOCK, PIECE, RGB, Backend, DecodeError, Level
from pathopipe.slide.cache import PixelCache
from pathopipe.slide.damage import Damage
from pathopipe.slide.mosaic import mosaic
from pathopipe.slide.resample import Axis
from pathopipe.slide.source import SourceFiles, unreadable
from pathopipe.units import MAX_MPP, MIN_MPP, Grid, Mpp

_CACHE_BYTES = 16 << 20
_CACHE_BYTES_PER_THREAD = 8 << 20
_CACHE_BYTES_OF_ROWS = 150 << 20
_ROWS = 6
_MAX_SOURCE_PIXELS = 1 << 24


class Slide:
    """A slide of any format: reads rectangles of a working grid from the best level, and may be shared by threads.

    Attributes
    ----------
    path
        The file; never written to an output.
    backend
        The reader of the format.
    """

    def __init__(
        self,
        path: Path,
        backend: Backend,
        sheet_mpp: tuple[float, float] | None = None,
        source: SourceFiles | None = None,
        threads: int = 1,
        *,
        sweep: bool = False,
    ) -> None:
        self.path = path
        self.backend = backend
        self._sheet_mpp = sheet_mpp
        self._source = source or SourceFiles(path)
        self._threads = threads
        self._sweep = sweep
        self._cache = PixelCache(self._cache_bytes)
        self._damage = Damage(backend.levels)

    def __enter__(self) -> "Slide":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.backend.close()

    @property
    def width_px(self) -> int:
        """Width of level 0 in pixels."""
        return self.backend.levels[0].width

    @property
    def height_px(self) -> int:
        """Height of level 0 in pixels."""
        return self.backend.levels[0].height

    @property
    def mpp(self) -> Mpp:
        """Micrometers per level-0 pixel: the sheet's value, else the file's.

        Raises
        ------
        SlideRejectedError
            When neither is known, or the value is implausible for a light microscope.
        """
        values, source = (self._sheet_mpp, "sheet") if self._sheet_mpp else (self.backend.mpp, "metadata")
        if values is None:
            raise SlideRejectedError(
                "the file does not say how many micrometers a pixel spans: enter it in the sheet's column 'mpp'"
            )
        mpp = Mpp(*values, source)
        if not mpp.plausible:
            raise SlideRejectedError(
                f"{mpp.x:g} x {mpp.y:g} micrometers per pixel (from the {source}) is implausible (expected "
                f"{MIN_MPP:g} to {MAX_MPP:g}): enter the right value in the column 'mpp' of the sample sheet"
            )
        return mpp

    @property
    def damaged(self) -> frozenset[tuple[int, int, int]]:
        """Pieces that were read so far, could not be decoded and are white: level, column and row of each.

        Pieces have a side of ``PIECE`` pixels of the level, an index of ``backend.levels``.
        """
        return self._damage.pieces

    def damaged_in(self, grid: Grid, x: int, y: int, width: int, height: int) -> frozenset[tuple[int, int, int]]:
        """Those of `damaged` that lie in the blocks which a rectangle that was read is made of."""
        number, columns, rows = self._source_of(grid, x, y, width, height)
        across, down = (range(axis.first // BLOCK, (axis.last - 1) // BLOCK + 1) for axis in (columns, rows))
        in_block = BLOCK // PIECE
        return frozenset(
            (level, px, py)
            for level, px, py in self.damaged
            if level == number and px // in_block in across and py // in_block in down
        )

    @property
    def damaged_px(self) -> float:
        """Area of `damaged` in level-0 pixels; a place that is damaged in several levels counts once."""
        return self._damage.area_px

    @property
    def damage(self) -> str | None:
        """Where the first damaged piece lies, and what to do, as a sentence for a rejection; None without damage."""
        return self._damage.sentence

    @property
    def stored_grid(self) -> Grid:
        """The grid of the pixels as they are stored."""
        return Grid(self.width_px, self.height_px, 1.0, 1.0, self.mpp.x, self.mpp.y)

    def grid(self, mpp: float, *, covering: bool = False) -> Grid:
        """Lay the grid of about ``mpp`` micrometers per pixel over this slide, to its last pixel where ``covering``."""
        return Grid.at(mpp, self.mpp, self.width_px, self.height_px, covering=covering)

    def read(self, grid: Grid, x: int, y: int, width: int, height: int) -> RGB:
        """Read a rectangle of working pixels; outside of the slide the slide is mirrored.

        Returns
        -------
        uint8 RGB of shape (height, width, 3). A pixel's value does not depend on the rectangle. Where the file's
        content is damaged, whole pieces are white, and `damaged` tells which.

        Raises
        ------
        FaultError
            When the file cannot be read any more, or changed since it was opened and cannot be decoded.
        """
        number, columns, rows = self._source_of(grid, x, y, width, height)
        if self.backend.is_blank(number, range(columns.first, columns.last), range(rows.first, rows.last)):
            return np.full((height, width, 3), 255, np.uint8)
        if (columns.last - columns.first) * (rows.last - rows.first) > _MAX_SOURCE_PIXELS and width * height > 1:
            return self._read_halves(grid, x, y, width, height)
        return rows.resample(self._assemble(number, columns, rows), columns)

    def _source_of(self, grid: Grid, x: int, y: int, width: int, height: int) -> tuple[int, Axis, Axis]:
        """Level that a rectangle is read from, and its columns and rows there."""
        number, level = self._best_level(min(grid.factor_x, grid.factor_y))
        columns = Axis(x, width, grid.width, grid.factor_x / level.downsample, level.width)
        return number, columns, Axis(y, height, grid.height, grid.factor_y / level.downsample, level.height)

    def _read_halves(self, grid: Grid, x: int, y: int, width: int, height: int) -> RGB:
        """Read a large rectangle piece by piece: a pixel is the same in any rectangle, and memory stays bounded."""
        if height >= width:
            half = height // 2
            parts = [(x, y, width, half), (x, y + half, width, height - half)]
        else:
            half = width // 2
            parts = [(x, y, half, height), (x + half, y, width - half, height)]
        return np.concatenate([self.read(grid, *part) for part in parts], axis=0 if height >= width else 1)

    def windows(self, grid: Grid, size: int) -> Iterator[tuple[int, int, RGB]]:
        """Read the whole grid in windows of at most ``size`` working pixels a side, as (x, y, pixels)."""
        for y in range(0, grid.height, size):
            for x in range(0, grid.width, size):
                yield x, y, self.read(grid, x, y, min(size, grid.width - x), min(size, grid.height - y))

    def _cache_bytes(self, level: int) -> int:
        """Blocks that a thread's windows share with those before; in a sweep, those that a row shares with the next.

        Unless the slide is too wide for that: its rows would drive each other out.
        """
        rows = _ROWS * BLOCK * 3 * self.backend.levels[level].width
        return max(
            _CACHE_BYTES + self._threads * _CACHE_BYTES_PER_THREAD,
            rows if self._sweep and rows <= _CACHE_BYTES_OF_ROWS else 0,
        )

    def _best_level(self, factor: float) -> tuple[int, Level]:
        fitting = [(n, level) for n, level in enumerate(self.backend.levels) if level.downsample <= factor * 1.001]
        return max(fitting, key=lambda item: item[1].downsample, default=(0, self.backend.levels[0]))

    def _assemble(self, level: int, columns: Axis, rows: Axis) -> RGB:
        def block(bx: int, by: int) -> RGB:
            return self._cache.get(level, (bx, by), lambda: self._decode(level, bx, by))

        return mosaic(range(columns.first, columns.last), range(rows.first, rows.last), BLOCK, BLOCK, block)

    def _decode(self, level: int, bx: int, by: int) -> RGB:
        """Decode a block; what of it fails twice, the second time after all of the file could be read, is damaged."""
        size, left, top = self.backend.levels[level], bx * BLOCK, by * BLOCK
        width, height = min(BLOCK, size.width - left), min(BLOCK, size.height - top)
        whole = self._try(level, left, top, width, height)
        if whole is not None:
            return whole
        out = np.full((height, width, 3), 255, np.uint8)
        for y in range(0, height, PIECE):
            for x in range(0, width, PIECE):
                rest = min(PIECE, width - x), min(PIECE, height - y)
                pixels = self._try(level, left + x, top + y, *rest)
                if pixels is None:
                    self._damage.add(level, (left + x) // PIECE, (top + y) // PIECE)
                else:
                    out[y : y + rest[1], x : x + rest[0]] = pixels
        return out

    def _try(self, level: int, x: int, y: int, width: int, height: int) -> RGB | None:
        """Decode a rectangle; None where that fails though the file can be read."""
        try:
            return self.backend.read(level, x, y, width, height)
        except DecodeError as error:
            if fault := self._source.fault():
                raise fault from error
            return None
        except OSError as error:
            raise unreadable(error) from error
