"""How strongly nuclei are stained, how the stain is distributed inside them, and how it is around them."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.runs import Runs
from pathopipe.ops.stain import Stains, density_tables, optical_density
from pathopipe.ops.surroundings import means_around
from pathopipe.ops.workspace import Workspace

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
_BUCKETS: Final = 256
_FEW: Final = 64
_SQUARE: Final = 32
_QUANTILES: Final = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
_OF_LEVELS: Final = optical_density(np.arange(256, dtype=np.uint8)).astype(np.float64)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Planes = NDArray[np.float32]


def planes_of(
    rgb: NDArray[np.uint8],
    stains: Stains,
    near: tuple[Runs, int, int] | None = None,
    workspace: Workspace | None = None,
) -> Planes:
    """Densities of both stains of an image (H, W, 3), as `stain.densities` gives them, but several times as fast.

    Parameters
    ----------
    near
        Nuclei, and columns and rows around their boxes that are wanted: of other pixels, few have a density that is
        not 0.
    workspace
        What memory is taken from, that of the result, too, which holds until the next call with it: to be given new
        pages takes as long as to fill them with densities.
    """
    shape = rgb.shape[:2]
    squares = np.ones((-(-shape[0] // _SQUARE), -(-shape[1] // _SQUARE)), np.bool_)
    if near is not None:
        squares[:] = False
        _mark(*near[0], near[1], near[2], squares)
    planes = (workspace or Workspace()).array("planes", 2 * math.prod(shape), np.float32).reshape(2, *shape)
    _planes(np.ascontiguousarray(rgb), density_tables(stains), squares, planes)
    return planes


def measure_staining(
    runs: Runs, rgb: NDArray[np.uint8], planes: Planes, mpp_x: float, mpp_y: float
) -> dict[str, Floats]:
    """Measure the optical density in nuclei, and around them.

    Parameters
    ----------
    runs
        Pixels of the nuclei. Only what lies outside of the slide may be missing of the 5 um around them.
    rgb, planes
        uint8 (H, W, 3), and float32 (2, H, W), as `planes_of` gives them for it.
    mpp_x, mpp_y
        Micrometers per pixel.

    Returns
    -------
    dict
        One float64 array (n,) per name of ``STAINING_FEATURES``; NaN where a nucleus has no pixel. Per plane, over
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
    measured = _measure(*runs, rgb, planes, _OF_LEVELS).reshape(len(runs), len(PLANES), -1)
    reaches = [(width / mpp_x, width / mpp_y) for width in RINGS_UM]
    for ring, around in enumerate(means_around(runs, rgb, planes, reaches, _OF_LEVELS)):
        place = len(STATISTICS) + 2 * ring
        measured[:, :, place], measured[:, :, place + 1] = around, measured[:, :, 0] - around
    return dict(zip(STAINING_FEATURES, measured.reshape(len(runs), -1).T, strict=True))


def blurred(plane: NDArray[np.float32], sigma_x: float, sigma_y: float) -> NDArray[np.float32]:
    """Gaussian blur of a plane (H, W) with these standard deviations in pixels, cut off at four of them."""
    size = (2 * math.ceil(4 * sigma_x) + 1, 2 * math.ceil(4 * sigma_y) + 1)
    out = cv2.GaussianBlur(plane, size, sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32)


@kernel
def _mark(runs: Counts, ends: Counts, aside: int, up: int, squares: NDArray[np.bool_]) -> None:
    """Mark the squares that nuclei and what is around their boxes touch."""
    for i in range(len(ends) - 1):
        own = runs[ends[i] : ends[i + 1]]
        if len(own) > 0:
            top, left = max(own[0, 0] - up, 0) // _SQUARE, max(own[:, 1].min() - aside, 0) // _SQUARE
            bottom, right = (own[-1, 0] + up) // _SQUARE + 1, (own[:, 2].max() - 1 + aside) // _SQUARE + 1
            squares[top:bottom, left:right] = True


