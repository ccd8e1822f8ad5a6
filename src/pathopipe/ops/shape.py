"""Size and shape of nuclei, measured on their pixels in micrometers.

All sums are taken in whole pixels relative to the nucleus itself, so a nucleus measures the same to the last bit
wherever in a block it lies.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.runs import Runs

SHAPE_FEATURES: Final = (
    "area_um2",
    "perimeter_um",
    "major_axis_um",
    "minor_axis_um",
    "eccentricity",
    "solidity",
    "circularity",
)

# Columns that a step down goes aside in the four directions of crossings; along rows there is no step down.
_ASIDE: Final = (0, 0, 1, -1)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def measure_shapes(runs: Runs, mpp_x: float, mpp_y: float) -> dict[str, Floats]:
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
        One float64 array (n,) per name of ``SHAPE_FEATURES``.

        * ``area_um2``: pixels times the area of a pixel.
        * ``perimeter_um``: Crofton's formula in four directions, see `crofton_weights`.
        * ``major_axis_um``, ``minor_axis_um``: axes of the ellipse with the same second central moments of the pixel
          centers, ``eccentricity`` of that ellipse (as scikit-image's ``regionprops``).
        * ``solidity``: area over area of the convex hull, both of the outline through the midpoints of pixel edges,
          which is the polygon that is stored. At most 1 by definition.
        * ``circularity``: 4 pi area / perimeter squared (Cox 1927), clipped at 1, which the digital estimate of a
          disc's perimeter can pass by two percent.
    """
    pixels, moments, crossings, solidity = _measure(*runs)
    present = pixels > 0
    area = np.where(present, pixels * (mpp_x * mpp_y), np.nan)
    # Not as a matrix product, whose last bits depend on how many nuclei there are.
    lengths = [times * length for times, length in zip(crossings.T, crofton_weights(mpp_x, mpp_y), strict=True)]
    perimeter = np.where(present, lengths[0] + lengths[1] + lengths[2] + lengths[3], np.nan)
    major, minor = _axes(pixels, moments, mpp_x, mpp_y)
    with np.errstate(invalid="ignore", divide="ignore"):
        eccentricity = np.where(major > 0, np.sqrt(1.0 - np.minimum(1.0, (minor / major) ** 2)), 0.0)
        circularity = np.minimum(1.0, 4.0 * math.pi * area / perimeter**2)
    columns = (area, perimeter, major, minor, np.where(present, eccentricity, np.nan), solidity, circularity)
    return dict(zip(SHAPE_FEATURES, columns, strict=True))


@kernel
def hull_areas(coords: Floats, offsets: Counts) -> Floats:
    """Areas (n,) of the convex hulls of rings whose points lie on half pixels, see `pathopipe.ops.outline.Outlines`."""
    areas = np.zeros(len(offsets) - 1)
    for i in range(areas.size):
        # In half pixels from the corner of the ring's box: the ends of each row that has points.
        ring = 2 * coords[offsets[i] : offsets[i + 1]]
        left, top, right = ring[:, 0].min(), ring[:, 1].min(), ring[:, 0].max()
        rows = np.int64(ring[:, 1].max() - top) + 1
        lefts, rights = np.full((rows, 2), np.int64(right - left), np.int64), np.full((rows, 2), -1, np.int64)
        for k in range(len(ring)):
            x, y = np.int64(ring[k, 0] - left), np.int64(ring[k, 1] - top)
            lefts[y, 0], rights[y, 0] = min(lefts[y, 0], x), max(rights[y, 0], x)
            lefts[y, 1], rights[y, 1] = y, y
        filled = rights[:, 0] >= 0
        areas[i] = (_chain_area(rights[filled], 1) - _chain_area(lefts[filled], -1)) / 8.0
    return areas


def crofton_weights(mpp_x: float, mpp_y: float) -> Floats:
    """Micrometers of perimeter per crossing of the outline along rows, columns, and the two diagonals; float64 (4,).

    Cauchy-Crofton: the perimeter is half the integral over direction and offset of the number of crossings. A
    direction stands for the angles nearest to it, and its lines lie ``spacing`` apart (Legland, Kieu and Devaux 2007;
    square pixels give scikit-image's ``perimeter_crofton`` with four directions).
    """
    slope = math.atan2(mpp_y, mpp_x)
    diagonal = mpp_x * mpp_y / math.hypot(mpp_x, mpp_y)
    angles = (slope, math.pi / 2 - slope, math.pi / 4, math.pi / 4)
    spacings = (mpp_y, mpp_x, diagonal, diagonal)
    return np.array([0.5 * angle * spacing for angle, spacing in zip(angles, spacings, strict=True)])


def _axes(pixels: Counts, moments: Counts, mpp_x: float, mpp_y: float) -> tuple[Floats, Floats]:
    """Full axes in um of the ellipses with the given raw moments; float64 (N,) each."""
    with np.errstate(invalid="ignore", divide="ignore"):
        n = np.where(pixels > 0, pixels, np.nan)
        mean_x, mean_y, xx, yy, xy = (moments / n[:, None]).T
        xx, yy, xy = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    xx, yy, xy = xx * mpp_x**2, yy * mpp_y**2, xy * mpp_x * mpp_y
    half, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return 4.0 * np.sqrt(np.maximum(half + spread, 0.0)), 4.0 * np.sqrt(np.maximum(half - spread, 0.0))


