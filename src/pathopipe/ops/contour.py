"""Measures of nuclei that come from their outline, in micrometers.

A ring is measured from points relative to one of its own, so it measures the same wherever it lies; to the last bit,
where the points are on half pixels, as those of `pathopipe.ops.outline`. Which point that is follows from the ring's
form, not from where the ring begins, so a quarter turn of the image changes nothing but rounding.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.hull import measure_hulls
from pathopipe.ops.rings import prepared_rings

CONTOUR_FEATURES: Final = (
    "feret_max_um",
    "feret_min_um",
    "convex_area_um2",
    "rectangularity",
    "radius_mean_um",
    "radius_cv",
    "convexity",
    "curvature_mean_per_um",
    "curvature_sd_per_um",
    "curvature_max_per_um",
    "concave_share",
    "bending_energy",
    *(f"fourier_{harmonic}" for harmonic in range(2, 8)),
)
# The outline is concave where it bends inwards more than this, in 1/um. Steps of pixels bend it less.
CONCAVE_PER_UM: Final = 0.05
_HARMONICS: Final = 7

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def measure_contours(coords: Floats, offsets: Counts, mpp_x: float, mpp_y: float) -> dict[str, Floats]:
    """Measure rings.

    Parameters
    ----------
    coords
        (M, 2) x, y of all rings one after another in pixels, each closed (last point = first) or not.
    offsets
        (n + 1,) ring i is ``coords[offsets[i]:offsets[i + 1]]``.
    mpp_x, mpp_y
        Micrometers per pixel; the two may differ.

    Returns
    -------
    dict
        One float64 array (n,) per name of ``CONTOUR_FEATURES``. A ring that encloses no area gets NaN.

        Of the polygon:

        * ``feret_max_um``, ``feret_min_um``: largest and smallest distance of two parallel tangents (Feret 1931).
        * ``convex_area_um2``: area of the convex hull.
        * ``rectangularity``: area over that of the smallest rectangle around it, in any direction (Freeman and Shapira
          1975).
        * ``radius_mean_um``, ``radius_cv``: mean, and standard deviation over mean, of the distances from the
          centroid of the area to 64 points at equal distances along the outline.
        * ``fourier_2`` to ``fourier_7``: energy of a harmonic of the elliptic Fourier series of the polygon over that
          of the first (Kuhl and Giardina 1982). 0 for a disc; a form that is the same after half a turn has odd
          harmonics alone. The same for a ring that is shifted, turned, scaled, mirrored, or begins elsewhere.

        Of the smooth outline: the 64 points are smoothed by a Gaussian along the outline, with a standard deviation of
        1 um, but at least 1/32 and at most 1/16 of the perimeter, and scaled back to the polygon's area. The curvature
        at a point is that of the circle through it and its neighbors (Menger 1930), positive where the outline is
        convex, at most that of a circle half as wide as a pixel, and counts by length.

        * ``convexity``: perimeter of the convex hull over perimeter.
        * ``curvature_mean_per_um``: mean of the curvature without its sign; ``curvature_sd_per_um``: standard
          deviation with it; ``curvature_max_per_um``: largest.
        * ``concave_share``: share of the length that bends inwards by more than ``CONCAVE_PER_UM``.
        * ``bending_energy``: mean squared curvature (Young, Walker and Bowie 1974) times (perimeter / 2 pi) squared: 1
          for a circle, more for all else.

    Raises
    ------
    ValueError
        If a coordinate is not finite, or the offsets do not fit the coordinates.
    """
    offsets = np.ascontiguousarray(offsets, np.int64)
    if offsets[0] != 0 or offsets[-1] != len(coords) or (np.diff(offsets) < 0).any():
        raise ValueError("offsets must rise from 0 to the number of points")
    coords = np.ascontiguousarray(coords, np.float64).reshape(-1, 2)
    if not np.isfinite(coords).all():
        raise ValueError("every coordinate must be finite")
    rings, offsets, sums, points, smooth = prepared_rings(coords, offsets, mpp_x, mpp_y)
    widths, perimeters = measure_hulls(rings, offsets, smooth)
    columns = np.full((len(CONTOUR_FEATURES), len(sums)), np.nan)
    columns[:4] = widths.T
    columns[3] = np.minimum(sums[:, 0] / columns[3], 1.0)
    _measure(rings, offsets, sums, points, smooth, perimeters, 4.0 / min(mpp_x, mpp_y), columns)
    return dict(zip(CONTOUR_FEATURES, columns, strict=True))


@kernel
def _measure(
    rings: Floats,
    offsets: Counts,
    sums: Floats,
    points: Floats,
    smooth: Floats,
    perimeters: Floats,
    limit: float,
    columns: Floats,
) -> None:
    """Write the columns from the fifth on."""
    _measure_points(points, sums, columns[4:6])
    _measure_smooth(smooth, perimeters, limit, columns[6:12])
    _measure_harmonics(rings, offsets, sums, columns[12:])


@kernel
def _measure_points(points: Floats, sums: Floats, columns: Floats) -> None:
    """Write mean and variation of the distances of points (n, k, 2) from the centroids."""
    radii = np.empty(points.shape[1])
    for i in range(len(points)):
        for k in range(radii.size):
            radii[k] = _length(points[i, k, 0] - sums[i, 1], points[i, k, 1] - sums[i, 2])
        columns[0, i], columns[1, i] = radii.mean(), radii.std() / radii.mean()


@kernel
def _measure_smooth(smooth: Floats, hulls: Floats, limit: float, columns: Floats) -> None:
    """Write what is measured of smooth rings (n, k, 2), whose hulls have these perimeters."""
    for i in range(len(smooth)):
        if smooth[i, 0, 0] == 0:
            length, columns[1, i], columns[2, i], columns[3, i], columns[4, i], columns[5, i] = _curvatures(
                smooth[i], limit
            )
            columns[0, i] = min(hulls[i] / length, 1.0)


@kernel
def _measure_harmonics(rings: Floats, offsets: Counts, sums: Floats, columns: Floats) -> None:
    """Write the energies of the harmonics from 2 on over that of the first."""
    for i in range(len(sums)):
        ring = rings[offsets[i] : offsets[i + 1]]
        if len(ring) > 0:
            energies = _energies(ring, sums[i, 3])
            columns[:, i] = energies[1:] / energies[0]


@kernel
def _curvatures(ring: Floats, limit: float) -> tuple[float, float, float, float, float, float]:
    """Length of a ring, and of its curvature mean without sign, deviation, largest, concave share, bending energy."""
    n = len(ring)
    length, total, absolute, squared, largest, concave = 0.0, 0.0, 0.0, 0.0, -math.inf, 0.0
    for k in range(n):
        after = k + 1 if k + 1 < n else 0
        ax, ay = ring[k, 0] - ring[k - 1, 0], ring[k, 1] - ring[k - 1, 1]
        bx, by = ring[after, 0] - ring[k, 0], ring[after, 1] - ring[k, 1]
        a, b = _length(ax, ay), _length(bx, by)
        sides = a * b * _length(ax + bx, ay + by)
        bend = 2 * (ax * by - ay * bx) / sides if sides > 0 else limit
        bend, share = min(max(bend, -limit), limit), (a + b) / 2
        length += share
        total += share * bend
        absolute += share * abs(bend)
        squared += share * bend * bend
        largest = max(largest, bend)
        concave += share * (bend < -CONCAVE_PER_UM)
    deviation = math.sqrt(max(squared / length - (total / length) ** 2, 0.0))
    energy = squared * length / (2 * math.pi) ** 2
    return length, absolute / length, deviation, largest, min(concave / length, 1.0), energy


@kernel
def _energies(ring: Floats, length: float) -> Floats:
    """Energies of the first harmonics of a ring, but for a common factor."""
    n, passed = len(ring), 0.0
    sums = np.zeros((_HARMONICS, 4))
    before_x, before_y = -ring[n - 1] / _length(ring[n - 1, 0], ring[n - 1, 1])
    for k in range(n):
        after = k + 1 if k + 1 < n else 0
        x, y = ring[after, 0] - ring[k, 0], ring[after, 1] - ring[k, 1]
        span = _length(x, y)
        # Where the outline changes its direction, at a share of its length, is all that the coefficients are made of.
        turn_x, turn_y = before_x - x / span, before_y - y / span
        cosine, sine = math.cos(2 * math.pi * passed / length), math.sin(2 * math.pi * passed / length)
        real, imaginary = cosine, sine
        for harmonic in range(_HARMONICS):
            sums[harmonic, 0] += real * turn_x
            sums[harmonic, 1] += imaginary * turn_x
            sums[harmonic, 2] += real * turn_y
            sums[harmonic, 3] += imaginary * turn_y
            real, imaginary = real * cosine - imaginary * sine, real * sine + imaginary * cosine
        before_x, before_y, passed = x / span, y / span, passed + span
    energies = np.empty(_HARMONICS)
    for harmonic in range(_HARMONICS):
        energies[harmonic] = (sums[harmonic] ** 2).sum() / (harmonic + 1) ** 4
    return energies


@kernel
def _length(x: float, y: float) -> float:
    """Length of a vector, in less time than by ``hypot``, which also takes what overflows when it is squared."""
    return math.sqrt(x * x + y * y)
