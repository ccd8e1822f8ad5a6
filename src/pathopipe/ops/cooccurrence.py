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
Steps = NDArray[np.int32]


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
    found, logs = np.zeros((4, LEVELS + 1, LEVELS + 1), np.int32), _logs()
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
                _properties(_both_ways(found, low, high + 1), logs, out[i, k])
                found[:, low : high + 1] = 0
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
def _count(levels: Bytes, places: Counts, width: int, distance: int, found: Steps) -> None:
    """Count pairs of levels, those of each direction (4, 33, 33) for itself: no count waits for another one."""
    slant = round(distance * math.sqrt(0.5))
    right, down, falling, rising = distance, distance * width, slant * width + slant, slant * width - slant
    for place in places:
        level = levels[place]
        found[0, level, levels[place + right]] += 1
        found[1, level, levels[place + falling]] += 1
        found[2, level, levels[place + down]] += 1
        found[3, level, levels[place + rising]] += 1


@kernel
def _both_ways(found: Steps, low: int, after: int) -> Counts:
    """Pairs of the levels from ``low`` on, of all directions and either way; symmetric (n, n)."""
    n = after - low
    pairs = np.empty((n, n), np.int64)
    for i in range(n):
        for j in range(i + 1):
            count = 0
            for k in range(4):
                count += found[k, low + i, low + j] + found[k, low + j, low + i]
            pairs[i, j] = pairs[j, i] = count
    return pairs


@kernel
def _logs() -> Floats:
    """Of each number below 4,096, the number times its natural logarithm."""
    logs = np.zeros(4096)
    for number in range(1, len(logs)):
        logs[number] = number * math.log(number)
    return logs


@kernel
def _properties(pairs: Counts, logs: Floats, out: Floats) -> None:
    """Write the properties of a symmetric matrix of pairs (n, n)."""
    n = len(pairs)
    margin, gaps, both = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(2 * n, np.int64)
    product = square = 0
    joint = 0.0
    for i in range(n):
        margin[i] += pairs[i, i]
        gaps[0] += pairs[i, i]
        both[2 * i] += pairs[i, i]
        product += pairs[i, i] * i * i
        square += pairs[i, i] * pairs[i, i]
        joint += _log_times(pairs[i, i], logs)
        for j in range(i):
            count = pairs[i, j]
            if count:
                margin[i] += count
                margin[j] += count
                gaps[i - j] += 2 * count
                both[i + j] += 2 * count
                product += 2 * count * i * j
                square += 2 * count * count
                joint += 2 * _log_times(count, logs)
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
    # -sum(p log p) of shares p = count / total, from the logarithms of the counts.
    joint = math.log(total) - joint / total if square < total * total else 0.0
    entropy = _entropy(margin, total, logs)
    # Both margins of a symmetric matrix are the same, so that their joint entropy would be twice that of one.
    shared = 2.0 * entropy - joint
    out[5], out[6] = joint, _entropy(gaps, total, logs)
    out[7] = -shared / entropy if entropy > 1e-12 else 0.0
    out[8] = math.sqrt(max(1.0 - math.exp(-2.0 * shared), 0.0))
    shade = prominence = 0.0
    for k in range(len(both)):
        apart = k - 2 * first / total
        shade += both[k] * apart**3
        prominence += both[k] * apart**4
    out[9], out[10] = shade / total, prominence / total


@kernel
def _entropy(counts: Counts, total: int, logs: Floats) -> float:
    entropy = 0.0
    for count in counts:
        if count == total:
            return 0.0
        entropy += _log_times(count, logs)
    return math.log(total) - entropy / total


@kernel
def _log_times(count: int, logs: Floats) -> float:
    """A number times its logarithm."""
    return logs[count] if count < len(logs) else count * math.log(count)
