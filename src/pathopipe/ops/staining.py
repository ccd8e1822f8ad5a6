"""How strongly nuclei are stained, how the stain is distributed inside them, and how it is around them."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.stain import Stains, density_tables, optical_density

PLANES: Final = ("hematoxylin", "eosin", "red", "green", "blue")
"""What is measured: both stains, and the optical density of each color."""
STATISTICS: Final = ("mean", "sd", "p05", "p25", "p50", "p75", "p95", "skew", "kurtosis", "entropy", "edge")
RINGS_UM: Final = (2.0, 5.0)
"""Widths of the surroundings."""
AROUND: Final = tuple(f"{what}_{width:g}um" for width in RINGS_UM for what in ("ring", "contrast"))
STAINING_FEATURES: Final = tuple(f"{plane}_{name}" for plane in PLANES for name in (*STATISTICS, *AROUND))
BIN_OD: Final = 0.05
"""Width of the bins of the histogram whose entropy is taken."""
_BINS: Final = 64
_QUANTILES: Final = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
_OF_LEVELS: Final = optical_density(np.arange(256, dtype=np.uint8)).astype(np.float64)

Floats = NDArray[np.float64]
Planes = NDArray[np.float32]


def planes_of(rgb: NDArray[np.uint8], stains: Stains) -> Planes:
    """Densities of both stains and of the three colors of an image (H, W, 3): float32 (5, H, W), in optical density.

    The stains as `stain.densities` gives them, to the last bit.
    """
    return _planes(np.ascontiguousarray(rgb), density_tables(stains), optical_density(np.arange(256, dtype=np.uint8)))


def measure_staining(
    labels: NDArray[np.int32],
    boxes: NDArray[np.int64],
    rgb: NDArray[np.uint8],
    planes: Planes,
    mpp_x: float,
    mpp_y: float,
) -> dict[str, Floats]:
    """Measure the optical density in the nuclei of a label image, and around them.

    Parameters
    ----------
    labels
        int32 (H, W), 0 is background. Only what lies outside of the slide may be missing of the 5 um around a nucleus.
    boxes
        Their bounding boxes, as `boxes.bounding_boxes` gives them.
    rgb, planes
        uint8 (H, W, 3), and float32 (5, H, W), as `planes_of` gives them for it.
    mpp_x, mpp_y
        Micrometers per pixel.

    Returns
    -------
    dict
        One float64 array (count,) per name of ``STAINING_FEATURES``; NaN where a number has no pixel. Per plane, over
        the pixels of the nucleus:

        * ``mean``, ``sd`` (of the population), ``p05`` to ``p95`` (linear between values, type 7 of Hyndman and Fan
          1996), ``skew`` and ``kurtosis`` (third and fourth standardized moments, the latter minus 3; NaN where all
          values are equal).
        * ``entropy``: Shannon's, in bits, of a histogram of bins of 0.05 OD (Shannon 1948).
        * ``edge``: mean drop of density across the outline, that is of (pixel inside - pixel outside) over all pixel
          edges of the outline. High for a crisp, dark membrane, near 0 for a blurred or misplaced outline.
        * ``ring_2um``, ``ring_5um``: mean over the pixels whose center lies at most 2 or 5 um from that of a pixel of
          the nucleus, and outside of it. Other nuclei count as what they are, surroundings, so that a nucleus measures
          the same whether they are in the image or not.
        * ``contrast_2um``, ``contrast_5um``: ``mean`` minus these.
    """
    reaches = np.array([[width / mpp_x, width / mpp_y] for width in RINGS_UM])
    measured = _measure(labels, boxes, rgb, planes, reaches, _OF_LEVELS)
    return dict(zip(STAINING_FEATURES, measured.T, strict=True))


def blurred(plane: NDArray[np.float32], sigma_x: float, sigma_y: float) -> NDArray[np.float32]:
    """Gaussian blur of a plane (H, W) with these standard deviations in pixels, cut off at four of them."""
    size = (2 * math.ceil(4 * sigma_x) + 1, 2 * math.ceil(4 * sigma_y) + 1)
    out = cv2.GaussianBlur(plane, size, sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32)


@kernel
def _planes(rgb: NDArray[np.uint8], tables: NDArray[np.float32], colors: NDArray[np.float32]) -> Planes:
    height, width = rgb.shape[:2]
    out = np.empty((5, height, width), np.float32)
    for row in range(height):
        for column in range(width):
            red, green, blue = rgb[row, column]
            for stain in range(2):
                parts = tables[stain]
                out[stain, row, column] = max(parts[red, 0] + parts[green, 1] + parts[blue, 2], np.float32(0))
            out[2, row, column], out[3, row, column], out[4, row, column] = colors[red], colors[green], colors[blue]
    return out


@kernel
def _measure(
    labels: NDArray[np.int32],
    boxes: NDArray[np.int64],
    rgb: NDArray[np.uint8],
    planes: Planes,
    reaches: Floats,
    of_levels: Floats,
) -> Floats:
    count, columns = len(boxes), 11 + 2 * len(reaches)
    out = np.full((count, 5 * columns), np.nan)
    for i in range(count):
        if boxes[i, 2] == 0:
            continue
        rows, cols = _pixels_of(labels, boxes[i], i + 1)
        values, room = np.empty(len(rows)), np.empty(len(rows))
        edges = _edges(labels, planes, rows, cols)
        for kind in range(5):
            part = out[i, kind * columns : kind * columns + 11]
            part[10] = edges[kind]
            if kind < 2:
                for k in range(len(rows)):
                    values[k] = planes[kind, rows[k], cols[k]]
                _describe(values, room, part)
            else:
                counts = np.zeros(256, np.int64)
                for k in range(len(rows)):
                    counts[rgb[rows[k], cols[k], kind - 2]] += 1
                _describe_levels(counts, len(rows), of_levels, part)
        for ring in range(len(reaches)):
            means = _ring_means(labels, planes, rows, cols, reaches[ring])
            for kind in range(5):
                place = kind * columns + 11 + 2 * ring
                out[i, place] = means[kind]
                out[i, place + 1] = out[i, kind * columns] - means[kind]
    return out


@kernel
def _pixels_of(
    labels: NDArray[np.int32], box: NDArray[np.int64], label: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pixels of a nucleus, row by row."""
    room = (box[2] - box[0]) * (box[3] - box[1])
    rows, cols, n = np.empty(room, np.int64), np.empty(room, np.int64), 0
    for row in range(box[0], box[2]):
        for column in range(box[1], box[3]):
            if labels[row, column] == label:
                rows[n], cols[n] = row, column
                n += 1
    return rows[:n], cols[:n]


