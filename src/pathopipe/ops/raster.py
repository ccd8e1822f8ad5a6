"""Polygons to label images, by the pixel-center rule: the inverse of ``outline``."""

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel


def rasterize(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], shape: tuple[int, int], origin: tuple[int, int] = (0, 0)
) -> NDArray[np.int32]:
    """Label the pixels whose center lies inside a ring, by the even-odd rule.

    The outlines of a label image give back that image. A center exactly on an edge counts to what lies right of it,
    or below a level one; where rings overlap, the first keeps the pixel.

    Parameters
    ----------
    coords
        (M, 2) x, y of all rings one after another, closed or not, in pixels (the first one spans 0 to 1).
    offsets
        (n + 1,) ring i is ``coords[offsets[i]:offsets[i + 1]]``.
    shape
        Rows and columns of the result; what lies outside is cut off.
    origin
        Row and column of its first pixel in the grid of ``coords``.

    Returns
    -------
    ``shape`` labels of int32: i + 1 inside of ring i, else 0.

    Raises
    ------
    ValueError
        If a coordinate is not finite, or the offsets do not fit the coordinates.
    """
    offsets = np.ascontiguousarray(offsets, np.int64)
    if offsets[0] != 0 or offsets[-1] != len(coords) or (np.diff(offsets) < 0).any():
        raise ValueError("offsets must rise from 0 to the number of points")
    local = np.asarray(coords, np.float64).reshape(-1, 2) - (origin[1], origin[0])
    if not np.isfinite(local).all():
        raise ValueError("every coordinate must be finite")
    labels = np.zeros(shape, np.int32)
    flips = np.zeros((shape[0], shape[1] + 1), np.uint8)
    _fill(local, offsets, labels, flips)
    return labels


@kernel
def _fill(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], labels: NDArray[np.int32], flips: NDArray[np.uint8]
) -> None:
    """Fill ring after ring; ``flips`` is room of one column more than ``labels``, all 0 before and after each."""
    height, width = labels.shape
    for i in range(offsets.size - 1):
        start, stop = offsets[i], offsets[i + 1]
        top, bottom, left, right = height, 0, width, 0
        for k in range(start, stop):
            following = k + 1 if k + 1 < stop else start
            first, last, low, high = _mark_edge(coords, k, following, flips)
            if first < last:
                top, bottom, left, right = min(top, first), max(bottom, last), min(left, low), max(right, high)
        for y in range(top, bottom):
            inside = 0
            for x in range(left, right + 1):
                inside ^= flips[y, x]
                flips[y, x] = 0
                if inside and labels[y, x] == 0:
                    labels[y, x] = i + 1


@kernel
def _mark_edge(
    coords: NDArray[np.float64], start: int, stop: int, flips: NDArray[np.uint8]
) -> tuple[int, int, int, int]:
    """Flip, in each row whose middle the edge crosses, the first center at or right of it; rows, outermost columns."""
    height, width = flips.shape[0], flips.shape[1] - 1
    if coords[start, 1] > coords[stop, 1]:
        start, stop = stop, start
    x0, y0, x1, y1 = coords[start, 0], coords[start, 1], coords[stop, 0], coords[stop, 1]
    first = int(min(max(np.ceil(y0 - 0.5), 0.0), height))
    last = int(min(max(np.ceil(y1 - 0.5), 0.0), height))
    low, high = width, 0
    for y in range(first, last):
        crossing = x0 + (y + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        x = int(min(max(np.ceil(crossing - 0.5), 0.0), width))
        flips[y, x] ^= 1
        low, high = min(low, x), max(high, x)
    return first, last, low, high
