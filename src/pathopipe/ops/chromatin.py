"""How chromatin lies in nuclei: dark clumps, bright spots, dots like nucleoli, and how much of it lies at the rim.

Each nucleus is measured in a window of its own, which is as much larger than its box as a blur reaches. Its rows lie
one after another in memory, so that a pixel is one number, its *place*, the pixel below it is ``place + width``, and a
blur along columns is one along rows with larger steps::

    . . . . . . . .        . a margin, never in the nucleus: no step from a pixel leads out of the window
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
    pixel, aside, up = mpp_x * mpp_y, len(wide[0]) - 1, len(wide[1]) - 1
    for i in range(len(out)):
        own = runs[ends[i] : ends[i + 1]]
        if len(own) == 0:
            continue
        top, left = own[0, 0] - up, own[:, 1].min() - aside
        width = own[:, 2].max() + aside - left
        window = _window(planes[0], top, left, own[-1, 0] + up + 1 - top, width)
        places = _places(own, top, left, width)
        first, second = np.empty(len(places)), np.empty(len(places))
        _gather(planes[0], own, first)
        _gather(planes[1], own, second)
        # The outline runs half a pixel from the centers of the outer pixels.
        longest = (own[:, 2] - own[:, 1]).max()
        depth = _depths(places, width, window.size, longest, mpp_x, mpp_y) - 0.5 * min(mpp_x, mpp_y)
        mean, sd, eosin = _means(first, second)
        mask = np.zeros(window.size, np.bool_)
        _clumps(places, width, first, depth, pixel, mask, out[i, 0:6])
        _bright(places, width, first, depth, pixel, mean - sd, mask, out[i, 6:9])
        dots = _dot_heights(window, width, narrow, wide, np.float32(1 / strong))
        _dots(places, width, dots, second, depth, eosin, out[i, 9:12])
        out[i, 12] = _margination(first, depth, mean)
        _shells(first, second, depth, mean, eosin, out[i, 13:21])
        out[i, 21] = _displacement(own, first, mpp_x, mpp_y)
        out[i, 22] = mean * len(places) * pixel
    return out


@kernel
def _window(plane: Planes, top: int, left: int, rows: int, width: int) -> NDArray[np.float32]:
    """Rows of a window one after another; beyond the image its outer pixels go on."""
    window = np.empty(rows * width, np.float32)
    bottom, right = plane.shape[0] - 1, plane.shape[1] - 1
    for row in range(rows):
        line, into = plane[min(max(top + row, 0), bottom)], window[row * width : (row + 1) * width]
        if left >= 0 and left + width <= line.size:
            into[:] = line[left : left + width]
        else:
            for column in range(width):
                into[column] = line[min(max(left + column, 0), right)]
    return window


@kernel
def _places(runs: Counts, top: int, left: int, width: int) -> Counts:
    """Places of the pixels of runs in a window."""
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
        for column in range(runs[k, 1], runs[k, 2]):
            values[n] = plane[runs[k, 0], column]
            n += 1


@kernel
def _depths(places: Counts, width: int, size: int, longest: int, mpp_x: float, mpp_y: float) -> Floats:
    """Distance in um of each pixel's center from that of the nearest pixel outside.

    Exact (Meijster, Roerdink and Hesselink 2000): along columns first, then the nearest of those in a row, in which
    the ``longest`` run of pixels leads out of the nucleus after half its length at most.
    """
    steps, along = np.zeros(size, np.int32), np.zeros(size)
    for place in places:
        steps[place] = steps[place - width] + 1
    for place in places[::-1]:
        steps[place] = min(steps[place], steps[place + width] + 1)
        along[place] = (steps[place] * mpp_y) ** 2
    begin, end = places[0], places[-1] + 1
    nearest = along[begin:end].copy()
    for reach in range(1, (longest + 1) // 2 + 1):
        square, before, after = (reach * mpp_x) ** 2, along[begin - reach : end - reach], along[begin + reach :]
        for k in range(nearest.size):
            nearest[k] = min(nearest[k], square + min(before[k], after[k]))
    depths = np.empty(len(places))
    for k in range(len(places)):
        depths[k] = math.sqrt(nearest[places[k] - begin])
    return depths


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
    low, high = values.min(), values.max()
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
        if 0 < below < n:
            apart = sum_below / below - (total - sum_below) / (n - below)
            between = below * (n - below) * apart * apart
            if between > best:
                best, split = between, place
    return split


@kernel
def _components(places: Counts, width: int, mask: Mask, least: float) -> tuple[int, int]:
    """Number of parts, connected by edges or corners, of at least so many pixels; and pixels of the largest part.

    The mask is empty afterwards.
    """
    waiting, parts, largest = np.empty(len(places), np.int64), 0, 0
    for place in places:
        if not mask[place]:
            continue
        size, ahead = 0, 1
        waiting[0], mask[place] = place, False
        while size < ahead:
            middle = waiting[size]
            size += 1
            for row in range(middle - width, middle + width + 1, width):
                for near in range(row - 1, row + 2):
                    if mask[near]:
                        mask[near] = False
                        waiting[ahead] = near
                        ahead += 1
        parts += size >= least
        largest = max(largest, size)
    return parts, largest


@kernel
def _clumps(places: Counts, width: int, plane: Floats, depth: Floats, pixel: float, mask: Mask, out: Floats) -> None:
    threshold = _otsu(plane)
    n, dark, rim = len(places), 0, 0
    total = dark_total = 0.0
    for k in range(n):
        total += plane[k]
        if plane[k] > threshold:
            mask[places[k]] = True
            dark, dark_total = dark + 1, dark_total + plane[k]
            rim += depth[k] <= RIM_UM
    parts, largest = _components(places, width, mask, LEAST_UM2 / pixel)
    out[0], out[1], out[2], out[3] = dark * pixel, dark / n, parts, largest * pixel
    out[4] = dark_total / dark - (total - dark_total) / (n - dark) if 0 < dark < n else 0.0
    out[5] = rim / dark if dark else 0.0


@kernel
def _bright(
    places: Counts, width: int, plane: Floats, depth: Floats, pixel: float, limit: float, mask: Mask, out: Floats
) -> None:
    bright = 0
    for k in range(len(places)):
        here = depth[k] > RIM_UM and plane[k] < limit
        mask[places[k]] = here
        bright += here
    out[0], out[1] = bright * pixel, bright / len(places)
    out[2] = _components(places, width, mask, LEAST_UM2 / pixel)[0]


@kernel
def _dot_heights(
    window: NDArray[np.float32],
    width: int,
    narrow: tuple[NDArray[np.float32], NDArray[np.float32]],
    wide: tuple[NDArray[np.float32], NDArray[np.float32]],
    scale: np.float32,
) -> NDArray[np.float32]:
    """Difference of two blurs of a window; right where a pixel of the nucleus is."""
    heights = np.zeros_like(window)
    for weights, sign in ((narrow, scale), (wide, -scale)):
        blurred = _blurred(_blurred(window, weights[1], width), weights[0], 1)
        begin = (len(weights[1]) - 1) * width + len(weights[0]) - 1
        into = heights[begin : begin + blurred.size]
        for k in range(blurred.size):
            into[k] += sign * blurred[k]
    return heights


@kernel
def _blurred(values: NDArray[np.float32], weights: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Blur values by weights that are a step apart; what has not all values around it is left out."""
    reach = (len(weights) - 1) * step
    n = values.size - 2 * reach
    out = values[reach : reach + n] * weights[0]
    for k in range(1, len(weights)):
        weight = weights[k]
        before, after = values[reach - k * step :][:n], values[reach + k * step :][:n]
        for place in range(n):
            out[place] += weight * (before[place] + after[place])
    return out


