"""Seeds: the tops of a landscape that stand apart from higher ones nearby."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.models.base import TOP_SIDE


def prominent(
    landscape: NDArray[np.float32], allowed: NDArray[np.bool_], reach: int, valley: float
) -> NDArray[np.int32]:
    """Find the tops of a landscape that are separated by a valley from every higher top nearby.

    Parameters
    ----------
    landscape
        (H, W), positive where seeds can be.
    allowed
        (H, W), where tops may lie.
    reach
        Tops further apart than this, in pixels, do not know of each other. Whether a pixel is a seed depends on the
        landscape within ``reach`` + 2 of it.
    valley
        From 0 to 1: two tops are apart where the straight line between them falls below ``valley`` times the lower
        one. Of equal tops the first in reading order counts as the higher one.

    Returns
    -------
    int32 (N, 2), row and column, in reading order. A lower top gives way to any higher one that it isn't apart from,
    whether or not that one is a seed in the end: so no chain of decisions reaches further.
    """
    highest = cv2.dilate(landscape, np.ones((TOP_SIDE, TOP_SIDE), np.uint8))
    found = np.flatnonzero((landscape == highest) & allowed)
    points = np.stack(np.divmod(found, landscape.shape[1]), axis=1).astype(np.int32)
    return points[_stand_apart(points, landscape, reach, valley)]


@kernel
def _stand_apart(
    points: NDArray[np.int32], landscape: NDArray[np.float32], reach: int, valley: float
) -> NDArray[np.bool_]:
    """Which of the tops, in reading order, are apart from every higher one within ``reach``."""
    keep, start = np.ones(len(points), np.bool_), 0
    for i in range(len(points)):
        y, x = points[i]
        own = landscape[y, x]
        while points[start, 0] < y - reach:
            start += 1
        for j in range(start, len(points)):
            v, u = points[j]
            if not keep[i] or v > y + reach:
                break
            if (v - y) ** 2 + (u - x) ** 2 <= reach * reach:
                other = landscape[v, u]
                if other > own or (other == own and j < i):
                    keep[i] = _lowest(landscape, y, x, v, u) < valley * own
    return keep


@kernel
def _lowest(landscape: NDArray[np.float32], y: int, x: int, v: int, u: int) -> float:
    """Lowest value on the straight line between two pixels, both ends included."""
    steps = max(abs(v - y), abs(u - x))
    lowest = landscape[y, x]
    for k in range(1, steps + 1):
        # Whole numbers, rounded half up: the line between two pixels is the same wherever the tile begins.
        row = y + (2 * (v - y) * k + steps) // (2 * steps)
        column = x + (2 * (u - x) * k + steps) // (2 * steps)
        lowest = min(lowest, landscape[row, column])
    return float(lowest)
