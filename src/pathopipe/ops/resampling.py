"""Bootstrap over squares of tissue or over images: neighbors are alike, so whole squares are drawn."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# A small field of view is cut into smaller squares, down to about four nuclei across.
MIN_SQUARES: Final = 12
SMALLEST_UM: Final = 30.0


def squares(
    points_um: Callable[[], Iterable[Sequence[Floats]]], side_um: float
) -> tuple[NDArray[np.unsignedinteger], float]:
    """Assign points to the squares of a fixed grid.

    Parameters
    ----------
    points_um
        Gives x and y (n,) of some of the points at a time, the same on every call.

    Returns
    -------
    tuple
        Number of each point's square (N,), of a type as small as can be: 0 to k - 1 over occupied squares, row by row.
        And the side in um: ``side_um``, halved until at least 12 squares are occupied or it would fall below 30 um.
    """
    while True:
        known, found = dict[int, int](), list[NDArray[np.int32]]()
        for x_um, y_um in points_um():
            # One number for row and column, in the order of both.
            square = (np.floor(y_um / side_um).astype(np.int64) << 32) + np.floor(x_um / side_um).astype(np.int64)
            here, which = np.unique(square, return_inverse=True)
            met = [known.setdefault(number, len(known)) for number in here.tolist()]
            found.append(np.array(met, np.int32)[which])
        if len(known) >= MIN_SQUARES or side_um / 2 < SMALLEST_UM:
            rank = np.empty(len(known), np.min_scalar_type(len(known)))
            rank[np.argsort(np.array(list(known), np.int64))] = np.arange(len(known))
            return np.concatenate([rank[:0], *(rank[part] for part in found)]), side_um
        side_um /= 2


def resamples(count: int, times: int, seed: int) -> NDArray[np.int64]:
    """Draw ``count`` of ``count`` things with replacement, so many times: how often each came, (times, count)."""
    return np.stack(list(each_resample(count, times, seed)))


def each_resample(count: int, times: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """One row (count,) of `resamples` after the other.

    Taken from the raw stream of PCG64, which numpy promises never to change.
    """
    stream = np.random.PCG64(seed)
    for _ in range(times):
        drawn = stream.random_raw(count) % np.uint64(max(count, 1))
        yield np.bincount(drawn.astype(np.int64), minlength=count)


def interval(
    counts: NDArray[np.float64],
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    times: int = 1000,
    share: float = 0.95,
    seed: int = 0,
) -> NDArray[np.float64] | None:
    """Percentile interval (Efron 1979) of scores that are made of summed counts.

    Parameters
    ----------
    counts
        (n, k): k counts of each of n things, such as images.
    score
        Takes sums (times, k) to scores (times, m).
    share
        Part of the resamples that the interval covers.

    Returns
    -------
    Lower and upper ends (2, m); None where there are fewer than two things to draw from.
    """
    if len(counts) < 2:
        return None
    drawn = score(resamples(len(counts), times, seed) @ counts)
    return np.asarray(np.quantile(drawn, [(1 - share) / 2, (1 + share) / 2], axis=0))
