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
    wides = [_ITSELF]
    for reach_x, reach_y in reaches:
        away = np.arange(int(reach_y) + 1) / reach_y
        wides.append(np.array([int(reach_x * math.sqrt(1.0 - part * part) + 1e-9) for part in away]))
    sums = np.zeros((len(reaches), len(runs), 6))
    _add_bands(*runs, rgb, stains, tuple(wides), of_levels, sums)
    return [ring[:, :5] / np.where(ring[:, 5:] > 0, ring[:, 5:], np.nan) for ring in sums]


@kernel
def _add_bands(
    runs: Counts, ends: Counts, rgb: Bytes, stains: Planes, wides: tuple[Counts, ...], of_levels: Floats, sums: Floats
) -> None:
    """Write the sums (rings, n, 6) over what is within each reach: five densities, and the number of pixels.

    ``wides`` say how far a run reaches aside in the rows 0, 1, 2... above and below: a nucleus itself, then each reach.
    A nucleus' bands follow one another, while what they lie on is in the processor's cache.
    """
    for i in range(len(ends) - 1):
        own = runs[ends[i] : ends[i + 1]]
        stack = _is_stack(own)
        for ring in range(len(wides) - 1):
            if ring:
                sums[ring, i] = sums[ring - 1, i]
            if stack:
                _add_around_stack(own, rgb, stains, wides[ring], wides[ring + 1], of_levels, sums[ring, i])
            elif len(own) > 0:
                _add_around(own, rgb, stains, wides[ring], wides[ring + 1], of_levels, sums[ring, i])


@kernel
def _is_stack(own: Counts) -> bool:
    """Whether a nucleus has one run in each row, each of which lies upon the next: what they reach has no gaps."""
    if len(own) == 0 or len(own) != own[-1, 0] - own[0, 0] + 1:
        return False
    apart = False
    for k in range(1, len(own)):
        apart |= own[k, 1] > own[k - 1, 2] or own[k - 1, 1] > own[k, 2]
    return not apart


@kernel
def _add_around_stack(
    own: Counts, rgb: Bytes, stains: Planes, inner: Counts, outer: Counts, of_levels: Floats, sums: Floats
) -> None:
    """Add the band of a nucleus whose runs are a stack.

    What `_add` does is written out here: a call for each piece of a row takes longer than its sums.
    """
    height, width = stains.shape[1:]
    up = len(outer) - 1
    firsts, afters = _reached_by_stack(own, outer, up)
    holes, rests = _reached_by_stack(own, inner, up)
    top = own[0, 0] - up
    hematoxylin = eosin = red = green = blue = pixels = 0.0
    for row in range(max(top, 0), min(own[-1, 0] + up + 1, height)):
        first, after = max(firsts[row - top], 0), min(afters[row - top], width)
        hole, rest = min(holes[row - top], after), max(rests[row - top], first)
        if hole >= rest:
            hole = rest = after
        for begin, end in ((first, hole), (rest, after)):
            if begin >= end:
                continue
            for x in range(begin, end):
                # Five sums side by side: each would have to wait for itself.
                hematoxylin += stains[0, row, x]
                eosin += stains[1, row, x]
                red += of_levels[rgb[row, x, 0]]
                green += of_levels[rgb[row, x, 1]]
                blue += of_levels[rgb[row, x, 2]]
            pixels += end - begin
    sums[0] += hematoxylin
    sums[1] += eosin
    sums[2] += red
    sums[3] += green
    sums[4] += blue
    sums[5] += pixels


@kernel
def _reached_by_stack(own: Counts, wide: Counts, up: int) -> tuple[Counts, Counts]:
    """First column, and the column after the last, that a stack reaches in each row from ``up`` rows above it on."""
    rows = len(own)
    lefts, rights = own[:, 1].copy(), own[:, 2].copy()
    firsts, afters = np.full(rows + 2 * up, lefts.max() + 1), np.full(rows + 2 * up, lefts.min() - 1)
    for away in range(len(wide)):
        aside = wide[away]
        for begin in (up - away, up + away):
            first, after = firsts[begin : begin + rows], afters[begin : begin + rows]
            for k in range(rows):
                first[k] = min(first[k], lefts[k] - aside)
                after[k] = max(after[k], rights[k] + aside)
    return firsts, afters


@kernel
def _add_around(
    own: Counts, rgb: Bytes, stains: Planes, inner: Counts, outer: Counts, of_levels: Floats, sums: Floats
) -> None:
    """Add the band of a nucleus of any form."""
    height, width = stains.shape[1:]
    up, begin, end = len(outer) - 1, 0, 0
    for row in range(max(own[0, 0] - up, 0), min(own[-1, 0] + up + 1, height)):
        while own[begin, 0] < row - up:
            begin += 1
        while end < len(own) and own[end, 0] <= row + up:
            end += 1
        near = own[begin:end]
        first, after, apart = _reached(near, row, outer)
        hole, rest, inner_apart = _reached(near, row, inner)
        if apart or inner_apart:
            _add_apart(near, row, first, after, rgb, stains, inner, outer, of_levels, sums)
            continue
        if hole >= rest:
            hole = rest = after
        _add(rgb, stains, row, max(first, 0), min(hole, width), of_levels, sums)
        _add(rgb, stains, row, max(rest, 0), min(after, width), of_levels, sums)


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
    if first >= after:
        return
    hematoxylin = eosin = red = green = blue = 0.0
    one, other, colors = stains[0, row, first:after], stains[1, row, first:after], rgb[row, first:after]
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
    sums[5] += after - first
