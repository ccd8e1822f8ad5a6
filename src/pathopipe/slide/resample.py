"""Resampling on one global grid: a pixel's value doesn't depend on the rectangle that it was read in.

Weights are whole numbers that sum to a power of two, so that sums are exact in any order.
"""

import numpy as np
from numpy.typing import NDArray

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
    used = _used(weights)
    inside, weights = np.clip(index[:, used], 0, size - 1), weights[:, used]
    taps = min(inside.shape[1], size)
    first = np.clip(inside[:, 0], 0, size - taps)
    folded = np.zeros((len(index), taps), np.int32)
    np.add.at(folded, (np.arange(len(index))[:, None], inside - first[:, None]), weights)
    used = _used(folded)
    return first + used.start, np.ascontiguousarray(folded[:, used])


def _used(weights: NDArray[np.int32]) -> slice:
    """The taps that some output pixel needs."""
    taps = np.flatnonzero(weights.any(axis=0))
    return slice(int(taps[0]), int(taps[-1]) + 1)


class Axis:
    """One axis of a read: output pixels ``start .. start + count`` of a grid, and the source pixels that they need.

    Attributes
    ----------
    first, last
        The range of source pixels to read, ``last`` exclusive.
    starts, weights
        Per output pixel, the first source pixel counted from ``first``, and the weights from there on.
    """

    def __init__(self, start: int, count: int, grid_size: int, factor: float, source_size: int) -> None:
        wanted = mirror(start, count, grid_size)
        low = int(wanted.min())
        self._take = wanted - low
        self._plain = bool(np.all(np.diff(wanted) == 1))
        first, self.weights = axis_weights(low, int(wanted.max()) - low + 1, factor, source_size)
        self.first, self.last = int(first[0]), int(first[-1]) + self.weights.shape[1]
        self.starts = first - self.first
        self._single = self.weights.shape[1] == 1
        self._identity = self._single and bool(np.all(np.diff(first) == 1))

    def resample(self, source: RGB, columns: "Axis") -> RGB:
        """Resample the source rectangle, this axis being its rows; returns uint8 of shape (rows, columns, 3)."""
        if self._single and columns._single:
            out = source if self._identity else source[self.starts]
            out = out if columns._identity else out[:, columns.starts]
        else:
            # Numba takes a third of a second to import: who reads pixels as they are stored does without.
            from pathopipe.slide.resample_kernel import weigh

            flat = np.ascontiguousarray(source).reshape(source.shape[0], -1)
            out = weigh(flat, self.starts, self.weights, columns.starts, columns.weights, SCALE_BITS)
        if not self._plain:
            out = out[self._take]
        return np.ascontiguousarray(out if columns._plain else out[:, columns._take])
