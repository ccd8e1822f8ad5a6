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
    """Pixels of rings, those of each whatever the others cover; parameters and errors are those of `rasterize`."""
    offsets = np.ascontiguousarray(offsets, np.int64)
    if offsets[0] != 0 or offsets[-1] != len(coords) or (np.diff(offsets) < 0).any():
        raise ValueError("offsets must rise from 0 to the number of points")
    local = np.asarray(coords, np.float64).reshape(-1, 2) - (origin[1], origin[0])
    if not np.isfinite(local).all():
        raise ValueError("every coordinate must be finite")
    return Runs(*_fill(local, offsets, *shape))


@kernel
def _paint(spans: NDArray[np.int64], ends: NDArray[np.int64], labels: NDArray[np.int32]) -> None:
    for i in range(len(ends) - 1):
        for k in range(ends[i], ends[i + 1]):
            line = labels[spans[k, 0], spans[k, 1] : spans[k, 2]]
            for x in range(line.size):
                line[x] = line[x] or i + 1


@kernel
def _fill(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Runs of each ring, as far as they lie in an image of this size."""
    spans, ends, n = np.empty((48 * len(offsets), 3), np.int64), np.zeros(len(offsets), np.int64), 0
    for i in range(offsets.size - 1):
        if offsets[i] < offsets[i + 1]:
            ring = coords[offsets[i] : offsets[i + 1]]
            top, left, flips, count = _flips(ring, height, width)
            if n + count > len(spans):
                spans = np.concatenate((spans, np.empty((len(spans) + count, 3), np.int64)))
            n = _add_runs(top, left, flips, spans, n)
        ends[i + 1] = n
    return spans[:n], ends


@kernel
def _first_center(place: float, size: int) -> int:
    """Number of the first pixel whose center lies at a place or after it, as far as the image goes."""
    return int(min(max(np.ceil(place - 0.5), 0.0), size))


@kernel
def _flips(ring: NDArray[np.float64], height: int, width: int) -> tuple[int, int, NDArray[np.bool_], int]:
    """First row and column of a ring's box, at which centers of its rows inside and outside change, and how often.

    They do at the first center at or right of where an edge crosses the middle of a row.
    """
    count = 0
    low_x, low_y = high_x, high_y = ring[0, 0], ring[0, 1]
    for k in range(1, len(ring)):
        low_x, high_x = min(low_x, ring[k, 0]), max(high_x, ring[k, 0])
        low_y, high_y = min(low_y, ring[k, 1]), max(high_y, ring[k, 1])
    top, bottom = _first_center(low_y, height), _first_center(high_y, height)
    left, right = _first_center(low_x - 1, width), _first_center(high_x + 1, width)
    flips = np.zeros((bottom - top, right - left + 1), np.bool_)
    last = len(ring) - 1
    for k in range(len(ring)):
        x0, y0, x1, y1 = ring[last, 0], ring[last, 1], ring[k, 0], ring[k, 1]
        last = k
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        for y in range(_first_center(y0, height), _first_center(y1, height)):
            crossing = x0 + (y + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            flips[y - top, _first_center(crossing, width) - left] ^= True
            count += 1
    return top, left, flips, count


@kernel
def _add_runs(top: int, left: int, flips: NDArray[np.bool_], spans: NDArray[np.int64], n: int) -> int:
    """Write the runs between flips; returns how many runs there are then."""
    for y in range(len(flips)):
        line, inside = flips[y], False
        for x in range(line.size):
            if line[x]:
                if inside:
                    spans[n, 2] = left + x
                    n += 1
                else:
                    spans[n, 0], spans[n, 1] = top + y, left + x
                inside = not inside
    return n
