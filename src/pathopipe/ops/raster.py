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
    return Runs(*_fill(local, offsets, np.zeros(shape, np.bool_)))


@kernel
def _paint(spans: NDArray[np.int64], ends: NDArray[np.int64], labels: NDArray[np.int32]) -> None:
    for i in range(len(ends) - 1):
        for k in range(ends[i], ends[i + 1]):
            labels[spans[k, 0], spans[k, 1] : spans[k, 2]] = i + 1


@kernel
def _fill(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], taken: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Runs of ring after ring; ``taken`` are the pixels of the rings so far."""
    height, width = taken.shape
    spans, ends, n = np.empty((48 * len(offsets), 3), np.int64), np.zeros(len(offsets), np.int64), 0
    for i in range(offsets.size - 1):
        start, stop = offsets[i], offsets[i + 1]
        if start < stop:
            ring = coords[start:stop]
            top, bottom = _first_center(ring[:, 1].min(), height), _first_center(ring[:, 1].max(), height)
            left, right = _first_center(ring[:, 0].min() - 1, width), _first_center(ring[:, 0].max() + 1, width)
            # In each row, at which centers inside and outside change.
            flips = np.zeros((bottom - top, right - left + 1), np.bool_)
            for k in range(stop - start):
                _mark_edge(ring, k, k + 1 if k + 1 < stop - start else 0, top, left, taken.shape, flips)
            for y in range(top, bottom):
                if n + flips.shape[1] > len(spans):
                    spans = np.concatenate((spans, np.empty((len(spans) + flips.shape[1], 3), np.int64)))
                n = _add_runs(y, left, taken, flips[y - top], spans, n)
        ends[i + 1] = n
    return spans[:n], ends


@kernel
def _first_center(place: float, size: int) -> int:
    """Number of the first pixel whose center lies at a place or after it, as far as the image goes."""
    return int(min(max(np.ceil(place - 0.5), 0.0), size))


@kernel
def _add_runs(
    row: int, left: int, taken: NDArray[np.bool_], flips: NDArray[np.bool_], spans: NDArray[np.int64], n: int
) -> int:
    """Write the runs of a row whose pixels nobody has; the last flip ends the last of them."""
    inside = within = False
    for k in range(flips.size):
        inside ^= flips[k]
        free = inside and not taken[row, left + k]
        if free:
            taken[row, left + k] = True
        if free != within:
            if free:
                spans[n, 0], spans[n, 1] = row, left + k
            else:
                spans[n, 2] = left + k
                n += 1
            within = free
    return n


@kernel
def _mark_edge(
    ring: NDArray[np.float64],
    start: int,
    stop: int,
    top: int,
    left: int,
    shape: tuple[int, int],
    flips: NDArray[np.bool_],
) -> None:
    """Flip, in each row whose middle the edge crosses, the first center at or right of it."""
    if ring[start, 1] > ring[stop, 1]:
        start, stop = stop, start
    x0, y0, x1, y1 = ring[start, 0], ring[start, 1], ring[stop, 0], ring[stop, 1]
    for y in range(_first_center(y0, shape[0]), _first_center(y1, shape[0])):
        crossing = x0 + (y + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        flips[y - top, _first_center(crossing, shape[1]) - left] ^= True
