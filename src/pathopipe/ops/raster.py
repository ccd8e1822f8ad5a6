"""Polygons to label images, by the pixel-center rule: the inverse of ``outline``."""

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.runs import Runs


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
    labels = np.zeros(shape, np.int32)
    _paint(*runs_of_rings(coords, offsets, shape, origin), labels)
    return labels


def runs_of_rings(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], shape: tuple[int, int], origin: tuple[int, int] = (0, 0)
) -> Runs:
    """Pixels that `rasterize` labels, without an image of them; parameters and errors are the same."""
    offsets = np.ascontiguousarray(offsets, np.int64)
    if offsets[0] != 0 or offsets[-1] != len(coords) or (np.diff(offsets) < 0).any():
        raise ValueError("offsets must rise from 0 to the number of points")
    local = np.asarray(coords, np.float64).reshape(-1, 2) - (origin[1], origin[0])
    if not np.isfinite(local).all():
        raise ValueError("every coordinate must be finite")
    taken, flips = (np.zeros((shape[0], shape[1] + 1), np.bool_) for _ in range(2))
    return Runs(*_fill(local, offsets, taken, flips))


@kernel
def _paint(spans: NDArray[np.int64], ends: NDArray[np.int64], labels: NDArray[np.int32]) -> None:
    for i in range(len(ends) - 1):
        for k in range(ends[i], ends[i + 1]):
            labels[spans[k, 0], spans[k, 1] : spans[k, 2]] = i + 1


@kernel
def _fill(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], taken: NDArray[np.bool_], flips: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Runs of ring after ring, in room of one column more than the image has.

    ``taken`` are the pixels of the rings so far; ``flips`` is all 0 before and after each.
    """
    height, width = taken.shape
    spans, ends, n = np.empty((48 * len(offsets), 3), np.int64), np.zeros(len(offsets), np.int64), 0
    for i in range(offsets.size - 1):
        start, stop = offsets[i], offsets[i + 1]
        top, bottom, left, right = height, 0, width, 0
        for k in range(start, stop):
            following = k + 1 if k + 1 < stop else start
            first, last, low, high = _mark_edge(coords, k, following, flips)
            if first < last:
                top, bottom, left, right = min(top, first), max(bottom, last), min(left, low), max(right, high)
        for y in range(top, bottom):
            if n + right - left + 1 > len(spans):
                spans = np.concatenate((spans, np.empty((n + right - left + 1, 3), np.int64)))
            n = _add_runs(y, left, taken[y, left : right + 1], flips[y, left : right + 1], spans, n)
        ends[i + 1] = n
    return spans[:n], ends


@kernel
def _add_runs(
    row: int, left: int, taken: NDArray[np.bool_], flips: NDArray[np.bool_], spans: NDArray[np.int64], n: int
) -> int:
    """Write the runs of a row whose pixels nobody has; the last flip ends the last of them."""
    inside = within = False
    for k in range(flips.size):
        inside ^= flips[k]
        flips[k] = False
        free = inside and not taken[k]
        if free != within:
            if free:
                spans[n, 0], spans[n, 1] = row, left + k
            else:
                spans[n, 2] = left + k
                n += 1
            within = free
        taken[k] |= inside
    return n


@kernel
def _mark_edge(
    coords: NDArray[np.float64], start: int, stop: int, flips: NDArray[np.bool_]
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
        flips[y, x] ^= True
        low, high = min(low, x), max(high, x)
    return first, last, low, high