@kernel
def _describe(values: Floats, room: Floats, out: Floats) -> None:
    """Write mean, SD, five quantiles, skewness, kurtosis and entropy of values (n,), which are sorted into ``room``."""
    n = len(values)
    mean = values.sum() / n
    second = third = fourth = 0.0
    for value in values:
        square = (value - mean) * (value - mean)
        second += square
        third += square * (value - mean)
        fourth += square * square
    second, third, fourth = second / n, third / n, fourth / n
    out[0], out[1] = mean, math.sqrt(second)
    if second > 1e-12:
        out[7], out[8] = third / second**1.5, fourth / second**2 - 3.0
    out[9] = _entropy(values)
    _sort(values, room)
    for k in range(5):
        place = _QUANTILES[k] * (n - 1)
        low = int(place)
        high = min(low + 1, n - 1)
        out[2 + k] = room[low] + (place - low) * (room[high] - room[low])


@kernel
def _describe_levels(counts: NDArray[np.int64], n: int, of_levels: Floats, out: Floats) -> None:
    """Write the same of n pixels that are counted by their levels (256,), whose values fall as the levels rise."""
    mean = 0.0
    for level in range(256):
        mean += counts[level] * of_levels[level]
    mean /= n
    second = third = fourth = 0.0
    bins = np.zeros(_BINS, np.int64)
    for level in range(256):
        if counts[level]:
            apart = of_levels[level] - mean
            square = apart * apart
            second += counts[level] * square
            third += counts[level] * square * apart
            fourth += counts[level] * square * square
            bins[min(int(of_levels[level] / BIN_OD), _BINS - 1)] += counts[level]
    second, third, fourth = second / n, third / n, fourth / n
    out[0], out[1] = mean, math.sqrt(second)
    if second > 1e-12:
        out[7], out[8] = third / second**1.5, fourth / second**2 - 3.0
    out[9] = _entropy_of(bins, n)
    for k in range(5):
        place = _QUANTILES[k] * (n - 1)
        low = int(place)
        first, second_one = of_levels[_ranked(counts, low)], of_levels[_ranked(counts, min(low + 1, n - 1))]
        out[2 + k] = first + (place - low) * (second_one - first)


