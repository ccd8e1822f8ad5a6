"""Stain in the surroundings of nuclei, which lie around each other in bands.

Row by row, what lies within reach of a nucleus is one long run of pixels, so few pixels are asked whose they are::

    . . . . . . . . .      #  the nucleus: each of its runs reaches a run in the rows nearby,
    . . o o o o o . .         shorter the farther that row is
    . o o # # # o o .      o  within reach: the runs reached in a row overlap and are one,
    . o o # # # # o o         from the first of their beginnings to the last of their ends
    . . o o # # o o .
    . . . o o o o . .      a band is what lies within one reach and not within the next smaller one: two runs of a row
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.runs import Runs

_ITSELF: Final = np.zeros(1, np.int64)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Planes = NDArray[np.float32]


def means_around(
    runs: Runs, rgb: Bytes, stains: Planes, reaches: list[tuple[float, float]], of_levels: Floats
) -> list[Floats]:
    """Mean optical densities of the pixels around nuclei.

    Parameters
    ----------
    runs
        Pixels of the nuclei.
    rgb, stains
        uint8 (H, W, 3), and float32 (2, H, W): densities of hematoxylin and eosin.
    reaches
        Half axes (x, y) in pixels of the ellipse around each pixel of a nucleus that surroundings are, ascending.
    of_levels
        Optical density of the 256 levels of a color.

    Returns
    -------
    For each reach (n, 5): of hematoxylin, eosin, red, green and blue; NaN where nothing is around.
    """
    means, sums, inner = list[Floats](), np.zeros((len(runs), 6)), _ITSELF
    for reach_x, reach_y in reaches:
        away = np.arange(int(reach_y) + 1) / reach_y
        outer = np.array([int(reach_x * math.sqrt(1.0 - part * part) + 1e-9) for part in away])
        _add_bands(*runs, rgb, stains, inner, outer, of_levels, sums)
        means.append(sums[:, :5] / np.where(sums[:, 5:] > 0, sums[:, 5:], np.nan))
        inner = outer
    return means


@kernel
def _add_bands(
    runs: Counts,
    ends: Counts,
    rgb: Bytes,
    stains: Planes,
    inner: Counts,
    outer: Counts,
    of_levels: Floats,
    sums: Floats,
) -> None:
    """Add the band of each nucleus to its sums (n, 6): five densities, and the number of pixels.

    ``inner`` and ``outer`` say how far a run reaches aside in the rows 0, 1, 2... above and below.
    """
    height, width = stains.shape[1:]
    up = len(outer) - 1
    for i in range(len(ends) - 1):
        own, begin, end = runs[ends[i] : ends[i + 1]], 0, 0
        if len(own) == 0:
            continue
        for row in range(max(own[0, 0] - up, 0), min(own[-1, 0] + up + 1, height)):
            while own[begin, 0] < row - up:
                begin += 1
            while end < len(own) and own[end, 0] <= row + up:
                end += 1
            near = own[begin:end]
            first, after, apart = _reached(near, row, outer)
            hole, rest, inner_apart = _reached(near, row, inner)
            if apart or inner_apart:
                _add_apart(near, row, first, after, rgb, stains, inner, outer, of_levels, sums[i])
                continue
            if hole >= rest:
                hole = rest = after
            _add(rgb, stains, row, max(first, 0), min(hole, width), of_levels, sums[i])
            _add(rgb, stains, row, max(rest, 0), min(after, width), of_levels, sums[i])


@kernel
def _reached(runs: Counts, row: int, wide: Counts) -> tuple[int, int, bool]:
    """First column and the column after the last that runs reach in a row, and whether there may be a gap between."""
    first, after, apart = 0, 0, False
    for k in range(len(runs)):
        away = abs(row - runs[k, 0])
        if away < len(wide):
            left, right = runs[k, 1] - wide[away], runs[k, 2] + wide[away]
            if first == after:
                first, after = left, right
            apart |= left > after or right < first
            first, after = min(first, left), max(after, right)
    return first, after, apart


@kernel
def _add_apart(
    runs: Counts,
    row: int,
    first: int,
    after: int,
    rgb: Bytes,
    stains: Planes,
    inner: Counts,
    outer: Counts,
    of_levels: Floats,
    sums: Floats,
) -> None:
    """Add up a row of which runs may reach several pieces, as in the mouth of a kidney."""
    reached = np.zeros(after - first, np.bool_)
    for wide, value in ((outer, True), (inner, False)):
        for k in range(len(runs)):
            away = abs(row - runs[k, 0])
            if away < len(wide):
                reached[runs[k, 1] - wide[away] - first : runs[k, 2] + wide[away] - first] = value
    for column in range(max(first, 0), min(after, rgb.shape[1])):
        if reached[column - first]:
            _add(rgb, stains, row, column, column + 1, of_levels, sums)


@kernel
def _add(rgb: Bytes, stains: Planes, row: int, first: int, after: int, of_levels: Floats, sums: Floats) -> None:
    """Add a run of pixels, if it is one, to the sums of five densities and to the number of pixels."""
    hematoxylin = eosin = red = green = blue = 0.0
    for column in range(first, after):
        # Five sums side by side: each would have to wait for itself.
        hematoxylin += stains[0, row, column]
        eosin += stains[1, row, column]
        red += of_levels[rgb[row, column, 0]]
        green += of_levels[rgb[row, column, 1]]
        blue += of_levels[rgb[row, column, 2]]
    sums[0] += hematoxylin
    sums[1] += eosin
    sums[2] += red
    sums[3] += green
    sums[4] += blue
    sums[5] += max(after - first, 0)
