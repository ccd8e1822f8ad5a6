"""Which seed reaches a pixel at the smallest cost: passes over the rows of an image, repeated until nothing changes.

Each pixel holds a key, the cost in the upper bits and the seed's label in the lower ones, so that the smaller of two
keys is the cheaper path, and of equally cheap ones that from the earlier seed. A pass goes down the rows, the next goes
up, and so on in turns. To the pixel P, whose weight is w, the row that the pass comes from offers its keys and what a
step onto P costs; then the pixels of P's own row do, to the right and to the left:

    downward    7w  5w  7w        upward     .   .   .        along the row    .   .   .
                 .   P   .                   .   P   .                        5w   P  5w
                 .   .   .                  7w  5w  7w                         .   .   .

Only runs of foreground are visited, and only those beside which a key got smaller since they were visited last.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.workspace import Workspace

STRAIGHT: Final = 5
DIAGONAL: Final = 7
"""Costs of a step of weight 1."""
# Pixels of a mask that are looked at together, and what they are where all are in it.
_WORD: Final = 8
_ALL_IN: Final = 0x0101010101010101

Weights = NDArray[np.int64]
Keys = NDArray[np.signedinteger[Any]]


def cheapest_seeds(
    foreground: NDArray[np.uint8],
    barrier: NDArray[np.uint8],
    weights: tuple[Weights, Weights],
    starts: NDArray[np.int64],
    labels: NDArray[np.int64],
    radius: int,
    workspace: Workspace,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
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
    workspace
        What memory is taken from, that of the labels, too: `clear` them before it is used again.

    Returns
    -------
    (H + 2, W + 2) labels, with the border, 0 where no seed reaches; (labels + 1, 4) first and last row, first and
    last column of each label in that image, where the last is smaller than the first if it has no pixel; and the runs
    of foreground, outside of which all labels are 0.
    """
    height, width = foreground.shape[0] + 2, foreground.shape[1] + 2
    by_foreground, by_barrier = weights
    count = int(labels.max(initial=1))
    bits = count.bit_length()
    # Costs above the cap never get in.
    cap = STRAIGHT * radius + 1
    most = (cap + DIAGONAL * int(by_foreground.max() + by_barrier.max())) << bits
    kind: np.dtype[np.signedinteger[Any]] = np.dtype(np.int32 if most < 2**31 else np.int64)
    runs, rows = _runs(foreground, int(np.flatnonzero(by_foreground)[0]), workspace)
    costs = workspace.array("costs", int((runs[:, 1] - runs[:, 0]).sum()), kind)
    _look_up(foreground, barrier, by_foreground << bits, by_barrier << bits, runs, costs)
    # Less the cap: so 0 is what nothing was offered to, and the lower bits are the same.
    keys = workspace.array("keys", height * width, kind)
    np.minimum.at(keys, starts, labels.astype(kind) - (cap << bits))
    moved, now = np.zeros(len(runs), np.int64), 1
    moved[np.searchsorted(runs[:, 0], starts, "right") - 1] = 1
    # As every step costs something, just one state offers no pixel less, whatever the order of passes.
    while _pass(runs, rows, costs, width, keys, moved, now) or now == 1:
        now += 1
    boxes = np.tile(np.array([height, -1, width, -1], np.int32), (count + 1, 1))
    found = keys if kind == np.int32 else np.zeros(keys.size, np.int32)
    _read_labels(keys, (1 << bits) - 1, runs, width, found, boxes)
    if found is not keys:
        clear(keys, runs)
    return found.reshape(height, width), boxes, runs


