"""Gray-level co-occurrence in nuclei: how often two levels lie a distance apart.

A nucleus lies in a box whose rows follow one after another, with as many pixels of no level behind each row, and as
many rows below, as the distance is long. So the pixel at a distance is a step away, and no step asks where it ends::

    3 3 5 4 - -        The four directions of a pair: one step to the right, one down, two aslant.
    2 3 3 5 - -        A pair with a pixel of no level is counted where nobody looks.
    - 2 4 - - -
    - - - - - -
    - - - - - -

All sums but entropies are of whole numbers, and exact.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

LEVELS: Final = 32
"""Gray levels of the matrix."""
COOCCURRENCE: Final = (
    "contrast",
    "dissimilarity",
    "homogeneity",
    "asm",
    "correlation",
    "entropy",
    "difference_entropy",
    "information_1",
    "information_2",
    "shade",
    "prominence",
)

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@kernel
def cooccurrence(
    runs: Counts, ends: Counts, plane: NDArray[np.float32], scale: np.float32, distances: Counts
) -> Floats:
    """Properties of each nucleus' symmetric co-occurrence matrix, of four directions together.

    Parameters
    ----------
    runs, ends
        Pixels of the nuclei, as `runs.Runs` holds them.
    plane, scale
        float32 (H, W); times ``scale``, values from 0 to 1 are told apart in ``LEVELS`` levels.
    distances
        In pixels, ascending.

    Returns
    -------
    (n, distances, 11), in the order of ``COOCCURRENCE``; NaN where there is no pair, or the distance is the next
    smaller one.
    """
    out = np.full((len(ends) - 1, len(distances), 11), np.nan)
    found = np.zeros((LEVELS + 1, LEVELS + 1), np.int64)
    for i in range(len(out)):
        own = runs[ends[i] : ends[i + 1]]
        if len(own) == 0:
            continue
        levels, places, width = _box(own, plane, scale, distances[-1])
        low, high = LEVELS, 0
        for place in places:
            low, high = min(low, levels[place]), max(high, levels[place])
        for k in range(len(distances)):
            if distances[k] > (distances[k - 1] if k else 0):
                _count(levels, places, width, distances[k], found)
                _properties(found[low : high + 1, low : high + 1], out[i, k])
                found[low : high + 1] = 0
    return out


@kernel
def _box(own: Counts, plane: NDArray[np.float32], scale: np.float32, margin: int) -> tuple[Bytes, Counts, int]:
    """Levels of a nucleus in its box with a margin, places of its pixels there, and the length of a row."""
    left = own[:, 1].min()
    width = own[:, 2].max() - left + margin
    levels = np.full((own[-1, 0] - own[0, 0] + 1 + margin) * width, LEVELS, np.uint8)
    places, n = np.empty((own[:, 2] - own[:, 1]).sum(), np.int64), 0
    for k in range(len(own)):
        begin = (own[k, 0] - own[0, 0]) * width - left
        for column in range(own[k, 1], own[k, 2]):
            value = plane[own[k, 0], column] * scale * np.float32(LEVELS)
            levels[begin + column] = np.uint8(min(value, np.float32(LEVELS - 1)))
            places[n] = begin + column
            n += 1
    return levels, places, width


@kernel
def _count(levels: Bytes, places: Counts, width: int, distance: int, found: Counts) -> None:
    """Count pairs of levels."""
    slant = round(distance * math.sqrt(0.5))
    right, down, falling, rising = distance, distance * width, slant * width + slant, slant * width - slant
    for place in places:
        level = levels[place]
        found[level, levels[place + right]] += 1
        found[level, levels[place + falling]] += 1
        found[level, levels[place + down]] += 1
        found[level, levels[place + rising]] += 1


@kernel
def _properties(found: Counts, out: Floats) -> None:
    """Write the properties of the matrix ``found`` (n, n) with its mirror image."""
    n = len(found)
    margin, gaps, both = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(2 * n, np.int64)
    product = square = 0
    for i in range(n):
        for j in range(n):
            count = found[i, j] + found[j, i]
            margin[i] += count
            gaps[abs(i - j)] += count
            both[i + j] += count
            product += count * i * j
            square += count * count
    total = margin.sum()
    if total == 0:
        return
    first = second = 0
    for i in range(n):
        first += margin[i] * i
        second += margin[i] * i * i
    contrast = dissimilarity = homogeneity = 0.0
    for gap in range(n):
        contrast += gaps[gap] * gap * gap
        dissimilarity += gaps[gap] * gap
        homogeneity += gaps[gap] / (1.0 + gap * gap)
    out[0], out[1], out[2], out[3] = contrast / total, dissimilarity / total, homogeneity / total, square / total**2
    if total * second > first * first:
        out[4] = (total * product - first * first) / (total * second - first * first)
    joint, entropy = _entropy_of_pairs(found, total), _entropy(margin, total)
    # Both margins of a symmetric matrix are the same, so that their joint entropy would be twice that of one.
    shared = 2.0 * entropy - joint
    out[5], out[6] = joint, _entropy(gaps, total)
    out[7] = -shared / entropy if entropy > 1e-12 else 0.0
    out[8] = math.sqrt(max(1.0 - math.exp(-2.0 * shared), 0.0))
    shade = prominence = 0.0
    for k in range(len(both)):
        apart = k - 2 * first / total
        shade += both[k] * apart**3
        prominence += both[k] * apart**4
    out[9], out[10] = shade / total, prominence / total


@kernel
def _entropy_of_pairs(found: Counts, total: int) -> float:
    """Entropy of a matrix with its mirror image, whose two halves are the same."""
    entropy = 0.0
    for i in range(len(found)):
        entropy -= _plogp(2 * found[i, i] / total)
        for j in range(i):
            entropy -= 2 * _plogp((found[i, j] + found[j, i]) / total)
    return entropy


@kernel
def _entropy(counts: Counts, total: int) -> float:
    entropy = 0.0
    for count in counts:
        entropy -= _plogp(count / total)
    return entropy


@kernel
def _plogp(share: float) -> float:
    return share * math.log(share) if share > 0 else 0.0
