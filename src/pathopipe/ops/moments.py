"""Measures of nuclei that come from sums over their pixels, in micrometers.

Each nucleus is measured in its own bounding box, on the squares that its pixels are, so it measures the same to the
last bit wherever in an image it lies and whatever lies beside it. A region's moments are taken as integrals over the
squares, row by row, from where the runs of pixels begin and end.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.runs import Runs

# Order and repetition of the Zernike moments. 00 is the same for every region, 11 is 0 around the centroid.
ZERNIKE: Final = (
    (2, 0),
    (2, 2),
    (3, 1),
    (3, 3),
    (4, 0),
    (4, 2),
    (4, 4),
    (5, 1),
    (5, 3),
    (5, 5),
    (6, 0),
    (6, 2),
    (6, 4),
    (6, 6),
)
MOMENT_FEATURES: Final = (
    "equivalent_diameter_um",
    "extent",
    "elongation",
    "compactness",
    "orientation_deg",
    "inscribed_radius_um",
    *(f"zernike_{order}{repetition}" for order, repetition in ZERNIKE),
)
_ORDER: Final = 6
# Below this share of the second moment a difference between directions is rounding.
_ROUND: Final = 1e-12

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Steps = NDArray[np.int32]


def zernike_coefficients() -> NDArray[np.complex128]:
    """Zernike polynomials as sums of x^p y^q: complex (14, 28), a row per pair of ``ZERNIKE``.

    A column per p from 0 to 6 and, within it, q from 0 to 6 - p. The polynomial of order n and repetition m is
    R_nm(r) exp(-i m angle) (Teague 1980), times (n + 1) / pi.
    """
    place = {(p, q): k for k, (p, q) in enumerate((p, q) for p in range(7) for q in range(7 - p))}
    rows = np.zeros((len(ZERNIKE), len(place)), np.complex128)
    for row, (n, m) in zip(rows, ZERNIKE, strict=True):
        for s in range((n - m) // 2 + 1):
            rest = (n - m) // 2 - s
            radial = (-1) ** s * math.factorial(n - s) / math.factorial(s) / math.factorial(rest + m)
            radial *= (n + 1) / math.pi / math.factorial(rest)
            # r^(n - 2s) exp(-i m angle) = (x^2 + y^2)^rest (x - iy)^m
            for a in range(rest + 1):
                for b in range(m + 1):
                    weight = radial * math.comb(rest, a) * math.comb(m, b) * (-1j) ** b
                    row[place[2 * (rest - a) + m - b, 2 * a + b]] += weight
    return rows


_REAL: Final = np.ascontiguousarray(zernike_coefficients().real.T)
_IMAGINARY: Final = np.ascontiguousarray(zernike_coefficients().imag.T)


def measure_moments(runs: Runs, mpp_x: float, mpp_y: float) -> dict[str, Floats]:
    """Measure nuclei.

    Parameters
    ----------
    runs
        Their pixels. Every nucleus is 4-connected and without holes (the contract of ``segment``); one without pixels
        gets NaN.
    mpp_x, mpp_y
        Micrometers per pixel; the two may differ.

    Returns
    -------
    dict
        One float64 array (n,) per name of ``MOMENT_FEATURES``.

        * ``equivalent_diameter_um``: diameter of the disc of the same area.
        * ``extent``: pixels over those of the upright bounding box (as scikit-image's ``regionprops``).
        * ``elongation``: 1 - minor / major axis, both as in `pathopipe.ops.shape.measure_shapes`; 0 for one pixel, 1
          for one row of pixels.
        * ``compactness``: area squared over 2 pi times the region's second moment about its centroid, 1 for a disc and
          less for all else (Zunic, Hirota and Rosin 2010).
        * ``orientation_deg``: direction of the major axis, from 0 to below 180, from the x axis (to the right) towards
          the y axis (down). NaN where the second moments are the same in all directions: one pixel, a square.
        * ``inscribed_radius_um``: largest distance of a pixel's center from the nearest point outside the nucleus'
          pixels. That is exact; the radius of the largest disc in the region, wherever its center, is larger by at most
          half a pixel's diagonal.
        * ``zernike_nm``: magnitudes of the Zernike moments of order n and repetition m (Teague 1980) of the region,
          over its area. The unit disc lies around the centroid and reaches the farthest corner of a pixel. 00 is
          1 / pi for all regions and 11 is 0, so they are left out. No magnitude changes when the region is turned.
    """
    columns = np.full((len(MOMENT_FEATURES), len(runs)), np.nan)
    _measure_each(*runs, mpp_x, mpp_y, columns)
    return dict(zip(MOMENT_FEATURES, columns, strict=True))


@kernel
def _measure_each(spans: Counts, ends: Counts, mpp_x: float, mpp_y: float, columns: Floats) -> None:
    """Write the measures of each nucleus, a column of ``columns`` each."""
    for i in range(len(ends) - 1):
        if ends[i] == ends[i + 1]:
            continue
        runs = _in_box(spans[ends[i] : ends[i + 1]])
        depth = _depths(runs)
        pixels, x, y, xx, yy, xy = _sums(runs)
        xx, yy, xy = xx * mpp_x**2, yy * mpp_y**2, xy * mpp_x * mpp_y
        area, half, spread = pixels * mpp_x * mpp_y, (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
        columns[0, i] = math.sqrt(4 * area / math.pi)
        columns[1, i] = pixels / depth.size
        if half > 0:
            columns[2, i] = 1 - math.sqrt(max(half - spread, 0.0) / (half + spread))
        else:
            columns[2, i] = 0.0
        # A pixel's own second moment about its center is a twelfth of its side squared.
        columns[3, i] = min(area / (2 * math.pi * (xx + yy + (mpp_x**2 + mpp_y**2) / 12)), 1.0)
        if spread > _ROUND * half:
            columns[4, i] = math.degrees(math.atan2(xy, (xx - yy) / 2) / 2) % 180.0
        columns[5, i] = _inscribed(depth, mpp_x, mpp_y)
        _zernike(_monomials(runs, x, y, mpp_x, mpp_y), columns[6:, i])


@kernel
def _in_box(spans: Counts) -> Counts:
    """Runs whose rows and columns begin with those of the nucleus' box."""
    runs, left = spans.copy(), spans[:, 1].min()
    for k in range(len(runs)):
        runs[k, 0], runs[k, 1], runs[k, 2] = spans[k, 0] - spans[0, 0], spans[k, 1] - left, spans[k, 2] - left
    return runs


@kernel
def _depths(runs: Counts) -> Steps:
    """How many steps up or down lead out of the nucleus from each pixel of its box; 0 outside of it."""
    rows, width = runs[-1, 0] + 1, runs[:, 2].max()
    depth = np.zeros((rows, width), np.int32)
    for k in range(len(runs)):
        here = depth[runs[k, 0], runs[k, 1] : runs[k, 2]]
        here[:] = 1
        if runs[k, 0] > 0:
            here += depth[runs[k, 0] - 1, runs[k, 1] : runs[k, 2]]
    for k in range(len(runs) - 1, -1, -1):
        here = depth[runs[k, 0], runs[k, 1] : runs[k, 2]]
        if runs[k, 0] == rows - 1:
            here[:] = 1
            continue
        below = depth[runs[k, 0] + 1, runs[k, 1] : runs[k, 2]]
        for x in range(here.size):
            here[x] = min(here[x], below[x] + 1)
    return depth


@kernel
def _sums(runs: Counts) -> tuple[float, float, float, float, float, float]:
    """Pixels, mean x and y of their centers, and their central second moments xx, yy, xy over pixels, in pixels."""
    n, sx, sy, sxx, syy, sxy = 0, 0, 0, 0, 0, 0
    for k in range(len(runs)):
        row, first, after = runs[k]
        pixels, across = after - first, (after - first) * (first + after - 1) // 2
        n += pixels
        sx += across
        sy += row * pixels
        # The squares of all numbers below a number, by their closed form.
        sxx += ((after - 1) * after * (2 * after - 1) - (first - 1) * first * (2 * first - 1)) // 6
        syy += row * row * pixels
        sxy += row * across
    x, y = sx / n, sy / n
    return float(n), x, y, sxx / n - x * x, syy / n - y * y, sxy / n - x * y


@kernel
def _inscribed(depth: Steps, mpp_x: float, mpp_y: float) -> float:
    """Largest distance in um of a pixel's center from what is outside, see `measure_moments`.

    As in exact distance transforms by columns (Saito and Toriwaki 1994), but a pixel is left as soon as it can't be the
    largest.
    """
    rows, width = depth.shape
    best, steps, aside = 0.0, 0, 0
    for turn in range(rows):
        # From the middle outwards, where the largest is soon found.
        row = rows // 2 + (turn + 1) // 2 * (1 if turn % 2 else -1)
        if row >= rows:
            row = rows - 1 - turn
        for x in range(aside, width - aside):
            if depth[row, x] <= steps:
                continue
            limit = (min(x, width - 1 - x) + 0.5) * mpp_x
            nearest = min(((depth[row, x] - 0.5) * mpp_y) ** 2, limit**2)
            k = 1
            while nearest > best and ((k - 0.5) * mpp_x) ** 2 < nearest:
                off = max(min(depth[row, x - k], depth[row, x + k]) - 0.5, 0.0) * mpp_y
                nearest = min(nearest, ((k - 0.5) * mpp_x) ** 2 + off**2)
                k += 1
            if nearest > best:
                # What has no more steps to go, or no more columns beside it, can't be larger.
                best, radius = nearest, math.sqrt(nearest)
                steps, aside = int(radius / mpp_y + 0.5 - _ROUND), int(radius / mpp_x + 0.5 - _ROUND)
    return math.sqrt(best)


@kernel
def _monomials(runs: Counts, x: float, y: float, mpp_x: float, mpp_y: float) -> Floats:
    """Integrals (28,) of x^p y^q over the region in its unit disc, over the region's area; ordered as the coefficients.

    ``x, y`` is the mean of the pixel centers, where the first one of the box is 0, 0.
    """
    reach = 0.0
    for k in range(len(runs)):
        aside = max(x + 0.5 - runs[k, 1], runs[k, 2] - x - 0.5) * mpp_x
        reach = max(reach, aside**2 + ((abs(runs[k, 0] - y) + 0.5) * mpp_y) ** 2)
    scale_x, scale_y = mpp_x / math.sqrt(reach), mpp_y / math.sqrt(reach)
    along, down, sums = np.empty(_ORDER + 1), np.empty(_ORDER + 1), np.zeros(28)
    for k in range(len(runs)):
        left, right = (runs[k, 1] - 0.5 - x) * scale_x, (runs[k, 2] - 0.5 - x) * scale_x
        top, bottom = (runs[k, 0] - 0.5 - y) * scale_y, (runs[k, 0] + 0.5 - y) * scale_y
        l_power, r_power, t_power, b_power = left, right, top, bottom
        for p in range(_ORDER + 1):
            along[p], down[p] = (r_power - l_power) / (p + 1), (b_power - t_power) / (p + 1)
            l_power, r_power, t_power, b_power = l_power * left, r_power * right, t_power * top, b_power * bottom
        place = 0
        for p in range(_ORDER + 1):
            for q in range(_ORDER + 1 - p):
                sums[place + q] += along[p] * down[q]
            place += _ORDER + 1 - p
    sums /= sums[0]
    return sums


@kernel
def _zernike(monomials: Floats, magnitudes: Floats) -> None:
    """Write the magnitudes of the moments of ``ZERNIKE``."""
    real, imaginary = np.zeros(_REAL.shape[1]), np.zeros(_REAL.shape[1])
    for k in range(len(monomials)):
        # All moments side by side: the sum of one would have to wait for itself.
        for row in range(real.size):
            real[row] += _REAL[k, row] * monomials[k]
            imaginary[row] += _IMAGINARY[k, row] * monomials[k]
    for row in range(real.size):
        magnitudes[row] = math.hypot(real[row], imaginary[row])
