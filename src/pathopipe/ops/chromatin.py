"""How chromatin lies in nuclei: dark clumps, bright spots, dots like nucleoli, and how much of it lies at the rim.

Each nucleus is measured in a box of its own, with a frame of one pixel. Its rows lie one after another in memory, so
that a pixel is one number, its *place*, and the pixel below it is ``place + width``::

    . . . . . . . .        . the frame, never in the nucleus: no step from a pixel leads out of the box
    . . # # # # . .        # the nucleus: its places in reading order, and lists of what its pixels hold,
    . # # # # # # .          in the same order, are all that most measures need
    . . # # # . . .
    . . . . . . . .
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.runs import Runs

RIM_UM: Final = 0.75
"""Width of the rim of a nucleus."""
LEAST_UM2: Final = 0.2
"""Smaller clumps and spots are not counted."""
DOT_UM: Final = (0.5, 0.8)
"""Standard deviations of the two Gaussians whose difference shows dots: of a radius of about 0.9 um most."""
LEAST_DOT: Final = 0.05
"""A dot's height in the difference, in units of the slide's strong hematoxylin."""
SHELLS: Final = 4
CHROMATIN_FEATURES: Final = (
    "clump_area_um2",
    "clump_share",
    "clump_count",
    "clump_largest_um2",
    "clump_contrast_od",
    "clump_rim_share",
    "bright_area_um2",
    "bright_share",
    "bright_count",
    "dot_count",
    "dot_height",
    "dot_eosin_od",
    "margination",
    *(f"{stain}_shell_{shell}" for stain in ("hematoxylin", "eosin") for shell in range(1, SHELLS + 1)),
    "hematoxylin_displacement_um",
    "hematoxylin_total",
)
_BINS: Final = 256

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Planes = NDArray[np.float32]
Mask = NDArray[np.bool_]


def measure_chromatin(runs: Runs, planes: Planes, strong: float, mpp_x: float, mpp_y: float) -> dict[str, Floats]:
    """Measure how hematoxylin lies in nuclei.

    Parameters
    ----------
    runs
        Pixels of the nuclei. Only what lies outside of the slide may be missing of the 5 um around them.
    planes
        float32 (2 or more, H, W): hematoxylin and eosin, in optical density.
    strong
        The slide's strong hematoxylin, which the height of dots is relative to.
    mpp_x, mpp_y
        Micrometers per pixel.

    Returns
    -------
    dict
        One float64 array (n,) per name of ``CHROMATIN_FEATURES``; NaN where a nucleus has no pixel.

        * ``clump_``: pixels darker than Otsu's threshold between the darker and the lighter ones of the nucleus (Otsu
          1979; 256 bins): area, share of the nucleus, number (connected by edges or corners, of 0.2 um2 at least),
          area of the largest, how much darker than the rest, and the share of their area in the rim of 0.75 um.
        * ``bright_``: pixels more than one SD lighter than the nucleus' mean, outside of the rim.
        * ``dot_``: local maxima of the difference of two Gaussian blurs of hematoxylin (0.5 and 0.8 um), outside of
          the rim, that are higher than 0.05 of the slide's strong hematoxylin: number, height of the highest in that
          unit, and by how much eosin there exceeds the nucleus' mean (0 where there is none).
        * ``margination``: correlation of hematoxylin with the closeness to the outline, -1 to 1.
        * ``<stain>_shell_1`` to ``_4``: mean density in four shells from the middle (1) to the outline (4), equally
          wide in the distance to the outline, over the nucleus' mean (CellProfiler's MeanFrac, Carpenter 2006); NaN
          where a shell has no pixel.
        * ``hematoxylin_displacement_um``: distance of the center of mass of hematoxylin from the center.
        * ``hematoxylin_total``: integrated density, as for the content of DNA.
    """
    weights = [_weights(sigma / mpp_x, sigma / mpp_y) for sigma in DOT_UM]
    measured = _measure(*runs, planes, weights[0], weights[1], strong, mpp_x, mpp_y)
    return dict(zip(CHROMATIN_FEATURES, measured.T, strict=True))


def _weights(sigma_x: float, sigma_y: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Halves of Gaussians, from the middle on, cut off at four standard deviations, along x and y."""
    halves = list[NDArray[np.float32]]()
    for sigma in (sigma_x, sigma_y):
        half = np.exp(-0.5 * (np.arange(math.ceil(4 * sigma) + 1) / sigma) ** 2)
        halves.append((half / (2 * half.sum() - half[0])).astype(np.float32))
    return halves[0], halves[1]


