"""Mean stain in the surroundings of nuclei.

Row by row, what lies within reach of a nucleus is one long run of pixels, so few pixels are asked whose they are::

    . . . . . . . . .      #  the nucleus: each of its runs reaches a run in the rows nearby,
    . . o o o o o . .         shorter the farther that row is
    . o o # # # o o .      o  within reach: the runs reached in a row overlap and are one,
    . o o # # # # o o         from the first of their beginnings to the last of their ends
    . . o o # # o o .
    . . . o o o o . .      sum of the surroundings = sum of what is reached - sum of the nucleus
"""

import math

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Planes = NDArray[np.float32]


@kernel
def mean_around(
    runs: Counts, ends: Counts, rgb: Bytes, stains: Planes, reach_x: float, reach_y: float, of_levels: Floats
) -> Floats:
    """Mean optical densities of the pixels around nuclei.

    Parameters
    ----------
    runs, ends
        Pixels of the nuclei, as `runs.Runs` holds them.
    rgb, stains
        uint8 (H, W, 3), and float32 (2, H, W): densities of hematoxylin and eosin.
    reach_x, reach_y
        Half axes in pixels of the ellipse around each pixel of a nucleus that surroundings are.
    of_levels
        Optical density of the 256 levels of a color.

    Returns
    -------
    (n, 5): of hematoxylin, eosin, red, green and blue; NaN where nothing is around.
    """
    wide = np.empty(int(reach_y) + 1, np.int64)
    for away in range(len(wide)):
        wide[away] = int(reach_x * math.sqrt(1.0 - (away / reach_y) ** 2) + 1e-9)
    means = np.full((len(ends) - 1, 5), np.nan)
    for i in range(len(means)):
        own = runs[ends[i] : ends[i + 1]]
        if len(own):
            inside, reached = np.zeros(6), np.zeros(6)
            for k in range(len(own)):
                _add(rgb, stains, own[k, 0], own[k, 1], own[k, 2], of_levels, inside)
            _add_reached(own, rgb, stains, wide, of_levels, reached)
            around = reached - inside
            if around[5]:
                means[i] = around[:5] / around[5]
    return means


@kernel
def _add_reached(own: Counts, rgb: Bytes, stains: Planes, wide: Counts, of_levels: Floats, sums: Floats) -> None:
    """Add up what is within reach of the runs of a nucleus, itself as well."""
    height, width = stains.shape[1:]
    up, begin = len(wide) - 1, 0
    for row in range(max(own[0, 0] - up, 0), min(own[-1, 0] + up + 1, height)):
        while own[begin, 0] < row - up:
            begin += 1
        first, after, apart = width, -1, False
        end = begin
        while end < len(own) and own[end, 0] <= row + up:
            aside = wide[abs(row - own[end, 0])]
            left, right = own[end, 1] - aside, own[end, 2] + aside
            apart |= end > begin and (left > after or right < first)
            first, after, end = min(first, left), max(after, right), end + 1
        first, after = max(first, 0), min(after, width)
        if apart:
            _add_apart(own[begin:end], row, first, after, rgb, stains, wide, of_levels, sums)
        else:
            _add(rgb, stains, row, first, after, of_levels, sums)


@kernel
def _add_apart(
    runs: Counts,
    row: int,
    first: int,
    after: int,
    rgb: Bytes,
    stains: Planes,
    wide: Counts,
    of_levels: Floats,
    sums: Floats,
) -> None:
    """Add up a row of which runs may reach several pieces, as in the mouth of a kidney."""
    reached = np.zeros(after - first, np.bool_)
    for k in range(len(runs)):
        aside = wide[abs(row - runs[k, 0])]
        reached[max(runs[k, 1] - aside - first, 0) : max(runs[k, 2] + aside - first, 0)] = True
    begin = 0
    for k in range(len(reached)):
        if reached[k] and (k == 0 or not reached[k - 1]):
            begin = k
        if reached[k] and (k + 1 == len(reached) or not reached[k + 1]):
            _add(rgb, stains, row, first + begin, first + k + 1, of_levels, sums)


@kernel
def _add(rgb: Bytes, stains: Planes, row: int, first: int, after: int, of_levels: Floats, sums: Floats) -> None:
    """Add a run of pixels to the sums of five densities and to the number of pixels."""
    one, other, colors = stains[0, row, first:after], stains[1, row, first:after], rgb[row, first:after]
    hematoxylin = eosin = red = green = blue = 0.0
    for k in range(one.size):
        # Five sums side by side: each would have to wait for itself.
        hematoxylin += one[k]
        eosin += other[k]
        red += of_levels[colors[k, 0]]
        green += of_levels[colors[k, 1]]
        blue += of_levels[colors[k, 2]]
    sums[0] += hematoxylin
    sums[1] += eosin
    sums[2] += red
    sums[3] += green
    sums[4] += blue
    sums[5] += one.size
