"""Windows that represent a slide: a fixed number, spread evenly over its tissue, the same for any tile size."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.regions import Bins
from pathopipe.slide import Slide
from pathopipe.units import Grid

Window = tuple[int, int, int, int]
Mask = NDArray[np.bool_]


def read_windows(
    slide: Slide, tissue: Mask, bins: Bins, mpp: float, side: int, most: int
) -> Iterator[NDArray[np.uint8]]:
    """Read at most ``most`` windows of ``side`` pixels of ``mpp``: uint8 (H, W, 3), smaller on a small slide."""
    grid = slide.grid(mpp)
    for window in choose_windows(grid, tissue, bins, side, most):
        yield slide.read(grid, *window)


def choose_windows(
    grid: Grid, tissue: Mask, bins: Bins, side: int, most: int, *, to_edge: bool = False
) -> list[Window]:
    """Places of windows that show mostly tissue, as x, y, width and height on the grid, row by row.

    Parameters
    ----------
    to_edge
        Let the last windows of a row and column overlap those before, rather than leave the rest of the slide out.
    """
    side_x, side_y = min(side, grid.width), min(side, grid.height)
    corners = [
        (x, y)
        for y in _starts(grid.height, side_y, to_edge)
        for x in _starts(grid.width, side_x, to_edge)
        if _has_tissue(tissue, bins, grid, (x, y, side_x, side_y))
    ]
    if not corners:  # tissue only in slivers: take the windows around its bins
        rows, columns = np.nonzero(tissue)
        middle = len(rows) // 2
        x = int(columns[middle] * bins.bin_px_x / grid.factor_x)
        y = int(rows[middle] * bins.bin_px_y / grid.factor_y)
        corners = [(min(x, grid.width - side_x), min(y, grid.height - side_y))]
    chosen = np.unique(np.linspace(0, len(corners) - 1, most).round().astype(int))
    return [(*corners[index], side_x, side_y) for index in chosen]


def _starts(length: int, side: int, to_edge: bool) -> list[int]:
    starts = list(range(0, length - side + 1, side))
    return [*starts, length - side] if to_edge and starts[-1] + side < length else starts


def _has_tissue(tissue: Mask, bins: Bins, grid: Grid, window: Window) -> bool:
    x, y, width, height = window
    x0, x1 = int(x * grid.factor_x / bins.bin_px_x), math.ceil((x + width) * grid.factor_x / bins.bin_px_x)
    y0, y1 = int(y * grid.factor_y / bins.bin_px_y), math.ceil((y + height) * grid.factor_y / bins.bin_px_y)
    return bool(tissue[y0:y1, x0:x1].mean() >= 0.5)
