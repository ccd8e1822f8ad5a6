"""Resampling on one global grid: a pixel's value doesn't depend on the rectangle that it was read in.

Weights are whole numbers that sum to a power of two, so that sums are exact in any order.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pathopipe.slide.backend import RGB

SCALE_BITS = 11
_SCALE = 1 << SCALE_BITS


def mirror(start: int, count: int, size: int) -> NDArray[np.int64]:
    """Map the coordinates from ``start`` on into 0..size-1 by symmetric reflection at both ends."""
    index = np.arange(start, start + count, dtype=np.int64) % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def axis_weights(start: int, count: int, factor: float, size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Source pixels and weights of the output pixels ``start`` to ``start + count`` along one axis.

    Shrinking averages the area that an output pixel covers; enlarging interpolates between pixel centers.

    Parameters
    ----------
    factor
        Source pixels per output pixel.
    size
        Source pixels along the axis; coordinates beyond are clamped to the last one.

    Returns
    -------
    Source coordinates and whole-number weights, each of shape (count, taps); weights sum to 2048 per output pixel.
    """
    out = np.arange(start, start + count, dtype=np.float64)
    if factor >= 1:
        left, right = out * factor, (out + 1) * factor
        first = np.floor(left + 1e-9).astype(np.int64)
        taps = int(np.ceil(factor - 1e-9)) + 1
        index = first[:, None] + np.arange(taps)
        share = np.minimum(index + 1, right[:, None]) - np.maximum(index, left[:, None])
        weights = np.clip(share, 0, None)
    else:
        center = (out + 0.5) * factor - 0.5
        first = np.floor(center).astype(np.int64)
        index = first[:, None] + np.arange(2)
        weights = np.stack([1 - (center - first), center - first], axis=1)
    return np.clip(index, 0, size - 1), _whole_weights(weights)


def _whole_weights(weights: NDArray[np.float64]) -> NDArray[np.int32]:
    shares = weights / weights.sum(axis=1, keepdims=True)
    whole: NDArray[np.int32] = np.rint(shares * _SCALE).astype(np.int32)
    rows = np.arange(len(whole))
    whole[rows, whole.argmax(axis=1)] += _SCALE - whole.sum(axis=1, dtype=np.int32)
    return whole


@njit(cache=True, nogil=True)
def _apply(
    source: RGB,
    rows: NDArray[np.int64],
    row_weights: NDArray[np.int32],
    columns: NDArray[np.int64],
    column_weights: NDArray[np.int32],
) -> RGB:
    height, width = rows.shape[0], columns.shape[0]
    out = np.empty((height, width, 3), np.uint8)
    line = np.empty((source.shape[1], 3), np.int32)
    half = np.int32(1 << (2 * SCALE_BITS - 1))
    for i in range(height):
        line[:] = 0
        for k in range(rows.shape[1]):
            weight = row_weights[i, k]
            if weight != 0:
                row = source[rows[i, k]]
                for j in range(row.shape[0]):
                    for c in range(3):
                        line[j, c] += weight * row[j, c]
        for j in range(width):
            for c in range(3):
                total = half
                for k in range(columns.shape[1]):
                    total += column_weights[j, k] * line[columns[j, k], c]
                out[i, j, c] = total >> (2 * SCALE_BITS)
    return out


class Axis:
    """One axis of a read: output pixels ``start .. start + count`` of a grid, and the source pixels that they need.

    Attributes
    ----------
    first, last
        The range of source pixels to read, ``last`` exclusive.
    """

    def __init__(self, start: int, count: int, grid_size: int, factor: float, source_size: int) -> None:
        wanted = mirror(start, count, grid_size)
        low = int(wanted.min())
        self._take = wanted - low
        self._plain = bool(np.all(np.diff(wanted) == 1)) if count > 1 else True
        index, self._weights = axis_weights(low, int(wanted.max()) - low + 1, factor, source_size)
        self._identity = factor == 1.0
        self.first, self.last = int(index.min()), int(index.max()) + 1
        if self._identity:
            self.last = self.first + len(index)
        self._index = index - self.first

    def resample(self, source: RGB, columns: "Axis") -> RGB:
        """Resample the source rectangle, this axis being its rows; returns uint8 of shape (rows, columns, 3)."""
        out = source
        if not (self._identity and columns._identity):
            out = _apply(source, self._index, self._weights, columns._index, columns._weights)
        if not self._plain:
            out = out[self._take]
        return np.ascontiguousarray(out if columns._plain else out[:, columns._take])
