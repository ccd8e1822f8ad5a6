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
    tops = (landscape == highest) & allowed
    points = np.argwhere(tops).astype(np.int32)
    return points[_stand_apart(points, tops, landscape, reach, valley)]


@kernel
def _stand_apart(
    points: NDArray[np.int32], tops: NDArray[np.bool_], landscape: NDArray[np.float32], reach: int, valley: float
) -> NDArray[np.bool_]:
    height, width = landscape.shape
    keep = np.ones(len(points), np.bool_)
    for i in range(len(points)):
        y, x = points[i]
        own = landscape[y, x]
        for v in range(max(0, y - reach), min(height, y + reach + 1)):
            for u in range(max(0, x - reach), min(width, x + reach + 1)):
                if not keep[i] or not tops[v, u] or (v - y) ** 2 + (u - x) ** 2 > reach * reach:
                    continue
                other = landscape[v, u]
                earlier = v < y or (v == y and u < x)
                if other > own or (other == own and earlier):
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