@kernel
def _ranked(counts: NDArray[np.int64], rank: int) -> int:
    """Level of the pixel of a rank, 0 for the highest level, of pixels that are counted by level (256,)."""
    level, before = 255, 0
    while before + counts[level] <= rank:
        before += counts[level]
        level -= 1
    return level


@kernel
def _sort(values: Floats, into: Floats) -> None:
    """Sort values (n,): by buckets of equal width, and within each, which holds few, by insertion."""
    n, low, high = len(values), values.min(), values.max()
    scale = (n - 1) / (high - low) if high > low else 0.0
    ends = np.zeros(n + 1, np.int64)
    for value in values:
        ends[int((value - low) * scale) + 1] += 1
    for k in range(n):
        ends[k + 1] += ends[k]
    for value in values:
        bucket = int((value - low) * scale)
        into[ends[bucket]] = value
        ends[bucket] += 1
    for k in range(1, n):
        value, place = into[k], k
        while place and into[place - 1] > value:
            into[place] = into[place - 1]
            place -= 1
        into[place] = value


@kernel
def _entropy(values: Floats) -> float:
    """Shannon's entropy in bits of the histogram of values (n,)."""
    counts = np.zeros(_BINS, np.int64)
    for value in values:
        counts[min(max(int(value / BIN_OD), 0), _BINS - 1)] += 1
    return _entropy_of(counts, len(values))


@kernel
def _entropy_of(counts: NDArray[np.int64], n: int) -> float:
    total = 0.0
    for found in counts:
        if found:
            total -= found / n * math.log2(found / n)
    return total


@kernel
def _edges(labels: NDArray[np.int32], planes: Planes, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Floats:
    """Mean drop per plane across the pixel edges of the outline."""
    height, width = labels.shape
    label, edges, drops = labels[rows[0], cols[0]], 0, np.zeros(5)
    for k in range(len(rows)):
        row, column = rows[k], cols[k]
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            y, x = row + dy, column + dx
            if 0 <= y < height and 0 <= x < width and labels[y, x] != label:
                edges += 1
                for kind in range(5):
                    drops[kind] += np.float64(planes[kind, row, column]) - np.float64(planes[kind, y, x])
    return drops / edges if edges else np.full(5, np.nan)


@kernel
def _ring_means(
    labels: NDArray[np.int32], planes: Planes, rows: NDArray[np.int64], cols: NDArray[np.int64], reach: Floats
) -> Floats:
    """Mean per plane of the pixels outside of a nucleus within a reach (x, y in pixels) of one of its pixels."""
    height, width = labels.shape
    reach_x, reach_y = int(reach[0]), int(reach[1])
    top, bottom = max(rows[0] - reach_y, 0), min(rows[-1] + reach_y + 1, height)
    left, right = max(cols.min() - reach_x, 0), min(cols.max() + reach_x + 1, width)
    steps = _within(rows, cols, reach, np.array([top, left, bottom, right]))
    label, n = labels[rows[0], cols[0]], 0
    first = second = third = fourth = fifth = 0.0
    for row in range(top, bottom):
        inside = 0
        for column in range(left, right):
            inside += steps[row - top, column - left]
            if inside > 0 and labels[row, column] != label:
                n += 1
                # Five sums side by side: each would have to wait for itself.
                first += planes[0, row, column]
                second += planes[1, row, column]
                third += planes[2, row, column]
                fourth += planes[3, row, column]
                fifth += planes[4, row, column]
    sums = np.array([first, second, third, fourth, fifth])
    return sums / n if n else np.full(5, np.nan)


@kernel
def _within(
    rows: NDArray[np.int64], cols: NDArray[np.int64], reach: Floats, window: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Where runs of pixels within reach of a nucleus begin (+1) and end (-1) in the rows of a window.

    A run of its pixels in a row reaches a run of pixels in each row nearby.
    """
    top, left, bottom, right = window
    steps = np.zeros((bottom - top, right - left + 1), np.int32)
    reach_y, first = int(reach[1]), 0
    for k in range(len(rows)):
        if k + 1 < len(rows) and rows[k + 1] == rows[k] and cols[k + 1] == cols[k] + 1:
            continue
        for row in range(max(rows[k] - reach_y, top), min(rows[k] + reach_y + 1, bottom)):
            part = (row - rows[k]) / reach[1]
            wide = int(reach[0] * math.sqrt(max(1.0 - part * part, 0.0)) + 1e-9)
            steps[row - top, max(cols[first] - wide, left) - left] += 1
            steps[row - top, min(cols[k] + wide + 1, right) - left] -= 1
        first = k + 1
    return steps