@kernel
def _planes(rgb: NDArray[np.uint8], tables: NDArray[np.float32], squares: NDArray[np.bool_], out: Planes) -> None:
    """Write the densities of the pixels of squares, and 0 elsewhere."""
    height, width = rgb.shape[:2]
    for row in range(height):
        wanted, square = squares[row // _SQUARE], 0
        while square < wanted.size:
            if not wanted[square]:
                out[:, row, square * _SQUARE : (square + 1) * _SQUARE] = 0
                square += 1
                continue
            first = square
            while square < wanted.size and wanted[square]:
                square += 1
            begin, end = first * _SQUARE, min(square * _SQUARE, width)
            colors, one, other = rgb[row, begin:end], out[0, row, begin:end], out[1, row, begin:end]
            for k in range(one.size):
                red, green, blue = colors[k, 0], colors[k, 1], colors[k, 2]
                one[k] = max(tables[0, red, 0] + tables[0, green, 1] + tables[0, blue, 2], np.float32(0))
                other[k] = max(tables[1, red, 0] + tables[1, green, 1] + tables[1, blue, 2], np.float32(0))


@kernel
def _measure(runs: Counts, ends: Counts, rgb: NDArray[np.uint8], planes: Planes, of_levels: Floats) -> Floats:
    """Write the statistics of each plane, with room for those of the surroundings after them."""
    count, columns = len(ends) - 1, len(STATISTICS) + len(AROUND)
    out = np.full((count, 5 * columns), np.nan)
    for i in range(count):
        own = runs[ends[i] : ends[i + 1]]
        if len(own) == 0:
            continue
        n = (own[:, 2] - own[:, 1]).sum()
        values, room = np.empty(n), np.empty(n)
        edges = _edges(rgb, planes, own, of_levels)
        levels = _levels(rgb, own)
        for kind in range(5):
            part = out[i, kind * columns : kind * columns + len(STATISTICS)]
            part[10] = edges[kind]
            if kind < 2:
                _gather(planes[kind], own, values)
                _describe(values, room, part)
            else:
                _describe_levels(levels[kind - 2], n, of_levels, part)
    return out


@kernel
def _gather(plane: NDArray[np.float32], runs: Counts, values: Floats) -> None:
    """Copy the values of the pixels of runs, one after another."""
    n = 0
    for k in range(len(runs)):
        line = plane[runs[k, 0], runs[k, 1] : runs[k, 2]]
        into = values[n : n + line.size]
        for x in range(line.size):
            into[x] = line[x]
        n += line.size


@kernel
def _levels(rgb: NDArray[np.uint8], runs: Counts) -> Counts:
    """Pixels (3, 256) of runs by color and level."""
    counts = np.zeros((3, 256), np.int64)
    for k in range(len(runs)):
        row = runs[k, 0]
        for column in range(runs[k, 1], runs[k, 2]):
            counts[0, rgb[row, column, 0]] += 1
            counts[1, rgb[row, column, 1]] += 1
            counts[2, rgb[row, column, 2]] += 1
    return counts


@kernel
def _describe(values: Floats, room: Floats, out: Floats) -> None:
    """Write mean, SD, five quantiles, skewness, kurtosis and entropy of values (n,); ``room`` is for as many."""
    n, total, low, high = len(values), 0.0, values[0], values[0]
    for value in values:
        total += value
        if value < low:  # noqa: PLR1730 (rarely, and so in less time than ``min``)
            low = value
        if value > high:  # noqa: PLR1730
            high = value
    mean = total / n
    second = third = fourth = 0.0
    counts, bins = np.zeros(_BINS, np.int64), np.empty(n, np.uint8)
    for k in range(n):
        bins[k] = min(int(values[k] / BIN_OD), _BINS - 1)
    for k in range(n):
        apart = values[k] - mean
        square = apart * apart
        second += square
        third += square * apart
        fourth += square * square
        counts[bins[k]] += 1
    second, third, fourth = second / n, third / n, fourth / n
    out[0], out[1] = mean, math.sqrt(second)
    if second > 1e-12:
        out[7], out[8] = third / second**1.5, fourth / second**2 - 3.0
    out[9] = _entropy(counts, n)
    _quantiles(values, low, high, room, out[2:7])


@kernel
def _describe_levels(counts: NDArray[np.int64], n: int, of_levels: Floats, out: Floats) -> None:
    """Write the same of n pixels that are counted by their levels (256,), whose values fall as the levels rise."""
    darkest, brightest, mean = 0, 255, 0.0
    while counts[darkest] == 0:
        darkest += 1
    while counts[brightest] == 0:
        brightest -= 1
    for level in range(darkest, brightest + 1):
        mean += counts[level] * of_levels[level]
    mean /= n
    second = third = fourth = 0.0
    bins = np.zeros(_BINS, np.int64)
    for level in range(darkest, brightest + 1):
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
    out[9] = _entropy(bins, n)
    # Ranks rise as levels fall.
    level, before = brightest, 0
    for k in range(5):
        place = _QUANTILES[k] * (n - 1)
        low = int(place)
        while before + counts[level] <= low:
            before += counts[level]
            level -= 1
        other, beyond = level, before + counts[level]
        while beyond <= min(low + 1, n - 1):
            other -= 1
            beyond += counts[other]
        out[2 + k] = of_levels[level] + (place - low) * (of_levels[other] - of_levels[level])


@kernel
def _quantiles(values: Floats, low: float, high: float, room: Floats, out: Floats) -> None:
    """Write five quantiles of values (n,) from ``low`` to ``high``; ``room`` is for as many.

    Values are put into buckets of equal width. Only the buckets that hold a quantile are sorted; each holds few values.
    """
    n = len(values)
    scale = (_BUCKETS - 1) / (high - low) if high > low else 0.0
    buckets, ends = np.empty(n, np.uint8), np.zeros(_BUCKETS, np.int32)
    for k in range(n):
        buckets[k] = int((values[k] - low) * scale)
    for bucket in buckets:
        ends[bucket] += 1
    for k in range(1, _BUCKETS):
        ends[k] += ends[k - 1]
    places = _wanted(ends, n)
    for k in range(n):
        place = places[buckets[k]]
        if place >= 0:
            room[place] = values[k]
            places[buckets[k]] = place + 1
    for number in range(_BUCKETS):
        if places[number] >= 0:
            _sort(room[ends[number - 1] if number else 0 : ends[number]])
    for k in range(5):
        place = _QUANTILES[k] * (n - 1)
        rank = int(place)
        out[k] = room[rank] + (place - rank) * (room[min(rank + 1, n - 1)] - room[rank])


@kernel
def _wanted(ends: NDArray[np.int32], n: int) -> NDArray[np.int32]:
    """Where the values of each bucket begin, of those that hold a quantile; -1 of the others."""
    places, bucket = np.full(_BUCKETS, -1, np.int32), 0
    for k in range(5):
        rank = int(_QUANTILES[k] * (n - 1))
        for wanted in (rank, min(rank + 1, n - 1)):
            while ends[bucket] <= wanted:
                bucket += 1
            places[bucket] = ends[bucket - 1] if bucket else 0
    return places


@kernel
def _sort(values: Floats) -> None:
    """Sort few values; of many, as where one pixel is much darker than all others, numpy's sort takes less time."""
    if len(values) > _FEW:
        values.sort()
        return
    for k in range(1, len(values)):
        value, place = values[k], k
        while place and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value


@kernel
def _entropy(counts: Counts, n: int) -> float:
    """Shannon's entropy in bits of a histogram of n values."""
    total = 0.0
    for found in counts:
        if found:
            total -= found / n * math.log2(found / n)
    return total


@kernel
def _edges(rgb: NDArray[np.uint8], planes: Planes, runs: Counts, of_levels: Floats) -> Floats:
    """Mean drop per plane across the pixel edges of the outline."""
    pairs = _edge_pixels(runs, planes.shape[1], planes.shape[2])
    hematoxylin = eosin = red = green = blue = 0.0
    for k in range(len(pairs)):
        row, column, y, x = pairs[k]
        hematoxylin += np.float64(planes[0, row, column]) - np.float64(planes[0, y, x])
        eosin += np.float64(planes[1, row, column]) - np.float64(planes[1, y, x])
        red += of_levels[rgb[row, column, 0]] - of_levels[rgb[y, x, 0]]
        green += of_levels[rgb[row, column, 1]] - of_levels[rgb[y, x, 1]]
        blue += of_levels[rgb[row, column, 2]] - of_levels[rgb[y, x, 2]]
    drops = np.array([hematoxylin, eosin, red, green, blue])
    return drops / len(pairs) if len(pairs) else np.full(5, np.nan)


@kernel
def _edge_pixels(runs: Counts, height: int, width: int) -> Counts:
    """Rows and columns (E, 4) of the pixels inside and outside of each pixel edge of the outline."""
    # Above and below a run lies at most its length outside, and a pixel at either end of it.
    pairs, n = np.empty((2 * ((runs[:, 2] - runs[:, 1]).sum() + len(runs)), 4), np.int64), 0
    above = below = 0
    for k in range(len(runs)):
        row, first, after = runs[k]
        for x, beyond in ((first, first - 1), (after - 1, after)):
            if 0 <= beyond < width:
                pairs[n, 0], pairs[n, 1], pairs[n, 2], pairs[n, 3] = row, x, row, beyond
                n += 1
        while runs[above, 0] < row - 1:
            above += 1
        while below < len(runs) and runs[below, 0] <= row:
            below += 1
        for y, nearest in ((row - 1, above), (row + 1, below)):
            if not 0 <= y < height:
                continue
            x, next_run = first, nearest
            # Between the runs of the next row lies what is outside.
            while x < after:
                more = next_run < len(runs) and runs[next_run, 0] == y
                for column in range(x, min(after, runs[next_run, 1]) if more else after):
                    pairs[n, 0], pairs[n, 1], pairs[n, 2], pairs[n, 3] = row, column, y, column
                    n += 1
                x = max(x, runs[next_run, 2]) if more else after
                next_run += 1
    return pairs[:n]
