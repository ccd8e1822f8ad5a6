"""Rings made alike: in micrometers, from a point on that their form determines; points along them; smooth ones."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

# Points at equal distances along an outline.
POINTS: Final = 64
# Standard deviation of the Gaussian that smooths an outline, along it, in um; and how many of them fit at least and at
# most along an outline: on a short one the Gaussian is narrower, so that a form is left, on a long one it is wider, so
# that it covers the steps of pixels between two points.
SMOOTHING_UM: Final = 1.0
SMOOTHINGS: Final = (16, 32)
# Twice the area over the squared length below which a ring encloses nothing.
_NOTHING: Final = 1e-9

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@kernel
def prepared_rings(
    coords: Floats, offsets: Counts, mpp_x: float, mpp_y: float
) -> tuple[Floats, Counts, Floats, Floats, Floats]:
    """All that rings are measured on, in one call: each kernel takes time to be loaded.

    Returns
    -------
    What `normalized_rings`, `ring_sums`, `spaced_points` and `smooth_rings` return, in turn.
    """
    rings, ends = normalized_rings(coords, offsets, mpp_x, mpp_y)
    sums, points = ring_sums(rings, ends), spaced_points(rings, ends)
    return rings, ends, sums, points, smooth_rings(points, sums)


@kernel
def normalized_rings(coords: Floats, offsets: Counts, mpp_x: float, mpp_y: float) -> tuple[Floats, Counts]:
    """Rings in um, with offsets as they are given; each point once, the area positive, the first point 0, 0.

    Which point is the first follows from the ring's form, not from where it began. A ring that encloses nothing has no
    points.
    """
    rings, ends = np.empty_like(coords), np.zeros_like(offsets)
    for i in range(len(offsets) - 1):
        ring = _normalized(coords[offsets[i] : offsets[i + 1]], mpp_x, mpp_y)
        ends[i + 1] = ends[i] + len(ring)
        rings[ends[i] : ends[i + 1]] = ring
    return rings[: ends[-1]], ends


@kernel
def ring_sums(rings: Floats, offsets: Counts) -> Floats:
    """Area, x and y of the area's centroid, and perimeter (n, 4) of normalized rings; NaN without points."""
    sums = np.full((len(offsets) - 1, 4), np.nan)
    for i in range(len(sums)):
        ring = rings[offsets[i] : offsets[i + 1]]
        if len(ring) > 0:
            sums[i, :3], sums[i, 3] = _area_and_centroid(ring), _perimeter(ring)
    return sums


@kernel
def spaced_points(rings: Floats, offsets: Counts) -> Floats:
    """``POINTS`` points (n, 64, 2) at equal distances along normalized rings, from the first one on; else NaN."""
    points = np.full((len(offsets) - 1, POINTS, 2), np.nan)
    for i in range(len(points)):
        if offsets[i + 1] > offsets[i]:
            _space(rings[offsets[i] : offsets[i + 1]], points[i])
    return points


@kernel
def smooth_rings(points: Floats, sums: Floats) -> Floats:
    """Smooth the points of rings with these sums and scale them to the rings' areas; the first of each is 0, 0."""
    smooth = np.full_like(points, np.nan)
    for i in range(len(points)):
        if sums[i, 3] > 0:
            smooth[i] = _smoothed(points[i], sums[i, 3], sums[i, 0])
    return smooth


@kernel
def _normalized(given: Floats, mpp_x: float, mpp_y: float) -> Floats:
    """Points (n, 2) of a ring in um, each once, of positive area, from a point on that its form determines.

    The first point is 0, 0. Without points, if the ring encloses nothing.
    """
    points, n = np.empty_like(given), 0
    for k in range(len(given)):
        if n == 0 or points[n - 1, 0] != given[k, 0] or points[n - 1, 1] != given[k, 1]:
            points[n, 0], points[n, 1] = given[k, 0], given[k, 1]
            n += 1
    while n > 1 and points[n - 1, 0] == points[0, 0] and points[n - 1, 1] == points[0, 1]:
        n -= 1
    doubled, size = 0.0, 0.0
    for k in range(1, n - 1):
        ax, ay = points[k, 0] - points[0, 0], points[k, 1] - points[0, 1]
        bx, by = points[k + 1, 0] - points[0, 0], points[k + 1, 1] - points[0, 1]
        doubled += ax * by - ay * bx
        size = max(size, ax * ax + ay * ay, bx * bx + by * by)
    if abs(doubled) <= _NOTHING * size:
        return np.empty((0, 2))
    ring = points[:n] if doubled > 0 else points[:n][::-1]
    first = _first(ring, mpp_x, mpp_y)
    result = np.empty((n, 2))
    for k in range(n):
        at = (first + k) % n
        result[k, 0] = (ring[at, 0] - ring[first, 0]) * mpp_x
        result[k, 1] = (ring[at, 1] - ring[first, 1]) * mpp_y
    return result


