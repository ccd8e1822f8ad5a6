"""Size and shape of nuclei, measured on a label image in micrometers.

All sums are taken in whole pixels relative to the nucleus itself, so a nucleus measures the same to the last bit
wherever in a block it lies.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

SHAPE_FEATURES: Final = (
    "area_um2",
    "perimeter_um",
    "major_axis_um",
    "minor_axis_um",
    "eccentricity",
    "solidity",
    "circularity",
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Labels = NDArray[np.int32]


def measure_shapes(labels: Labels, count: int, mpp_x: float, mpp_y: float) -> dict[str, Floats]:
    """Measure the nuclei 1 to ``count`` of a label image.

    Parameters
    ----------
    labels
        int32 (H, W), 0 is background. Every nucleus is 4-connected and without holes (the contract of ``segment``) and
        wholly inside the image.
    count
        Number of nuclei; a number that no pixel carries gets NaN.
    mpp_x, mpp_y
        Micrometers per pixel; the two may differ.

    Returns
    -------
    dict
        One float64 array (count,) per name of ``SHAPE_FEATURES``, row i is nucleus i + 1.

        * ``area_um2``: pixels times the area of a pixel.
        * ``perimeter_um``: Crofton's formula in four directions, see `crofton_weights`.
        * ``major_axis_um``, ``minor_axis_um``: axes of the ellipse with the same second central moments of the pixel
          centers, ``eccentricity`` of that ellipse (as scikit-image's ``regionprops``).
        * ``solidity``: area over area of the convex hull, both of the outline through the midpoints of pixel edges,
          which is the polygon that is stored. At most 1 by definition.
        * ``circularity``: 4 pi area / perimeter squared (Cox 1927), clipped at 1, which the digital estimate of a
          disc's perimeter can pass by two percent.
    """
    pixels, tops, bottoms, moments, crossings = _tally(labels, count)
    present = pixels > 0
    area = np.where(present, pixels * (mpp_x * mpp_y), np.nan)
    # Not as a matrix product, whose last bits depend on how many nuclei there are.
    lengths = [times * length for times, length in zip(crossings.T, crofton_weights(mpp_x, mpp_y), strict=True)]
    perimeter = np.where(present, lengths[0] + lengths[1] + lengths[2] + lengths[3], np.nan)
    major, minor = _axes(pixels, moments, mpp_x, mpp_y)
    solidity = _solidities(labels, pixels, tops, bottoms)
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
def _tally(labels: Labels, count: int) -> tuple[Counts, Counts, Counts, Counts, Counts]:
    """Count by nucleus: pixels, first and last row, sums of x, y, xx, yy, xy, crossings by direction."""
    height, width = labels.shape
    pixels, bottoms = np.zeros(count, np.int64), np.full(count, -1, np.int64)
    tops, lefts = np.zeros(count, np.int64), np.zeros(count, np.int64)
    moments, crossings = np.zeros((count, 5), np.int64), np.zeros((count, 4), np.int64)
    for row in range(height):
        for column in range(width):
            label = labels[row, column]
            if label == 0:
                continue
            i = label - 1
            if pixels[i] == 0:
                tops[i], lefts[i] = row, column
            pixels[i] += 1
            bottoms[i] = row
            x, y = column - lefts[i], row - tops[i]
            moments[i, 0] += x
            moments[i, 1] += y
            moments[i, 2] += x * x
            moments[i, 3] += y * y
            moments[i, 4] += x * y
            _count_crossings(labels, row, column, crossings[i])
    return pixels, tops, bottoms, moments, crossings


@kernel
def _count_crossings(labels: Labels, row: int, column: int, crossings: Counts) -> None:
    """Add, for each direction, how many of the pixel's two neighbors along it lie outside its nucleus."""
    label, last_row, last_column = labels[row, column], labels.shape[0] - 1, labels.shape[1] - 1
    up, down, left, right = row > 0, row < last_row, column > 0, column < last_column
    crossings[0] += not (left and labels[row, column - 1] == label)
    crossings[0] += not (right and labels[row, column + 1] == label)
    crossings[1] += not (up and labels[row - 1, column] == label)
    crossings[1] += not (down and labels[row + 1, column] == label)
    crossings[2] += not (up and left and labels[row - 1, column - 1] == label)
    crossings[2] += not (down and right and labels[row + 1, column + 1] == label)
    crossings[3] += not (up and right and labels[row - 1, column + 1] == label)
    crossings[3] += not (down and left and labels[row + 1, column - 1] == label)


@kernel
def _solidities(labels: Labels, pixels: Counts, tops: Counts, bottoms: Counts) -> Floats:
    """Area of the outline through the midpoints of pixel edges over the area of its convex hull; float64 (N,)."""
    count = len(pixels)
    starts = np.zeros(count + 1, np.int64)
    for i in range(count):
        starts[i + 1] = starts[i] + (bottoms[i] - tops[i] + 1 if pixels[i] > 0 else 0)
    lefts, rights = _row_ends(labels, starts, tops)
    result = np.full(count, np.nan)
    for i in range(count):
        if pixels[i] > 0:
            # Convex corners of a simple outline outnumber the concave ones by four; each cuts off an eighth of a pixel.
            result[i] = (pixels[i] - 0.5) / _hull_area(
                lefts[starts[i] : starts[i + 1]], rights[starts[i] : starts[i + 1]]
            )
    return result


@kernel
def _row_ends(labels: Labels, starts: Counts, tops: Counts) -> tuple[Counts, Counts]:
    """Find first and last column of every row of every nucleus; nucleus i owns the entries from ``starts[i]`` on."""
    lefts, rights = np.full(starts[-1], labels.shape[1], np.int64), np.full(starts[-1], -1, np.int64)
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            label = labels[row, column]
            if label != 0:
                k = starts[label - 1] + row - tops[label - 1]
                lefts[k] = min(lefts[k], column)
                rights[k] = column
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