def _runs(
    foreground: NDArray[np.uint8], least: int, workspace: Workspace
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the runs of values of at least ``least`` along the rows of an image (H, W).

    Returns
    -------
    (n, 3) first pixel of each in the flat image with a border of one pixel, the pixel after its last, and how many
    pixels the runs before have; (H + 3,) row i of the image with the border has the runs ``rows[i]`` to
    ``rows[i + 1]``.
    """
    height, width = foreground.shape[0] + 2, foreground.shape[1] + 2
    flat = workspace.array("inside", -(-height * width // _WORD) * _WORD, np.uint8)
    inside = flat[: height * width].reshape(height, width)
    np.greater_equal(foreground, least, out=inside[1:-1, 1:-1].view(np.bool_))
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    flat[height * width :] = 0
    runs = _find_runs(flat, flat.view(np.uint64))
    return runs, np.searchsorted(runs[:, 0], np.arange(height + 1) * width)


@kernel
def _find_runs(inside: NDArray[np.uint8], words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """List the runs of a flat mask whose first and last value are 0, eight of which are a word."""
    runs, n, total = np.empty((1024, 3), np.int64), 0, 0
    within, usual = np.uint8(0), np.uint64(0)
    for word in range(words.size):
        if words[word] == usual:
            continue
        for p in range(_WORD * word, _WORD * word + _WORD):
            if inside[p] == within:
                continue
            within = inside[p]
            if within:
                if n == len(runs):
                    larger = np.empty((2 * n, 3), np.int64)
                    larger[:n] = runs
                    runs = larger
                runs[n, 0], runs[n, 2] = p, total
            else:
                runs[n, 1] = p
                total += p - runs[n, 0]
                n += 1
        usual = np.uint64(_ALL_IN) if within else np.uint64(0)
    return runs[:n]


@kernel
def clear(labels: Keys, runs: NDArray[np.int64]) -> None:
    """Make the labels of a flat image 0 again, all of which lie in these runs."""
    for run in range(len(runs)):
        labels[runs[run, 0] : runs[run, 1]] = 0


@kernel
def _look_up(
    foreground: NDArray[np.uint8],
    barrier: NDArray[np.uint8],
    by_foreground: NDArray[np.int64],
    by_barrier: NDArray[np.int64],
    runs: NDArray[np.int64],
    costs: Keys,
) -> None:
    """Look up what the weight of each pixel in a run adds to a key, times 5 or 7 for a step onto it."""
    width = foreground.shape[1] + 2
    for run in range(len(runs)):
        first, after, begin = runs[run]
        y, x = first // width - 1, first % width - 1
        for k in range(after - first):
            costs[begin + k] = by_foreground[foreground[y, x + k]] + by_barrier[barrier[y, x + k]]


@kernel
def _pass(
    runs: NDArray[np.int64],
    rows: NDArray[np.int64],
    costs: Keys,
    width: int,
    keys: Keys,
    moved: NDArray[np.int64],
    now: int,
) -> bool:
    """Lower the keys of a padded, flat image to what is offered: from above, or from below where ``now`` is even.

    ``moved`` holds the pass in which each run changed last, 1 for those that hold a seed and 0 for the others.
    """
    sign = 1 if now % 2 == 1 else -1
    height = rows.size - 1
    changed, oldest = False, max(1, now - 1)
    for i in range(1, height - 1):
        row = i if sign > 0 else height - 1 - i
        seen, last = rows[row - sign], rows[row - sign + 1]
        for run in range(rows[row], rows[row + 1]):
            first, after, begin = runs[run]
            left, right = first - 1 - sign * width, after + 1 - sign * width
            while seen < last and runs[seen, 1] <= left:
                seen += 1
            stirred = False
            near = seen
            while not stirred and near < last and runs[near, 0] < right:
                stirred = moved[near] >= oldest
                near += 1
            lower = now == 1 and moved[run] == 1
            if stirred and _take(keys, costs, first, after, begin, left):
                lower = True
            if lower:
                _spread(keys, costs, first, after, begin)
                moved[run], changed = now, True
    return changed


@kernel
def _take(keys: Keys, costs: Keys, first: int, after: int, begin: int, left: int) -> bool:
    """Lower the keys of a run to what the row beside it offers, whose pixel ``left`` is next to one before the run."""
    own, near, weights = keys[first:after], keys[left : left + after - first + 2], costs[begin : begin + after - first]
    lower = False
    for k in range(own.size):
        offer = min(near[k + 1] + STRAIGHT * weights[k], min(near[k], near[k + 2]) + DIAGONAL * weights[k])
        lower |= offer < own[k]
        own[k] = min(own[k], offer)
    return lower


@kernel
def _spread(keys: Keys, costs: Keys, first: int, after: int, begin: int) -> None:
    """Lower the keys of a run to what its pixels offer each other."""
    own, weights = keys[first:after], costs[begin : begin + after - first]
    before = own[0]
    for k in range(1, own.size):
        before = min(own[k], before + STRAIGHT * weights[k])
        own[k] = before
    for k in range(own.size - 2, -1, -1):
        before = min(own[k], before + STRAIGHT * weights[k])
        own[k] = before


@kernel
def _read_labels(
    keys: Keys, mask: int, runs: NDArray[np.int64], width: int, labels: NDArray[np.int32], boxes: NDArray[np.int32]
) -> None:
    """Turn the keys of runs into labels, and widen each label's box."""
    for run in range(len(runs)):
        row, start = runs[run, 0] // width, runs[run, 0] // width * width
        p = runs[run, 0]
        while p < runs[run, 1]:
            label, first = keys[p] & mask, p
            while p < runs[run, 1] and keys[p] & mask == label:
                p += 1
            labels[first:p] = label
            box = boxes[label]
            box[0], box[1] = min(box[0], row), max(box[1], row)
            box[2], box[3] = min(box[2], first - start), max(box[3], p - 1 - start)