@kernel
def _first(ring: Floats, mpp_x: float, mpp_y: float) -> int:
    """From which point on the list of the lengths of edges and the turns between them is the last in the alphabet.

    As the least rotation of a word is found in linear time (Shiloach 1981).
    """
    n = len(ring)
    keys = np.empty((n, 2))
    for k in range(n):
        at, after = (k + 1) % n, (k + 2) % n
        x, y = ring[at, 0] - ring[k, 0], ring[at, 1] - ring[k, 1]
        keys[k, 0] = (x * mpp_x) ** 2 + (y * mpp_y) ** 2
        keys[k, 1] = x * (ring[after, 1] - ring[at, 1]) - y * (ring[after, 0] - ring[at, 0])
    i, j, k = 0, 1, 0
    while i < n and j < n and k < n:
        a, b = (i + k) % n, (j + k) % n
        if keys[a, 0] == keys[b, 0] and keys[a, 1] == keys[b, 1]:
            k += 1
            continue
        if keys[a, 0] > keys[b, 0] or (keys[a, 0] == keys[b, 0] and keys[a, 1] > keys[b, 1]):
            j += k + 1
        else:
            i += k + 1
        j, k = j + (i == j), 0
    return min(i, j)


@kernel
def _area_and_centroid(ring: Floats) -> tuple[float, float, float]:
    """Area of a ring, and x and y of its centroid."""
    doubled, x, y = 0.0, 0.0, 0.0
    for k in range(1, len(ring) - 1):
        # The triangle with the first point, which is 0, 0.
        cross = ring[k, 0] * ring[k + 1, 1] - ring[k, 1] * ring[k + 1, 0]
        doubled += cross
        x += cross * (ring[k, 0] + ring[k + 1, 0])
        y += cross * (ring[k, 1] + ring[k + 1, 1])
    return doubled / 2, x / (3 * doubled), y / (3 * doubled)


@kernel
def _perimeter(ring: Floats) -> float:
    """Length of a closed ring."""
    length, before = 0.0, len(ring) - 1
    for k in range(len(ring)):
        length += _length(ring[k, 0] - ring[before, 0], ring[k, 1] - ring[before, 1])
        before = k
    return length


@kernel
def _space(ring: Floats, points: Floats) -> None:
    """Write points at equal distances along a ring, from its first point on."""
    step = _perimeter(ring) / POINTS
    edge, passed, n = 0, 0.0, len(ring)
    length = _length(ring[1, 0] - ring[0, 0], ring[1, 1] - ring[0, 1])
    for k in range(POINTS):
        while edge < n - 1 and passed + length < k * step:
            edge, passed = edge + 1, passed + length
            after = (edge + 1) % n
            length = _length(ring[after, 0] - ring[edge, 0], ring[after, 1] - ring[edge, 1])
        share = min((k * step - passed) / length, 1.0)
        after = edge + 1 if edge + 1 < n else 0
        for axis in range(2):
            points[k, axis] = ring[edge, axis] + share * (ring[after, axis] - ring[edge, axis])


@kernel
def _smoothed(points: Floats, length: float, area: float) -> Floats:
    """Smooth the points of a ring of this length and scale them to this area, see ``SMOOTHINGS``."""
    sigma = min(max(SMOOTHING_UM / length, 1.0 / SMOOTHINGS[1]), 1.0 / SMOOTHINGS[0]) * POINTS
    reach = math.ceil(4 * sigma)
    around, smooth, total = np.empty((2, POINTS + 2 * reach)), np.zeros((2, POINTS)), 0.0
    for k in range(POINTS + 2 * reach):
        around[0, k], around[1, k] = points[(k - reach) % POINTS, 0], points[(k - reach) % POINTS, 1]
    for shift in range(2 * reach + 1):
        weight = math.exp(-0.5 * ((shift - reach) / sigma) ** 2)
        total += weight
        for axis in range(2):
            line, source = smooth[axis], around[axis, shift : shift + POINTS]
            for k in range(POINTS):
                line[k] += weight * source[k]
    # From the first point, as `_area_and_centroid` wants it.
    result = np.empty((POINTS, 2))
    for k in range(POINTS):
        result[k, 0], result[k, 1] = (smooth[0, k] - smooth[0, 0]) / total, (smooth[1, k] - smooth[1, 0]) / total
    left = _area_and_centroid(result)[0]
    # A ring that winds around itself can lose nearly all of its area.
    result *= math.sqrt(area / max(left, area / 4))
    return result


@kernel
def _length(x: float, y: float) -> float:
    """Length of a vector, in less time than by ``hypot``, which also takes what overflows when it is squared."""
    return math.sqrt(x * x + y * y)
