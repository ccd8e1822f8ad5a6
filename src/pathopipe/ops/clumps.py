"""Dark clumps and bright spots in nuclei: which pixels, and which of them touch.

A pixel's *place* is its number in the nucleus' box, row by row, with a free column at the end of each row, so that no
piece of a row touches the next row's. Of the pixels, only the places are kept at which clumps begin and end::

    . # # . # .        1 3 4 5
    . . # # . .        8 10           touches both pieces above, by edges or corners: one clump of five pixels
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

_BINS: Final = 256
_DARK: Final = 1
_BRIGHT: Final = 2

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Kinds = NDArray[np.uint8]


@kernel
def measure_clumps(
    runs: Counts,
    ends: Counts,
    values: Floats,
    depths: Floats,
    light: Floats,
    pixels: Counts,
    pixel: float,
    rim: float,
    least: float,
    out: Floats,
) -> None:
    """Write area, share, number, largest area, contrast and share in the rim of clumps; area, share, number of spots.

    Parameters
    ----------
    runs, ends
        Pixels of the nuclei, as `runs.Runs` holds them.
    values, depths
        (P,) what their pixels hold, and how deep they lie in um; those of nucleus i from ``pixels[i]`` to
        ``pixels[i + 1]``.
    light
        (n,) below which a pixel is a spot's, outside of the rim.
    pixel, rim, least
        Area of a pixel in um2, width of the rim in um, area in um2 from which on a part counts.
    out
        (n, 9).
    """
    for i in range(len(light)):
        own, mine = runs[ends[i] : ends[i + 1]], slice(pixels[i], pixels[i + 1])
        if len(own) > 0:
            n, width = pixels[i + 1] - pixels[i], own[:, 2].max() - own[:, 1].min() + 1
            kinds = _kinds(values[mine], depths[mine], _otsu(values[mine]), light[i], rim, out[i])
            changes = _changes(own, kinds, width)
            out[i, 2], largest = _components(changes, _DARK, width, least / pixel)
            out[i, 8], _ = _components(changes, _BRIGHT, width, least / pixel)
            out[i, 1], out[i, 7], out[i, 3] = out[i, 0] / n, out[i, 6] / n, largest * pixel
            out[i, 0], out[i, 6] = out[i, 0] * pixel, out[i, 6] * pixel


@kernel
def _kinds(values: Floats, depths: Floats, threshold: float, light: float, rim: float, out: Floats) -> Kinds:
    """Whether pixels are dark, bright or neither; writes how many are, and contrast and share in the rim."""
    kinds, n, dark, edge, bright = np.empty(len(values), np.uint8), len(values), 0, 0, 0
    for k in range(n):
        is_dark, is_bright = values[k] > threshold, (values[k] < light) & (depths[k] > rim)
        kinds[k] = _DARK * is_dark + _BRIGHT * is_bright
        dark += is_dark
        bright += is_bright
        edge += is_dark & (depths[k] <= rim)
    total = dark_total = 0.0
    for k in range(n):
        total += values[k]
        dark_total += values[k] * (kinds[k] == _DARK)
    out[0], out[6] = dark, bright
    out[4] = dark_total / dark - (total - dark_total) / (n - dark) if 0 < dark < n else 0.0
    out[5] = edge / dark if dark else 0.0
    return kinds


@kernel
def _changes(own: Counts, kinds: Kinds, width: int) -> Counts:
    """Places (m, 2) at which pixels are of another kind than the one before, with their kind; after a run it is 0."""
    changes, k, m = np.empty((len(kinds) + len(own), 2), np.int64), 0, 0
    for run in range(len(own)):
        place, n, before = (own[run, 0] - own[0, 0]) * width + own[run, 1], own[run, 2] - own[run, 1], np.uint8(0)
        here = kinds[k : k + n]
        for step in range(n):
            # No branches: which way they go would be anybody's guess.
            changes[m, 0], changes[m, 1] = place + step, here[step]
            m += here[step] != before
            before = here[step]
        changes[m, 0], changes[m, 1] = place + n, 0
        m += before != 0
        k += n
    return changes[:m]


@kernel
def _otsu(values: Floats) -> float:
    """Threshold between the darker and the lighter pixels of a nucleus; its largest value where all are equal."""
    low = high = float(values[0])
    for value in values:
        if value < low:  # noqa: PLR1730 (rarely, and so in less time than ``min``)
            low = value
        if value > high:  # noqa: PLR1730
            high = value
    width = (high - low) / _BINS
    if width < 1e-9:
        return high
    bins, total = np.empty(len(values), np.uint8), 0
    for k in range(len(values)):
        bins[k] = min(int((values[k] - low) / width), _BINS - 1)
    counts = np.zeros(_BINS, np.int64)
    for place in bins:
        counts[place] += 1
        total += int(place)
    return low + (_best_split(counts, len(values), total) + 0.5) * width


@kernel
def _best_split(counts: Counts, n: int, total: int) -> int:
    """Last bin of the lower class of a histogram of n values whose two classes differ most (Otsu 1979).

    ``total`` is the sum of the values' bins.
    """
    best, split, below, sum_below = -1.0, 0, 0, 0
    for place in range(len(counts) - 1):
        below += counts[place]
        sum_below += place * counts[place]
        # Squared distance of the classes' means, times both sizes, times n squared; no class is ever empty. A bin
        # without values gives the same as the bin before.
        apart = float(n * sum_below - total * below)
        between = apart * apart / (below * (n - below))
        if between > best:
            best, split = between, place
    return split


@kernel
def _components(changes: Counts, kind: int, width: int, least: float) -> tuple[int, int]:
    """Number of parts, connected by edges or corners, of at least so many pixels; and pixels of the largest part.

    Pieces of rows are united with those that they touch in the row above (Rosenfeld and Pfaltz 1966).
    """
    pieces, n = np.empty((len(changes) + 1, 4), np.int64), 0
    for k in range(len(changes) - 1):
        # No branches: of which kind a piece is would be anybody's guess.
        pieces[n, 0], pieces[n, 1], pieces[n, 2] = changes[k, 0], changes[k + 1, 0], n
        n += changes[k, 1] == kind
    firsts, afters, parents, sizes = pieces[:, 0], pieces[:, 1], pieces[:, 2], pieces[:, 3]
    above = parts = largest = 0
    for piece in range(n):
        first, after = firsts[piece], afters[piece]
        sizes[piece] = after - first
        while afters[above] + width < first:
            above += 1
        other = above
        while firsts[other] + width <= after and other < piece:
            root, mine = _root(parents, other), _root(parents, piece)
            if root != mine:
                parents[root] = mine
                sizes[mine] += sizes[root]
            other += 1
    for piece in range(n):
        if parents[piece] == piece:
            parts += sizes[piece] >= least
            largest = max(largest, sizes[piece])
    return parts, largest


@kernel
def _root(parents: Counts, piece: int) -> int:
    while parents[piece] != piece:
        parents[piece] = parents[parents[piece]]
        piece = parents[piece]
    return piece