@kernel
def _dots(
    places: Counts, width: int, dots: NDArray[np.float32], eosin: Floats, depth: Floats, mean: float, out: Floats
) -> None:
    """Count local maxima of ``dots``; of equal neighbors the first in reading order is one."""
    out[0], out[1], out[2] = 0, 0.0, 0.0
    for k in range(len(places)):
        place = places[k]
        value = dots[place]
        if depth[k] <= RIM_UM or value < LEAST_DOT or value <= dots[place - 1] or value < dots[place + 1]:
            continue
        highest = True
        for aside in range(-1, 2):
            highest &= value > dots[place - width + aside] and value >= dots[place + width + aside]
        if highest:
            out[0] += 1
            if value > out[1]:
                out[1], out[2] = value, eosin[k] - mean


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
    deepest = depth.max()
    counts, sums, others = np.zeros(SHELLS), np.zeros(SHELLS), np.zeros(SHELLS)
    for k in range(len(depth)):
        shell = min(int((1.0 - depth[k] / deepest) * SHELLS), SHELLS - 1)
        counts[shell] += 1
        sums[shell] += first[k]
        others[shell] += second[k]
    for shell in range(SHELLS):
        if counts[shell] and mean > 1e-9:
            out[shell] = sums[shell] / counts[shell] / mean
        if counts[shell] and other_mean > 1e-9:
            out[SHELLS + shell] = others[shell] / counts[shell] / other_mean


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