@kernel
def _measure(runs: Counts, ends: Counts) -> tuple[Counts, Counts, Counts, Floats]:
    """What `_tally` and `_solidities` return."""
    pixels, moments, crossings = _tally(runs, ends)
    return pixels, moments, crossings, _solidities(runs, ends, pixels)


@kernel
def _tally(runs: Counts, ends: Counts) -> tuple[Counts, Counts, Counts]:
    """Count by nucleus, from its runs: pixels, sums of x, y, xx, yy, xy, crossings of the outline by direction.

    x and y begin at its first pixel in reading order. Sums over a run are closed forms: no pixel is looked at.
    """
    count = len(ends) - 1
    pixels, moments, crossings = (
        np.zeros(count, np.int64),
        np.zeros((count, 5), np.int64),
        np.zeros((count, 4), np.int64),
    )
    for i in range(count):
        own = runs[ends[i] : ends[i + 1]]
        for k in range(len(own)):
            n, y, first = own[k, 2] - own[k, 1], own[k, 0] - own[0, 0], own[k, 1] - own[0, 1]
            last = first + n - 1
            x = (first + last) * n // 2
            pixels[i] += n
            moments[i, 0] += x
            moments[i, 1] += y * n
            # Squares up to `last` without those below `first`: the closed form holds for negative numbers, too.
            moments[i, 2] += (last * (last + 1) * (2 * last + 1) - (first - 1) * first * (2 * first - 1)) // 6
            moments[i, 3] += y * y * n
            moments[i, 4] += y * x
        crossings[i] = _crossings(own, pixels[i])
    return pixels, moments, crossings


@kernel
def _crossings(runs: Counts, pixels: int) -> Counts:
    """Crossings (4,) of the outline along rows, columns, and the two diagonals.

    Along a direction every pixel has a neighbor before and after it; both are crossings unless they are pixels, too.
    """
    together, below = np.zeros(4, np.int64), 0
    together[0] = pixels - len(runs)
    for k in range(len(runs)):
        row, first, after = runs[k]
        while below < len(runs) and runs[below, 0] <= row:
            below += 1
        m = below
        while m < len(runs) and runs[m, 0] == row + 1:
            for direction in range(1, 4):
                aside = _ASIDE[direction]
                shared = min(after + aside, runs[m, 2]) - max(first + aside, runs[m, 1])
                together[direction] += max(shared, 0)
            m += 1
    return 2 * (pixels - together)


@kernel
def _solidities(runs: Counts, ends: Counts, pixels: Counts) -> Floats:
    """Area of the outline through the midpoints of pixel edges over the area of its convex hull; float64 (N,)."""
    result = np.full(len(pixels), np.nan)
    for i in range(len(pixels)):
        if pixels[i] > 0:
            lefts, rights = _row_ends(runs[ends[i] : ends[i + 1]])
            # Convex corners of a simple outline outnumber the concave ones by four; each cuts off an eighth of a pixel.
            result[i] = (pixels[i] - 0.5) / _hull_area(lefts, rights)
    return result


@kernel
def _row_ends(runs: Counts) -> tuple[Counts, Counts]:
    """First and last column of every row of a nucleus."""
    top, rows = runs[0, 0], runs[-1, 0] - runs[0, 0] + 1
    lefts, rights = np.full(rows, runs[:, 2].max(), np.int64), np.full(rows, -1, np.int64)
    for k in range(len(runs)):
        row = runs[k, 0] - top
        lefts[row], rights[row] = min(lefts[row], runs[k, 1]), max(rights[row], runs[k, 2] - 1)
    return lefts, rights


@kernel
def _hull_area(lefts: Counts, rights: Counts) -> float:
    """Area in pixels of the convex hull of the midpoints of the edges of all pixels between the ends of each row."""
    rows = len(lefts)
    left, right = np.empty((2 * rows + 1, 2), np.int64), np.empty((2 * rows + 1, 2), np.int64)
    for k in range(2 * rows + 1):
        # In half pixels: odd k is the middle of a row, even k the line between two rows, with midpoints of both.
        above, below = max(k // 2 - 1 + k % 2, 0), min(k // 2, rows - 1)
        reach = k % 2
        left[k, 0], left[k, 1] = 2 * min(lefts[above], lefts[below]) - reach, k
        right[k, 0], right[k, 1] = 2 * max(rights[above], rights[below]) + reach, k
    return (_chain_area(right, 1) - _chain_area(left, -1)) / 8.0


@kernel
def _chain_area(points: Counts, side: int) -> int:
    """Twice the area between the y axis and the convex chain over points sorted by y; ``side`` 1 bulges to larger x."""
    kept = 0
    for k in range(len(points)):
        while kept >= 2:
            ax, ay = points[kept - 1, 0] - points[kept - 2, 0], points[kept - 1, 1] - points[kept - 2, 1]
            bx, by = points[k, 0] - points[kept - 2, 0], points[k, 1] - points[kept - 2, 1]
            if side * (ax * by - ay * bx) > 0:
                break
            kept -= 1
        points[kept] = points[k]
        kept += 1
    area = 0
    for k in range(1, kept):
        area += (points[k, 0] + points[k - 1, 0]) * (points[k, 1] - points[k - 1, 1])
    return area
