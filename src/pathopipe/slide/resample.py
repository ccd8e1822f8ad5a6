"""Resampling on one global grid: a pixel's value doesn't depend on the rectangle that it was read in.

Weights are whole numbers that sum to a power of two, so that sums are exact in any order.
"""

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.slide.backend import RGB

SCALE_BITS = 11
"""Weights of an output pixel sum to 2 to this power, per axis; both axes and 8 bits of color fit into 31 bits."""


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
        Source pixels along the axis; what lies beyond has the value of the last one.

    Returns
    -------
    First source pixel of each output pixel, and the whole-number weights of this and the following source pixels, of
    shape (count, taps); they sum to 2048 per output pixel.
    """
    out = np.arange(start, start + count, dtype=np.float64)
    if factor >= 1:
        left, right = out * factor, (out + 1) * factor
        first = np.floor(left + 1e-9).astype(np.int64)
        index = first[:, None] + np.arange(int(np.ceil(factor - 1e-9)) + 1)
        share = np.clip(np.minimum(index + 1, right[:, None]) - np.maximum(index, left[:, None]), 0, None)
    else:
        center = (out + 0.5) * factor - 0.5
        first = np.floor(center).astype(np.int64)
        index = first[:, None] + np.arange(2)
        share = np.stack([1 - (center - first), center - first], axis=1)
    return _fold(index, _whole_weights(share), size)


def _whole_weights(shares: NDArray[np.float64]) -> NDArray[np.int32]:
    """Round the running sums, so that the rest of the rounding spreads over all source pixels."""
    sums = np.cumsum(shares, axis=1)
    whole = np.rint(sums / sums[:, -1:] * (1 << SCALE_BITS)).astype(np.int32)
    return np.diff(whole, axis=1, prepend=np.int32(0))


def _fold(
    index: NDArray[np.int64], weights: NDArray[np.int32], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Give the weights of source pixels outside of 0..size-1 to the nearest one inside, and drop empty taps."""
    inside = np.clip(index, 0, size - 1)
    taps = min(index.shape[1], size)
    first = np.clip(inside[:, 0], 0, size - taps)
    folded = np.zeros((len(index), taps), np.int32)
    np.add.at(folded, (np.arange(len(index))[:, None], inside - first[:, None]), weights)
    used = np.flatnonzero(folded.any(axis=0))
    return first + used[0], np.ascontiguousarray(folded[:, used[0] : used[-1] + 1])


@kernel
def _weigh(
    source: RGB,
    rows: NDArray[np.int64],
    row_weights: NDArray[np.int32],
    columns: NDArray[np.int64],
    column_weights: NDArray[np.int32],
) -> RGB:
    """Weighted sums of ``source`` (height, 3 * width): rows first, into one line, then along it."""
    out = np.empty((rows.shape[0], columns.shape[0], 3), np.uint8)
    line = np.empty(source.shape[1], np.int32)
    half = np.int32(1 << (2 * SCALE_BITS - 1))
    for i in range(rows.shape[0]):
        line[:] = 0
        for k in range(row_weights.shape[1]):
            weight = row_weights[i, k]
            if weight != 0:
                row = source[rows[i] + k]
                for j in range(row.shape[0]):
                    # Casts keep the sums in 32 bits, which lets the compiler take eight at a time.
                    line[j] = np.int32(line[j] + np.int32(weight * np.int32(row[j])))
        for j in range(columns.shape[0]):
            red = green = blue = half
            at = 3 * columns[j]
            for k in range(column_weights.shape[1]):
                weight = column_weights[j, k]
                red = np.int32(red + np.int32(weight * line[at]))
                green = np.int32(green + np.int32(weight * line[at + 1]))
                blue = np.int32(blue + np.int32(weight * line[at + 2]))
                at += 3
            out[i, j, 0] = red >> (2 * SCALE_BITS)
            out[i, j, 1] = green >> (2 * SCALE_BITS)
            out[i, j, 2] = blue >> (2 * SCALE_BITS)
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
        self._plain = bool(np.all(np.diff(wanted) == 1))
        first, self._weights = axis_weights(low, int(wanted.max()) - low + 1, factor, source_size)
        self.first, self.last = int(first[0]), int(first[-1]) + self._weights.shape[1]
        self._starts = first - self.first
        self._identity = self._weights.shape[1] == 1 and bool(np.all(np.diff(first) == 1))

    def resample(self, source: RGB, columns: "Axis") -> RGB:
        """Resample the source rectangle, this axis being its rows; returns uint8 of shape (rows, columns, 3)."""
        out = source
        if not (self._identity and columns._identity):
            flat = np.ascontiguousarray(source).reshape(source.shape[0], -1)
            out = _weigh(flat, self._starts, self._weights, columns._starts, columns._weights)
        if not self._plain:
            out = out[self._take]
        return np.ascontiguousarray(out if columns._plain else out[:, columns._take])