@kernel
def _measure(
    runs: Counts,
    ends: Counts,
    planes: Planes,
    narrow: tuple[NDArray[np.float32], NDArray[np.float32]],
    wide: tuple[NDArray[np.float32], NDArray[np.float32]],
    strong: float,
    mpp_x: float,
    mpp_y: float,
) -> Floats:
    out = np.full((len(ends) - 1, 23), np.nan)
    pixel = mpp_x * mpp_y
    for i in range(len(out)):
        own = runs[ends[i] : ends[i + 1]]
        if len(own) == 0:
            continue
        left = own[:, 1].min()
        rows, width = own[-1, 0] - own[0, 0] + 3, own[:, 2].max() - left + 2
        places = _places(own, own[0, 0] - 1, left - 1, width)
        first, second = np.empty(len(places)), np.empty(len(places))
        _gather(planes[0], own, first)
        _gather(planes[1], own, second)
        depth = _depths(places, width, rows * width, (own[:, 2] - own[:, 1]).max(), mpp_x, mpp_y)
        mean, sd, eosin = _means(first, second)
        _clumps(places, width, first, depth, _otsu(first), pixel, out[i, 0:6])
        _bright(places, width, first, depth, mean - sd, pixel, out[i, 6:9])
        dots = _dot_heights(planes[0], own[0, 0], left, rows, width, narrow, wide)
        _dots(places, width, dots, second, depth, eosin, strong, out[i, 9:12])
        out[i, 12] = _margination(first, depth, mean)
        _shells(first, second, depth, mean, eosin, out[i, 13:21])
        out[i, 21] = _displacement(own, first, mpp_x, mpp_y)
        out[i, 22] = mean * len(places) * pixel
    return out


@kernel
def _places(runs: Counts, top: int, left: int, width: int) -> Counts:
    """Places of the pixels of runs in a box."""
    places, n = np.empty((runs[:, 2] - runs[:, 1]).sum(), np.int64), 0
    for k in range(len(runs)):
        begin = (runs[k, 0] - top) * width - left
        for column in range(runs[k, 1], runs[k, 2]):
            places[n] = begin + column
            n += 1
    return places


@kernel
def _gather(plane: Planes, runs: Counts, values: Floats) -> None:
    """Copy the values of the pixels of runs."""
    n = 0
    for k in range(len(runs)):
        line = plane[runs[k, 0], runs[k, 1] : runs[k, 2]]
        into = values[n : n + line.size]
        for x in range(line.size):
            into[x] = line[x]
        n += line.size


