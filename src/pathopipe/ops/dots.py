"""Dark dots in nuclei, like nucleoli: where hematoxylin blurred a little exceeds hematoxylin blurred more.

Only the smallest box around a nucleus' pixels outside of the rim is blurred, and one pixel more on each side, which
they are compared with. Its rows lie one after another in memory, so that a blur is a sum of shifted lists; what the
shifts wrap around from one row to the next is never looked at.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.runs import Runs

DOT_UM: Final = (0.5, 0.8)
"""Standard deviations of the two Gaussians whose difference shows dots: of a radius of about 0.9 um most."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Planes = NDArray[np.float32]
Plane = NDArray[np.float32]
Half = tuple[NDArray[np.float32], NDArray[np.float32]]


def measure_dots(
    runs: Runs, planes: Planes, depths: Floats, eosin: Floats, rim: float, least: float, mpp: tuple[float, float]
) -> Floats:
    """Find local maxima of the difference of two blurs of hematoxylin; of equal neighbors the first in reading order.

    Parameters
    ----------
    runs, planes
        As for `chromatin.measure_chromatin`.
    depths
        Of the pixels of all nuclei in um; dots lie deeper than ``rim``.
    eosin
        (n,) mean density in each nucleus.
    least
        What a maximum has to reach.
    mpp
        Micrometers per pixel, x and y.

    Returns
    -------
    (n, 3): number; height of the highest, and how much more eosin there is at it than in the nucleus: 0 without dots.
    """
    narrow, wide = (_weights(sigma / mpp[0], sigma / mpp[1]) for sigma in DOT_UM)
    return _dots(*runs, planes, depths, eosin, narrow, wide, rim, least)


def _weights(sigma_x: float, sigma_y: float) -> Half:
    """Halves of Gaussians, from the middle on, cut off at four standard deviations, along x and y."""
    halves = list[NDArray[np.float32]]()
    for sigma in (sigma_x, sigma_y):
        half = np.exp(-0.5 * (np.arange(math.ceil(4 * sigma) + 1) / sigma) ** 2)
        halves.append((half / (2 * half.sum() - half[0])).astype(np.float32))
    return halves[0], halves[1]


@kernel
def _dots(
    runs: Counts,
    ends: Counts,
    planes: Planes,
    depths: Floats,
    eosin: Floats,
    narrow: Half,
    wide: Half,
    rim: float,
    least: float,
) -> Floats:
    out, pixel = np.full((len(ends) - 1, 3), np.nan), 0
    for i in range(len(out)):
        own = runs[ends[i] : ends[i + 1]]
        if len(own) == 0:
            continue
        out[i], inner = 0.0, _inner(own, depths, pixel, rim)
        pixel += (own[:, 2] - own[:, 1]).sum()
        if len(inner) == 0:
            continue
        top, left = inner[0, 0] - 1, inner[:, 1].min() - 1
        heights, width = _heights(planes[0], top, left, inner[-1, 0] + 2, inner[:, 2].max() + 1, narrow, wide)
        for run in range(len(inner)):
            row, begin = inner[run, 0], (inner[run, 0] - top) * width - left
            line, deep = heights[begin + inner[run, 1] - 1 :], depths[inner[run, 3] + inner[run, 1] :]
            for k in range(inner[run, 2] - inner[run, 1]):
                # At once, as each by itself is anybody's guess.
                if (line[k + 1] >= least) & (line[k + 1] > line[k]) & (line[k + 1] >= line[k + 2]) & (deep[k] > rim):
                    column = inner[run, 1] + k
                    if _is_highest(heights, begin + column, width):
                        out[i, 0] += 1
                        if line[k + 1] > out[i, 1]:
                            out[i, 1], out[i, 2] = line[k + 1], planes[1, row, column] - eosin[i]
    return out


@kernel
def _inner(own: Counts, depths: Floats, pixel: int, rim: float) -> Counts:
    """Row, first column, the one after the last, and what to add for a place in ``depths``; (m, 4).

    Of what of a nucleus' runs lies between pixels outside of the rim, without pixels at the border of its box. The
    first pixel's depth is ``depths[pixel]``.
    """
    inner, n = np.empty((len(own), 4), np.int64), 0
    low, high = own[:, 1].min() + 1, own[:, 2].max() - 1
    for run in range(len(own)):
        row, begin, end = own[run]
        shift, pixel = pixel - begin, pixel + end - begin
        begin, end = max(begin, low), min(end, high)
        while begin < end and depths[shift + begin] <= rim:
            begin += 1
        while begin < end and depths[shift + end - 1] <= rim:
            end -= 1
        if begin < end and own[0, 0] < row < own[-1, 0]:
            inner[n, 0], inner[n, 1], inner[n, 2], inner[n, 3] = row, begin, end, shift
            n += 1
    return inner[:n]


