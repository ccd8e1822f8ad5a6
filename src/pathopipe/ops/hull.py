"""Convex hulls of points, and what lies closely around them."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

# A corner that turns by a smaller share than this lies on an edge, but for rounding.
_ROUND: Final = 1e-12

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@kernel
def measure_hulls(rings: Floats, offsets: Counts, smooth: Floats) -> tuple[Floats, Floats]:
    """`calipers` of rings, and `hull_perimeters` of smooth ones."""
    return calipers(rings, offsets), hull_perimeters(smooth)


@kernel
def calipers(points: Floats, offsets: Counts) -> Floats:
    """Largest and smallest Feret diameter, area of the hull, and area of the smallest rectangle around it; (n, 4).

    Of ``points[offsets[i]:offsets[i + 1]]``, which don't lie on a line; NaN without points. A smallest diameter and a
    smallest rectangle lie along an edge of the hull (Freeman and Shapira 1975).
    """
    result = np.full((len(offsets) - 1, 4), np.nan)
    for i in range(len(result)):
        if offsets[i + 1] > offsets[i]:
            result[i] = _calipers(_hull(points[offsets[i] : offsets[i + 1]]))
    return result


@kernel
def hull_perimeters(points: Floats) -> Floats:
    """Perimeters (n,) of the hulls of points (n, k, 2); NaN if there are NaN."""
    result = np.full(len(points), np.nan)
    for i in range(len(points)):
        if not np.isnan(points[i, 0, 0]):
            hull, length = _hull(points[i]), 0.0
            for k in range(len(hull)):
                length += _length(hull[k, 0] - hull[k - 1, 0], hull[k, 1] - hull[k - 1, 1])
            result[i] = length
    return result


@kernel
def _hull(points: Floats) -> Floats:
    """Corners (h, 2) of the convex hull, of positive area (Andrew 1979)."""
    n = len(points)
    order = _by_x(points)
    hull, size, turn = np.empty((2 * n, 2)), 0, 0
    for step in range(2 * n - 1):
        at = order[step if step < n else 2 * n - 2 - step]
        x, y = points[at, 0], points[at, 1]
        # The way back starts at the last point.
        begin = 0 if step < n else turn
        while size >= begin + 2:
            ax, ay = hull[size - 1, 0] - hull[size - 2, 0], hull[size - 1, 1] - hull[size - 2, 1]
            left, right = ax * (y - hull[size - 2, 1]), ay * (x - hull[size - 2, 0])
            if left - right > _ROUND * (abs(left) + abs(right)):
                break
            size -= 1
        hull[size, 0], hull[size, 1] = x, y
        size += 1
        if step == n - 1:
            turn = size - 1
    return hull[: size - 1]


@kernel
def _by_x(points: Floats) -> Counts:
    """Numbers of points (n, 2) by x, and of equal x by y: put into n buckets, and moved from there to their places."""
    n, low, high = len(points), points[0, 0], points[0, 0]
    for k in range(1, n):
        low, high = min(low, points[k, 0]), max(high, points[k, 0])
    scale = (n - 1) / (high - low) if high > low else 0.0
    buckets, ends, order = np.empty(n, np.int64), np.zeros(n + 1, np.int64), np.empty(n, np.int64)
    for k in range(n):
        buckets[k] = int((points[k, 0] - low) * scale)
        ends[buckets[k] + 1] += 1
    for k in range(n):
        ends[k + 1] += ends[k]
    for k in range(n):
        order[ends[buckets[k]]] = k
        ends[buckets[k]] += 1
    for k in range(1, n):
        at, place = order[k], k
        x, y = points[at, 0], points[at, 1]
        while place > 0:
            before = order[place - 1]
            if points[before, 0] < x or (points[before, 0] == x and points[before, 1] <= y):
                break
            order[place] = before
            place -= 1
        order[place] = at
    return order


@kernel
def _calipers(hull: Floats) -> tuple[float, float, float, float]:
    """Measure a hull, see `calipers`."""
    n = len(hull)
    widest, narrowest, smallest, doubled = 0.0, math.inf, math.inf, 0.0
    # The farthest corners along an edge, from it, and against its direction, go around with it (Toussaint 1983).
    front = far = back = 0
    for k in range(n):
        after = k + 1 if k + 1 < n else 0
        x, y = hull[after, 0] - hull[k, 0], hull[after, 1] - hull[k, 1]
        front = _farthest(hull, front, x, y)
        far = _farthest(hull, far if k else front, -y, x)
        back = _farthest(hull, back if k else far, -x, -y)
        low, high = _along(hull, k, back, x, y), _along(hull, k, front, x, y)
        width, length = _along(hull, k, far, -y, x), _length(x, y)
        narrowest = min(narrowest, width / length)
        smallest = min(smallest, width * (high - low) / (length * length))
        doubled += hull[k, 0] * hull[after, 1] - hull[k, 1] * hull[after, 0]
        for m in range(k + 1, n):
            to_x, to_y = hull[m, 0] - hull[k, 0], hull[m, 1] - hull[k, 1]
            widest = max(widest, to_x * to_x + to_y * to_y)
    return math.sqrt(widest), narrowest, doubled / 2, smallest


@kernel
def _farthest(hull: Floats, at: int, x: float, y: float) -> int:
    """The corner farthest in a direction, looked for from another one on, the way that the hull goes."""
    n = len(hull)
    for _ in range(n):
        after = at + 1 if at + 1 < n else 0
        if (hull[after, 0] - hull[at, 0]) * x + (hull[after, 1] - hull[at, 1]) * y <= 0:
            break
        at = after
    return at


@kernel
def _along(hull: Floats, k: int, m: int, x: float, y: float) -> float:
    """How far a corner lies from another one in a direction, times the length of that."""
    return float((hull[m, 0] - hull[k, 0]) * x + (hull[m, 1] - hull[k, 1]) * y)


@kernel
def _length(x: float, y: float) -> float:
    """Length of a vector, in less time than by ``hypot``, which also takes what overflows when it is squared."""
    return math.sqrt(x * x + y * y)
