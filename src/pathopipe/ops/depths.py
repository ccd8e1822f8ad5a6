"""How deep in nuclei their pixels lie.

A nucleus lies in a box whose rows follow one after another in memory, with a frame of one pixel that no nucleus has::

    . . . . . . . .        Along a row, the nearest pixel outside is at one of the ends of a run: no search.
    . . 1 2 2 1 . .        Down a column, the nearest one lies as many rows away as the frame, or less: rows that are
    . 1 2 3 3 2 1 .        that near to the frame are not looked at for steps so long.
    . . 1 2 2 1 . .
    . . . . . . . .
"""

import math

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.runs import Runs

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Squares = NDArray[np.float32] | NDArray[np.float64]


def depths(runs: Runs, mpp_x: float, mpp_y: float) -> tuple[Floats, Counts]:
    """Distance in um of each pixel's center from the outline: half a pixel less than from the nearest pixel outside.

    Exact (Meijster, Roerdink and Hesselink 2000), with rows before columns.

    Returns
    -------
    float64 (P,), those of nucleus i from ``ends[i]`` to ``ends[i + 1]``, in the order of its runs; and int64 (n + 1,)
    ``ends``.
    """
    spans = runs.spans
    farthest = 2 + max((spans[:, 2] - spans[:, 1]).max(initial=0), np.ptp(spans[:, 0]) if len(spans) else 0)
    steps, half = np.arange(farthest, dtype=np.float64), 0.5 * min(mpp_x, mpp_y)
    if mpp_x == mpp_y:
        # Of square pixels, distances squared are whole numbers, which fit into single precision.
        squares = (steps**2).astype(np.float32)
        return _depths(*runs, squares, squares, mpp_x, half)
    return _depths(*runs, (steps * mpp_x) ** 2, (steps * mpp_y) ** 2, 1.0, half)


@kernel
def _depths(
    runs: Counts, ends: Counts, aside: Squares, down: Squares, unit: float, half: float
) -> tuple[Floats, Counts]:
    """Write the depths from the squared distances of 0, 1, 2... columns and rows, in a ``unit`` of um."""
    pixels = np.zeros_like(ends)
    for i in range(len(ends) - 1):
        pixels[i + 1] = pixels[i] + (runs[ends[i] : ends[i + 1], 2] - runs[ends[i] : ends[i + 1], 1]).sum()
    out = np.empty(pixels[-1])
    for i in range(len(ends) - 1):
        own = runs[ends[i] : ends[i + 1]]
        if len(own) > 0:
            _write_depths(own, aside, down, out[pixels[i] : pixels[i + 1]])
    for k in range(out.size):
        out[k] = math.sqrt(out[k]) * unit - half
    return out, pixels


@kernel
def _write_depths(own: Counts, aside: Squares, down: Squares, out: Floats) -> None:
    """Write the squared distances of a nucleus' pixels from the nearest pixel outside."""
    top, left = own[0, 0] - 1, own[:, 1].min() - 1
    rows, width = own[-1, 0] - top + 2, own[:, 2].max() + 1 - left
    along, longest = np.zeros(rows * width, aside.dtype), 0
    for k in range(len(own)):
        n = own[k, 2] - own[k, 1]
        begin = (own[k, 0] - top) * width + own[k, 1] - left
        longest = max(longest, n)
        for x in range((n + 1) // 2):
            along[begin + x] = along[begin + n - 1 - x] = aside[x + 1]
    nearest, reach = along.copy(), 1
    while 2 * reach < rows and down[reach] < aside[(longest + 1) // 2]:
        # Not of rows that are nearer to the frame than this.
        begin, end = reach * width, (rows - reach) * width
        square, here = down[reach], nearest[begin:end]
        above, below = along[: here.size], along[2 * begin :]
        for k in range(here.size):
            here[k] = min(here[k], square + min(above[k], below[k]))
        reach += 1
    n = 0
    for k in range(len(own)):
        begin = (own[k, 0] - top) * width + own[k, 1] - left
        for place in range(begin, begin + own[k, 2] - own[k, 1]):
            out[n] = nearest[place]
            n += 1
