"""Which seed reaches a pixel at the smallest cost: passes over the rows of an image, repeated until nothing changes.

Each pixel holds a key, the cost in the upper bits and the seed's label in the lower ones, so that the smaller of two
keys is the cheaper path, and of equally cheap ones that from the earlier seed. A pass goes down the rows, along each to
the right; the next goes up, along each to the left; and so on in turns. To the pixel P, whose weight is w, its
neighbors offer their keys and what a step onto P costs:

    forward     7w  5w  7w        backward     .   .   .
                5w   P   .                     .   P  5w
                 .   .   .                    7w  5w  7w

Only runs of foreground are visited, and only those that changed in the pass before.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

STRAIGHT, DIAGONAL = 5, 7
"""Costs of a step of weight 1."""

Weights = NDArray[np.int64]


def cheapest_seeds(
    foreground: NDArray[np.uint8],
    barrier: NDArray[np.uint8],
    weights: tuple[Weights, Weights],
    starts: NDArray[np.int64],
    labels: NDArray[np.int64],
    radius: int,
) -> NDArray[np.int32]:
    """Give every pixel of the foreground to the seed that reaches it at the smallest cost, up to 5 times ``radius``.

    Parameters
    ----------
    foreground, barrier
        (H, W).
    weights
        By value of the foreground (0 where no nucleus can be, which is below some value) and by value of the barrier,
        (256,) each; the weight of a step is the sum of both.
    starts
        Seeds on the foreground, as indices of the flat image that has a border of one pixel.
    labels
        Their labels, rising and above 0. Of two seeds on a pixel the first counts.
    radius
        How many steps far a path may lead over pixels of weight 1.

    Returns
    -------
    (H + 2, W + 2) labels, with the border; 0 where no seed reaches.
    """
    height, width = foreground.shape[0] + 2, foreground.shape[1] + 2
    by_foreground, by_barrier = weights
    least = int(np.flatnonzero(by_foreground)[0])
    # Costs above the cap never get in.
    bits = int(labels.max(initial=1)).bit_length()
    cap = STRAIGHT * radius + 1
    most = (cap + DIAGONAL * int(by_foreground.max() + by_barrier.max())) << bits
    kind: np.dtype[np.signedinteger[Any]] = np.dtype(np.int32 if most < 2**31 else np.int64)
    keys = np.full(height * width, cap << bits, kind)
    np.minimum.at(keys, starts, labels.astype(kind))
    pixels, count = _count_inside(foreground, least)
    runs, costs = np.empty((count, 3), np.int64), np.empty(pixels, kind)
    rows = np.zeros(height + 1, np.int64)
    _list_inside(foreground, barrier, least, by_foreground << bits, by_barrier << bits, runs, rows, costs)
    moved, offers, now = np.zeros(count, np.int64), np.empty(width, kind), 1
    moved[np.searchsorted(runs[:, 0], starts, "right") - 1] = 1
    # As every step costs something, just one state offers no pixel less, whatever the order of passes.
    while _pass(runs, rows, costs, width, keys, moved, now, offers) or now == 1:
        now += 1
    np.bitwise_and(keys, (1 << bits) - 1, out=keys)
    return keys.reshape(height, width).astype(np.int32, copy=False)


@kernel
def _count_inside(foreground: NDArray[np.uint8], least: int) -> tuple[int, int]:
    """Count the pixels that can belong to a nucleus, and the runs along the rows that they form."""
    pixels, runs = 0, 0
    for y in range(foreground.shape[0]):
        before = 0
        for x in range(foreground.shape[1]):
            inside = int(foreground[y, x] >= least)
            pixels += inside
            runs += inside & (1 - before)
            before = inside
    return pixels, runs


@kernel
def _list_inside(
    foreground: NDArray[np.uint8],
    barrier: NDArray[np.uint8],
    least: int,
    by_foreground: NDArray[np.int64],
    by_barrier: NDArray[np.int64],
    runs: NDArray[np.int64],
    rows: NDArray[np.int64],
    costs: NDArray[np.signedinteger[Any]],
) -> None:
    """List the runs of pixels that can belong to a nucleus: values of ``least`` and more.

    A run is its first pixel in the flat image that has a border of one pixel, the pixel after its last, and where in
    ``costs`` its pixels begin; row i of that image has the runs ``rows[i]`` to ``rows[i + 1]``. ``costs`` is what each
    pixel's weight adds to a key, times 5 or 7 for a step onto it.
    """
    found, pixels, width = 0, 0, foreground.shape[1] + 2
    for y in range(foreground.shape[0]):
        rows[y + 1] = found
        x = 0
        while x < foreground.shape[1]:
            if foreground[y, x] < least:
                x += 1
                continue
            start = x
            while x < foreground.shape[1] and foreground[y, x] >= least:
                x += 1
            runs[found] = (y + 1) * width + start + 1, (y + 1) * width + x + 1, pixels
            for i in range(start, x):
                costs[pixels + i - start] = by_foreground[foreground[y, i]] + by_barrier[barrier[y, i]]
            found, pixels = found + 1, pixels + x - start
    rows[foreground.shape[0] + 1 :] = found


@kernel
def _pass(
    runs: NDArray[np.int64],
    rows: NDArray[np.int64],
    costs: NDArray[np.signedinteger[Any]],
    width: int,
    keys: NDArray[np.signedinteger[Any]],
    moved: NDArray[np.int64],
    now: int,
    offers: NDArray[np.signedinteger[Any]],
) -> bool:
    """Lower each key of a padded, flat image to what the pixels before it offer, or after it where ``now`` is even.

    Keys are lowered run by run; see `_list_inside`. ``moved`` holds the pass in which each run changed last, 1 for
    those that hold a seed and 0 for the others: those that saw no change since the pass before are left out.
    ``offers`` is room for a row.
    """
    sign = 1 if now % 2 == 1 else -1
    height = rows.size - 1
    changed, oldest = False, max(1, now - 1)
    for i in range(1, height - 1):
        row = i if sign > 0 else height - 1 - i
        seen = rows[row - sign]
        for run in range(rows[row], rows[row + 1]):
            first, after, begin = runs[run]
            left, right = first - 1 - sign * width, after + 1 - sign * width
            while seen < rows[row - sign + 1] and runs[seen, 1] <= left:
                seen += 1
            stirred = moved[run] >= oldest
            near = seen
            while not stirred and near < rows[row - sign + 1] and runs[near, 0] < right:
                stirred = moved[near] >= oldest
                near += 1
            if not stirred:
                continue
            size = after - first
            before = keys[first - 1] if sign > 0 else keys[after]
            if _lower(keys[first:after], keys[left:right], costs[begin : begin + size], before, sign > 0, offers):
                moved[run], changed = now, True
    return changed


@kernel
def _lower(
    keys: NDArray[np.signedinteger[Any]],
    near: NDArray[np.signedinteger[Any]],
    costs: NDArray[np.signedinteger[Any]],
    before: int,
    forward: bool,
    offers: NDArray[np.signedinteger[Any]],
) -> bool:
    """Go along one run; whether a key got smaller.

    ``near`` are the keys of the row that offers, from one pixel before the run to one after it, and ``before`` is the
    key beside the run at the end that the way begins at.
    """
    size = keys.size
    for j in range(size):
        offers[j] = min(near[j + 1] + STRAIGHT * costs[j], min(near[j], near[j + 2]) + DIAGONAL * costs[j])
    changed = False
    if forward:
        for j in range(size):
            own = keys[j]
            before = min(own, offers[j], before + STRAIGHT * costs[j])
            keys[j] = before
            changed |= before < own
    else:
        for j in range(size - 1, -1, -1):
            own = keys[j]
            before = min(own, offers[j], before + STRAIGHT * costs[j])
            keys[j] = before
            changed |= before < own
    return changed
