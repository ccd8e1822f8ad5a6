"""Label images whose labels may be in pieces: which piece counts."""

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel


def largest_parts(labels: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the largest 4-connected part of each label, the first in reading order where two are equally large.

    Parameters
    ----------
    labels
        (H, W), i + 1 for label i, 0 for background; the outermost rows and columns are 0.
    count
        How many labels there may be.

    Returns
    -------
    tuple
        (count,) the first pixel of that part as an index of the flat image, 0 where a label has no pixel; and
        (count,) its pixels.
    """
    firsts, sizes = np.zeros(count, np.int64), np.zeros(count, np.int64)
    _measure_parts(labels.ravel(), labels.shape[1], np.zeros(labels.size, np.bool_), firsts, sizes)
    return firsts, sizes


@kernel
def _measure_parts(
    flat: NDArray[np.int32],
    width: int,
    seen: NDArray[np.bool_],
    firsts: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> None:
    stack = np.empty(1024, np.int64)
    for start in range(flat.size):
        label = flat[start]
        if label == 0 or seen[start]:
            continue
        stack[0], top, size, seen[start] = start, 1, 0, True
        while top > 0:
            top -= 1
            pixel = stack[top]
            size += 1
            if top + 4 > stack.size:
                stack = np.concatenate((stack, np.empty(stack.size, np.int64)))
            for step in (-width, -1, 1, width):
                other = pixel + step
                if flat[other] == label and not seen[other]:
                    seen[other] = True
                    stack[top] = other
                    top += 1
        if size > sizes[label - 1]:
            firsts[label - 1], sizes[label - 1] = start, size
