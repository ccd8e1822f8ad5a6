"""Points sorted into square cells, so that those within a distance of a point are in nine cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
_LARGEST_SIDE: Final = 4096
_ROWS_AT_ONCE: Final = 4


@dataclass(frozen=True)
class Cells:
    """Points by cell.

    Attributes
    ----------
    order
        int64 (N,), indices of the points by cell; within a cell ascending.
    points
        float64 (N, 2), in that order.
    starts
        int64 (rows, columns + 1), where each cell's points begin; a cell ends where the next one of its row begins.
    """

    order: Counts
    points: Floats
    starts: Counts

    def unsorted(self, values: NDArray[Any]) -> NDArray[Any]:
        """Put values (N, ...) that are in the order of the cells into that of the points."""
        result = np.empty_like(values)
        result[self.order] = values
        return result

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Yield first and last (exclusive) row of the pieces in which work is split; they depend on the points only."""
        for row in range(0, len(self.starts), _ROWS_AT_ONCE):
            yield row, min(row + _ROWS_AT_ONCE, len(self.starts))


def sort_into_cells(points_um: Floats, side_um: float) -> Cells:
    """Sort points (N, 2) into cells of at least ``side_um``; larger ones where there would be too many."""
    if len(points_um) == 0:
        return Cells(np.empty(0, np.int64), points_um, np.zeros((1, 2), np.int64))
    axes = [np.ascontiguousarray(axis) for axis in points_um.T]  # numpy is slow in rows of two
    lows, highs = zip(*((float(axis.min()), float(axis.max())) for axis in axes), strict=True)
    side_um = max(side_um, max(high - low for low, high in zip(lows, highs, strict=True)) / _LARGEST_SIDE)
    column, row = (np.floor((axis - low) / side_um).astype(np.int64) for axis, low in zip(axes, lows, strict=True))
    columns, rows = int(column.max()) + 1, int(row.max()) + 1
    keys = row * columns + column
    counts = np.bincount(keys, minlength=rows * columns)
    ends = np.cumsum(counts)
    order = np.empty(len(keys), np.int64)
    _sort(keys, ends - counts, order)
    starts = np.column_stack([(ends - counts).reshape(rows, columns), ends[columns - 1 :: columns]])
    return Cells(order, np.ascontiguousarray(points_um[order]), starts)


@kernel
def _sort(keys: Counts, nexts: Counts, order: Counts) -> None:
    """Put the indices of keys (N,) in ascending order of these; ``nexts`` is where each key's go, and is used up."""
    for i in range(len(keys)):
        order[nexts[keys[i]]] = i
        nexts[keys[i]] += 1
