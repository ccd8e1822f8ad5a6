"""What becomes of labels before they are nuclei: outlines are smoothed, and what hangs apart from a seed falls off.

Labels are flat or whole images with a border of one pixel of 0.
"""

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

Labels = NDArray[np.int32]


def smoothed(labels: Labels, starts: NDArray[np.int64]) -> Labels:
    """Give each pixel, but for the seeds at ``starts``, the label that at least 5 of the 9 pixels around it have."""
    out = np.empty_like(labels)
    _majority(labels, out, np.empty(labels.shape[1], np.uint8))
    out.ravel()[starts] = labels.ravel()[starts]
    return out


def keep_seeded(labels: Labels, starts: NDArray[np.int64], wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Keep of each wanted label the 4-connected part around its seed, in place; everything else becomes 0.

    Returns
    -------
    First pixel of each part in reading order, as an index of the flat image; -1 where there is none.
    """
    firsts = np.full(len(starts), -1, np.int64)
    _components(labels.ravel(), labels.shape[1], starts, wanted, firsts, np.empty(labels.size, np.int32))
    # What was found is negative now, and the rest is not part of a nucleus.
    np.negative(np.minimum(labels, 0, out=labels), out=labels)
    return firsts


@kernel
def _majority(old: Labels, new: Labels, edge: NDArray[np.uint8]) -> None:
    """Write the label that at least 5 of the 9 pixels around have, else the old one.

    ``old`` has a border of zeros, and so has ``new`` afterwards; ``edge`` is room for a row.
    """
    height, width = old.shape
    new[0], new[height - 1] = 0, 0
    for y in range(1, height - 1):
        edge[0], edge[width - 1], new[y, 0], new[y, width - 1] = 0, 0, 0, 0
        for x in range(1, width - 1):
            own = old[y, x]
            same = (old[y, x - 1] == own) & (old[y, x + 1] == own) & (old[y - 1, x] == own) & (old[y + 1, x] == own)
            new[y, x] = own
            edge[x] = not same
        for x in range(1, width - 1):
            if edge[x]:
                new[y, x] = _vote(old, y, x)


@kernel
def _vote(old: Labels, y: int, x: int) -> int:
    """Of the 3 x 3 pixels around one the label that 5 have, or else its own."""
    own = old[y, x]
    votes = 0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            votes += int(old[y + dy, x + dx] == own)
    if votes >= 5:
        return int(own)
    candidate, lead = own, 0
    for dy in range(-1, 2):  # the vote of Boyer and Moore (1981): only its winner can have a majority
        for dx in range(-1, 2):
            value = old[y + dy, x + dx]
            if lead == 0:
                candidate = value
            lead += 1 if value == candidate else -1
    votes = 0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            votes += int(old[y + dy, x + dx] == candidate)
    return int(candidate if votes >= 5 else own)


@kernel
def _components(
    label: Labels,
    width: int,
    starts: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    firsts: NDArray[np.int64],
    stack: Labels,
) -> None:
    """Negate the 4-connected part of each label that holds its seed; note its first pixel in reading order."""
    steps = (-width, -1, 1, width)
    for i in range(starts.size):
        p = starts[i]
        if not wanted[i] or label[p] != i + 1:
            continue
        label[p], stack[0], top = -i - 1, p, 1
        firsts[i] = p
        while top > 0:
            top -= 1
            p = int(stack[top])
            firsts[i] = min(firsts[i], p)
            for k in range(4):
                q = p + steps[k]
                if label[q] == i + 1:
                    label[q], stack[top] = -i - 1, q
                    top += 1