@kernel
def _depths(places: Counts, width: int, size: int, longest: int, mpp_x: float, mpp_y: float) -> Floats:
    """Distance in um of each pixel's center from the outline: half a pixel less than from the nearest pixel outside.

    Exact (Meijster, Roerdink and Hesselink 2000): along columns first, then the nearest of those in a row, in which
    the ``longest`` run of pixels leads out of the nucleus after half its length at most.
    """
    along, highest = _squares_along_columns(places, width, size, mpp_y)
    begin, end = places[0], places[-1] + 1
    nearest = along[begin:end].copy()
    for reach in range(1, min((longest + 1) // 2, int(highest * mpp_y / mpp_x)) + 1):
        # A step that leads into another row is longer than the one to the frame, where the distance is none.
        square, before, after = (reach * mpp_x) ** 2, along[begin - reach : end - reach], along[begin + reach :]
        for k in range(nearest.size):
            nearest[k] = min(nearest[k], square + min(before[k], after[k]))
    for k in range(nearest.size):
        nearest[k] = math.sqrt(nearest[k]) - 0.5 * min(mpp_x, mpp_y)
    depths = np.empty(len(places))
    for k in range(len(places)):
        depths[k] = nearest[places[k] - begin]
    return depths


@kernel
def _squares_along_columns(places: Counts, width: int, size: int, mpp_y: float) -> tuple[Floats, int]:
    """Squared distances (size,) in um2 up or down to a pixel outside, row by row; and the most steps to one."""
    steps = np.zeros(size, np.int32)
    for place in places:
        steps[place] = 1
    one = np.int32(1)
    for row in range(1, size // width):
        above, here = steps[(row - 1) * width : row * width], steps[row * width : (row + 1) * width]
        for k in range(width):
            here[k] *= above[k] + one
    for row in range(size // width - 2, -1, -1):
        below, here = steps[(row + 1) * width : (row + 2) * width], steps[row * width : (row + 1) * width]
        for k in range(width):
            here[k] = min(here[k], below[k] + one)
    squares = np.empty(size)
    for k in range(size):
        squares[k] = (steps[k] * mpp_y) ** 2
    return squares, steps.max()


@kernel
def _means(first: Floats, second: Floats) -> tuple[float, float, float]:
    """Mean and SD of the first values, and mean of the second."""
    total = other = square = 0.0
    for k in range(len(first)):
        total += first[k]
        other += second[k]
    mean = total / len(first)
    for k in range(len(first)):
        square += (first[k] - mean) ** 2
    return mean, math.sqrt(square / len(first)), other / len(first)


@kernel
def _otsu(values: Floats) -> float:
    """Threshold between the darker and the lighter pixels of a nucleus; its largest value where all are equal."""
    low, high = math.inf, -math.inf
    for value in values:
        low, high = min(low, value), max(high, value)
    width = (high - low) / _BINS
    if width < 1e-9:
        return high
    counts, bins = np.zeros(_BINS), np.empty(len(values), np.int32)
    for k in range(len(values)):
        bins[k] = min(int((values[k] - low) / width), _BINS - 1)
    for place in bins:
        counts[place] += 1
    return low + (_best_split(counts) + 0.5) * width


@kernel
def _best_split(counts: Floats) -> int:
    """Last bin of the lower class of a histogram whose two classes differ most (Otsu 1979)."""
    n, total = counts.sum(), 0.0
    for place in range(len(counts)):
        total += place * counts[place]
    best, split, below, sum_below = -1.0, 0, 0.0, 0.0
    for place in range(len(counts) - 1):
        below += counts[place]
        sum_below += place * counts[place]
        # An empty bin moves nothing from one class to the other.
        if counts[place] and below < n:
            apart = sum_below / below - (total - sum_below) / (n - below)
            between = below * (n - below) * apart * apart
            if between > best:
                best, split = between, place
    return split


@kernel
def _components(places: Counts, width: int, chosen: Mask, least: float) -> tuple[int, int]:
    """Number of parts, connected by edges or corners, of at least so many pixels; and pixels of the largest part.

    Runs of the chosen pixels are united with those that they touch in the row above (Rosenfeld and Pfaltz 1966).
    """
    firsts, afters, parents = np.empty_like(places), np.empty_like(places), np.empty_like(places)
    n = above = k = 0
    while k < len(places):
        if not chosen[k]:
            k += 1
            continue
        first = places[k]
        after = first
        while k < len(places) and chosen[k] and places[k] == after:
            k, after = k + 1, after + 1
        firsts[n], afters[n], parents[n] = first, after, n
        while afters[above] + width < first:
            above += 1
        other = above
        while firsts[other] + width <= after and other < n:
            parents[_root(parents, other)] = _root(parents, n)
            other += 1
        n += 1
    sizes, parts = np.zeros(n + 1, np.int64), 0
    for run in range(n):
        sizes[_root(parents, run)] += afters[run] - firsts[run]
    for size in sizes:
        parts += int(size > 0 and size >= least)
    return parts, sizes.max()


@kernel
def _root(parents: Counts, run: int) -> int:
    while parents[run] != run:
        parents[run] = parents[parents[run]]
        run = parents[run]
    return run


@kernel
def _clumps(
    places: Counts, width: int, plane: Floats, depth: Floats, threshold: float, pixel: float, out: Floats
) -> None:
    n, dark, rim, chosen = len(places), 0, 0, np.empty(len(places), np.bool_)
    total = dark_total = 0.0
    for k in range(n):
        # No branches: which way they go would be anybody's guess.
        chosen[k] = plane[k] > threshold
        dark += chosen[k]
        rim += chosen[k] and depth[k] <= RIM_UM
        total += plane[k]
        dark_total += plane[k] * chosen[k]
    parts, largest = _components(places, width, chosen, LEAST_UM2 / pixel)
    out[0], out[1], out[2], out[3] = dark * pixel, dark / n, parts, largest * pixel
    out[4] = dark_total / dark - (total - dark_total) / (n - dark) if 0 < dark < n else 0.0
    out[5] = rim / dark if dark else 0.0


@kernel
def _bright(places: Counts, width: int, plane: Floats, depth: Floats, limit: float, pixel: float, out: Floats) -> None:
    bright, chosen = 0, np.empty(len(places), np.bool_)
    for k in range(len(places)):
        chosen[k] = depth[k] > RIM_UM and plane[k] < limit
        bright += chosen[k]
    out[0], out[1] = bright * pixel, bright / len(places)
    out[2] = _components(places, width, chosen, LEAST_UM2 / pixel)[0]


@kernel
def _dot_heights(
    plane: Planes,
    top: int,
    left: int,
    rows: int,
    width: int,
    narrow: tuple[NDArray[np.float32], NDArray[np.float32]],
    wide: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Difference of two blurs of a plane in a box; infinite in its frame, beside which there is no dot."""
    aside, up = len(wide[0]) - 1, len(wide[1]) - 1
    across = width - 2 + 2 * aside
    window = _window(plane, top - up, left - aside, rows - 2 + 2 * up, across)
    # Without the rows that the narrow blur does not reach.
    beyond = (up - len(narrow[1]) + 1) * across
    fine = _blurred(_blurred(window[beyond : window.size - beyond], narrow[1], across), narrow[0], 1)
    coarse = _blurred(_blurred(window, wide[1], across), wide[0], 1)
    # Both lack, before their first value, what the blurs reach.
    lag = aside - len(narrow[0]) + 1
    heights = np.full(rows * width, np.float32(np.inf))
    for row in range(rows - 2):
        one, other = fine[row * across + lag :], coarse[row * across :]
        into = heights[(row + 1) * width + 1 : (row + 2) * width - 1]
        for k in range(into.size):
            into[k] = one[k] - other[k]
    return heights


@kernel
def _window(plane: Planes, top: int, left: int, rows: int, width: int) -> NDArray[np.float32]:
    """Rows of a window one after another; beyond the image its outer pixels go on."""
    window = np.empty(rows * width, np.float32)
    bottom, right = plane.shape[0] - 1, plane.shape[1] - 1
    whole = left >= 0 and left + width <= right + 1
    for row in range(rows):
        y, into = min(max(top + row, 0), bottom), window[row * width : (row + 1) * width]
        if whole:
            line = plane[y, left : left + width]
            for k in range(into.size):
                into[k] = line[k]
        else:
            for k in range(into.size):
                into[k] = plane[y, min(max(left + k, 0), right)]
    return window


@kernel
def _blurred(values: NDArray[np.float32], weights: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Blur values by weights that are a step apart; what has not all values around it is left out."""
    reach = (len(weights) - 1) * step
    n = values.size - 2 * reach
    out: NDArray[np.float32] = values[reach : reach + n] * weights[0]
    k = 1
    while k + 1 < len(weights):
        # Two weights at a time: half as many sums are put away and fetched again.
        weight, other = weights[k], weights[k + 1]
        before, after = values[reach - k * step :][:n], values[reach + k * step :][:n]
        first, last = values[reach - (k + 1) * step :][:n], values[reach + (k + 1) * step :][:n]
        for place in range(n):
            nearer = out[place] + weight * (before[place] + after[place])
            out[place] = nearer + other * (first[place] + last[place])
        k += 2
    if k < len(weights):
        before, after = values[:n], values[2 * reach :]
        for place in range(n):
            out[place] += weights[k] * (before[place] + after[place])
    return out


@kernel
def _dots(
    places: Counts,
    width: int,
    dots: NDArray[np.float32],
    eosin: Floats,
    depth: Floats,
    mean: float,
    strong: float,
    out: Floats,
) -> None:
    """Count local maxima of ``dots``; of equal neighbors the first in reading order is one."""
    least = LEAST_DOT * strong
    highest = _local_maxima(dots, width)
    out[0], out[1], out[2] = 0, 0.0, 0.0
    for k in range(len(places)):
        if highest[places[k]]:
            value = dots[places[k]]
            if depth[k] > RIM_UM and value >= least:
                out[0] += 1
                if value / strong > out[1]:
                    out[1], out[2] = value / strong, eosin[k] - mean


@kernel
def _local_maxima(values: NDArray[np.float32], width: int) -> Mask:
    """Where values in a box are higher than those before them in reading order, and no lower than those after them."""
    begin, end = width + 1, values.size - width - 1
    highest = np.ones(values.size, np.bool_)
    highest[:begin], highest[end:] = False, False
    inner, middle = highest[begin:end], values[begin:end]
    for step in (1, width - 1, width, width + 1):
        before, after = values[begin - step : end - step], values[begin + step : end + step]
        for k in range(middle.size):
            inner[k] &= (middle[k] > before[k]) & (middle[k] >= after[k])
    return highest


@kernel
def _margination(plane: Floats, depth: Floats, mean: float) -> float:
    """Correlation of the plane with the closeness to the outline; NaN where either is the same everywhere."""
    deep = depth.sum() / len(depth)
    both = squares = others = 0.0
    for k in range(len(plane)):
        value, close = plane[k] - mean, deep - depth[k]
        both += value * close
        squares += value * value
        others += close * close
    return both / math.sqrt(squares * others) if squares > 1e-12 and others > 1e-12 else np.nan


@kernel
def _shells(first: Floats, second: Floats, depth: Floats, mean: float, other_mean: float, out: Floats) -> None:
    """Write the means of both planes in each shell over those of the nucleus."""
    deepest, shells = depth.max(), np.empty(len(depth), np.int32)
    for k in range(len(depth)):
        shells[k] = min(int((1.0 - depth[k] / deepest) * SHELLS), SHELLS - 1)
    # Four sums of each: most pixels lie in the same shell as the one before, and would have to wait for its sum.
    sums = np.zeros((4, SHELLS, 4))
    for k in range(len(depth)):
        mine = sums[k & 3, shells[k]]
        mine[0] += 1
        mine[1] += first[k]
        mine[2] += second[k]
    for shell in range(SHELLS):
        n, one, other = sums[:, shell, 0].sum(), sums[:, shell, 1].sum(), sums[:, shell, 2].sum()
        if n and mean > 1e-9:
            out[shell] = one / n / mean
        if n and other_mean > 1e-9:
            out[SHELLS + shell] = other / n / other_mean


@kernel
def _displacement(runs: Counts, plane: Floats, mpp_x: float, mpp_y: float) -> float:
    n, weight = 0, 0.0
    x = y = heavy_x = heavy_y = 0.0
    for k in range(len(runs)):
        row = runs[k, 0] - runs[0, 0]
        for column in range(runs[k, 1] - runs[0, 1], runs[k, 2] - runs[0, 1]):
            value = plane[n]
            n, weight = n + 1, weight + value
            x, y = x + column, y + row
            heavy_x, heavy_y = heavy_x + value * column, heavy_y + value * row
    if weight <= 1e-9:
        return np.nan
    return math.sqrt(((heavy_x / weight - x / n) * mpp_x) ** 2 + ((heavy_y / weight - y / n) * mpp_y) ** 2)