@kernel
def _heights(plane: Plane, top: int, left: int, bottom: int, right: int, narrow: Half, wide: Half) -> tuple[Plane, int]:
    """Difference of two blurs of a plane in a box, row by row, and from one row to the next."""
    aside, up = len(wide[0]) - 1, len(wide[1]) - 1
    across = right - left + 2 * aside
    window = _window(plane, top - up, left - aside, bottom - top + 2 * up, across)
    fine, coarse = _blurred_twice(window, narrow[1], wide[1], across)
    fine, coarse = _blurred(fine, narrow[0]), _blurred(coarse, wide[0])
    # Both lack, before their first value, what their last blurs reach.
    fine = fine[aside - len(narrow[0]) + 1 :]
    for k in range(coarse.size):
        coarse[k] = fine[k] - coarse[k]
    return coarse, across


@kernel
def _window(plane: Plane, top: int, left: int, rows: int, width: int) -> Plane:
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
def _blurred_twice(values: Plane, narrow: Plane, wide: Plane, step: int) -> tuple[Plane, Plane]:
    """Blur values by two halves of weights that are a step apart; what the wide one does not see whole is left out."""
    reach = (len(wide) - 1) * step
    n = values.size - 2 * reach
    fine: NDArray[np.float32] = values[reach : reach + n] * narrow[0]
    coarse: NDArray[np.float32] = values[reach : reach + n] * wide[0]
    k = 1
    while k + 1 < len(narrow):
        # Two weights at a time: half as many sums are put away and fetched again.
        one, two, more, most = narrow[k], narrow[k + 1], wide[k], wide[k + 1]
        a, b, c, d = reach - k * step, reach + k * step, reach - (k + 1) * step, reach + (k + 1) * step
        before, after, first, last = values[a : a + n], values[b : b + n], values[c : c + n], values[d : d + n]
        for place in range(n):
            nearer, farther = before[place] + after[place], first[place] + last[place]
            fine[place] = (fine[place] + one * nearer) + two * farther
            coarse[place] = (coarse[place] + more * nearer) + most * farther
        k += 2
    if k < len(narrow):
        _add_weighted(values, narrow[k], k * step, fine)
    _add_weights(values, wide, k, step, coarse)
    return fine, coarse


@kernel
def _blurred(values: Plane, weights: Plane) -> Plane:
    """Blur values by half of the weights; what has not all values around it is left out."""
    reach = len(weights) - 1
    out: NDArray[np.float32] = values[reach : values.size - reach] * weights[0]
    _add_weights(values, weights, 1, 1, out)
    return out


@kernel
def _add_weights(values: Plane, weights: Plane, k: int, step: int, out: Plane) -> None:
    """Add to what values are blurred to what the weights from number k on give."""
    n, middle = out.size, (values.size - out.size) // 2
    while k + 2 < len(weights):
        # Three weights at a time: the fewer sums are put away and fetched again, the better.
        one, two, three = weights[k], weights[k + 1], weights[k + 2]
        a, b, c = middle - k * step, middle - (k + 1) * step, middle - (k + 2) * step
        before, earlier, first = values[a : a + n], values[b : b + n], values[c : c + n]
        a, b, c = middle + k * step, middle + (k + 1) * step, middle + (k + 2) * step
        after, later, last = values[a : a + n], values[b : b + n], values[c : c + n]
        for place in range(n):
            total = out[place] + one * (before[place] + after[place])
            total += two * (earlier[place] + later[place])
            out[place] = total + three * (first[place] + last[place])
        k += 3
    while k < len(weights):
        _add_weighted(values, weights[k], k * step, out)
        k += 1


@kernel
def _add_weighted(values: Plane, weight: np.float32, away: int, out: Plane) -> None:
    """Add values so far away on both sides, times a weight."""
    middle = (values.size - out.size) // 2
    before, after = values[middle - away :], values[middle + away :]
    for place in range(out.size):
        out[place] += weight * (before[place] + after[place])


@kernel
def _is_highest(values: Plane, place: int, width: int) -> bool:
    """Whether a value is higher than the three above it, and no lower than those below, as for those beside it."""
    value, above, below = values[place], place - width, place + width
    before = max(values[above - 1], values[above], values[above + 1])
    after = max(values[below - 1], values[below], values[below + 1])
    return bool(value > before and value >= after)
