"""A slide that can be read at any resolution."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from pathopipe.errors import FaultError, SlideRejectedError
from pathopipe.slide.backend import BLOCK, RGB, Backend, DecodeError, Level
from pathopipe.slide.resample import Axis
from pathopipe.units import MAX_MPP, MIN_MPP, Grid, Mpp

_CACHED_BLOCKS = 128


class Slide:
    """A slide of any format: reads rectangles of a working grid from the best level, and may be shared by threads.

    Attributes
    ----------
    path
        The file; never written to an output.
    backend
        The reader of the format.
    """

    def __init__(self, path: Path, backend: Backend, sheet_mpp: tuple[float, float] | None = None) -> None:
        self.path = path
        self.backend = backend
        self._sheet_mpp = sheet_mpp
        self._size_on_disk = path.stat().st_size
        self._blocks: OrderedDict[tuple[int, int, int], RGB] = OrderedDict()
        self._lock = threading.Lock()

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
                "the file does not say how many micrometers a pixel spans: add the column 'mpp' to the sample sheet"
            )
        mpp = Mpp(*values, source)
        if not mpp.plausible:
            raise SlideRejectedError(
                f"{mpp.x:g} x {mpp.y:g} micrometers per pixel (from the {source}) is not plausible, expected "
                f"{MIN_MPP:g} to {MAX_MPP:g}: put the right value into the column 'mpp' of the sample sheet"
            )
        return mpp

    def grid(self, mpp: float) -> Grid:
        """Lay the working grid of about ``mpp`` micrometers per pixel over this slide."""
        return Grid.at(mpp, self.mpp, self.width_px, self.height_px)

    def read(self, grid: Grid, x: int, y: int, width: int, height: int) -> RGB:
        """Read a rectangle of working pixels; outside of the slide the slide is mirrored.

        Returns
        -------
        uint8 RGB of shape (height, width, 3). A pixel's value does not depend on the rectangle.

        Raises
        ------
        SlideRejectedError
            When the file's content is damaged there.
        FaultError
            When the file cannot be read any more.
        """
        number, level = self._best_level(min(grid.factor_x, grid.factor_y))
        columns = Axis(x, width, grid.width, grid.factor_x / level.downsample, level.width)
        rows = Axis(y, height, grid.height, grid.factor_y / level.downsample, level.height)
        return rows.resample(self._assemble(number, columns, rows), columns)

    def windows(self, grid: Grid, size: int) -> Iterator[tuple[int, int, RGB]]:
        """Read the whole grid in windows of at most ``size`` working pixels a side, as (x, y, pixels)."""
        for y in range(0, grid.height, size):
            for x in range(0, grid.width, size):
                yield x, y, self.read(grid, x, y, min(size, grid.width - x), min(size, grid.height - y))

    def _best_level(self, factor: float) -> tuple[int, Level]:
        fitting = [(n, level) for n, level in enumerate(self.backend.levels) if level.downsample <= factor * 1.001]
        return max(fitting, key=lambda item: item[1].downsample, default=(0, self.backend.levels[0]))

    def _assemble(self, level: int, columns: Axis, rows: Axis) -> RGB:
        out = np.empty((rows.last - rows.first, columns.last - columns.first, 3), np.uint8)
        for by in range(rows.first // BLOCK, (rows.last - 1) // BLOCK + 1):
            for bx in range(columns.first // BLOCK, (columns.last - 1) // BLOCK + 1):
                block = self._block(level, bx, by)
                top, left = by * BLOCK, bx * BLOCK
                y0, y1 = max(rows.first, top), min(rows.last, top + block.shape[0])
                x0, x1 = max(columns.first, left), min(columns.last, left + block.shape[1])
                out[y0 - rows.first : y1 - rows.first, x0 - columns.first : x1 - columns.first] = block[
                    y0 - top : y1 - top, x0 - left : x1 - left
                ]
        return out

    def _block(self, level: int, bx: int, by: int) -> RGB:
        key = (level, bx, by)
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        size = self.backend.levels[level]
        x, y = bx * BLOCK, by * BLOCK
        try:
            block = self.backend.read(level, x, y, min(BLOCK, size.width - x), min(BLOCK, size.height - y))
        except DecodeError as error:
            raise self._blame(error, x, y, level) from error
        with self._lock:
            self._blocks[key] = block
            while len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        return block

    def _blame(self, error: DecodeError, x: int, y: int, level: int) -> Exception:
        """Tell damaged content, which is a fact about the slide, from a disk that fails, which is not."""
        try:
            changed = self.path.stat().st_size != self._size_on_disk
            with self.path.open("rb") as file:
                file.read(1)
        except OSError as problem:
            return FaultError(
                f"the slide's file cannot be read any more ({problem.strerror}): bring it back, run again"
            )
        if changed:
            return FaultError("the slide's file changed while it was read: run again when it is complete")
        return SlideRejectedError(
            f"the file is damaged: level {level} cannot be decoded at pixel ({x}, {y}) ({error}); export it again"
        )
