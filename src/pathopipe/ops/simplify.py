"""Fewer points for the same ring."""

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel


def simplify_rings(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Leave out points of closed rings that lie within ``tolerance`` of what is left (Douglas and Peucker 1973).

    Parameters
    ----------
    coords, offsets
        (M, 2) x, y and (n + 1,) bounds; the last point of a ring is its first, again.
    tolerance
        In the unit of ``coords``.

    Returns
    -------
    tuple
        Points (K, 2) and bounds (n + 1,); each ring without its last point. A ring that is narrower than the tolerance
        may be left with two.
    """
    kept = np.zeros(len(coords), np.bool_)
    _mark(np.ascontiguousarray(coords, np.float64), offsets, tolerance**2, kept)
    total = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    return coords[kept], total[offsets]


@kernel
def _mark(coords: NDArray[np.float64], offsets: NDArray[np.int64], tolerance2: float, kept: NDArray[np.bool_]) -> None:
    """Mark the points of each ring that stay: its first, the one furthest from that, and what lies off the chords."""
    longest = 0
    for ring in range(len(offsets) - 1):
        longest = max(longest, offsets[ring + 1] - offsets[ring])
    stack = np.empty((longest + 1, 2), np.int64)
    for ring in range(len(offsets) - 1):
        first, last = offsets[ring], offsets[ring + 1] - 1
        opposite = _furthest(coords, first, last)
        kept[first] = True
        kept[opposite] = True
        stack[0] = first, opposite
        stack[1] = opposite, last
        size = 2
        while size:
            size -= 1
            start, end = stack[size]
            middle, off = _most_off(coords, start, end)
            if off > tolerance2:
                kept[middle] = True
                stack[size] = start, middle
                stack[size + 1] = middle, end
                size += 2


@kernel
def _furthest(coords: NDArray[np.float64], first: int, last: int) -> int:
    best, found = -1.0, first
    for point in range(first, last):
        off = (coords[point, 0] - coords[first, 0]) ** 2 + (coords[point, 1] - coords[first, 1]) ** 2
        if off > best:
            best, found = off, point
    return found


@kernel
def _most_off(coords: NDArray[np.float64], start: int, end: int) -> tuple[int, float]:
    """Return the point between two others that lies furthest from the segment between them, and the square of that."""
    x, y = coords[start]
    dx, dy = coords[end, 0] - x, coords[end, 1] - y
    length2 = dx * dx + dy * dy
    best, found = -1.0, -1
    for point in range(start + 1, end):
        px, py = coords[point, 0] - x, coords[point, 1] - y
        along = 0.0 if length2 == 0 else min(1.0, max(0.0, (px * dx + py * dy) / length2))
        off = (px - along * dx) ** 2 + (py - along * dy) ** 2
        if off > best:
            best, found = off, point
    return found, best
