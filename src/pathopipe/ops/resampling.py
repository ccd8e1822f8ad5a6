"""Bootstrap over squares of tissue or over images: what lies together is alike, so whole places are drawn again."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

# A small field of view is cut into smaller squares, down to about four nuclei across.
MIN_SQUARES: Final = 12
SMALLEST_UM: Final = 30.0


def squares(x_um: NDArray[np.float64], y_um: NDArray[np.float64], side_um: float) -> tuple[NDArray[np.int64], float]:
    """Assign points (N,) to the squares of a fixed grid.

    Returns
    -------
    tuple
        Number of each point's square, int64 (N,): 0 to k - 1 over occupied squares, row by row. And the side in um:
        ``side_um``, halved until at least 12 squares are occupied or it would fall below 30 um.
    """
    while True:
        place = np.floor(x_um / side_um).astype(np.int64)
        place -= place.min(initial=0)
        place += np.floor(y_um / side_um).astype(np.int64) * (place.max(initial=0) + 1)
        occupied, numbers = np.unique(place, return_inverse=True)
        if len(occupied) >= MIN_SQUARES or side_um / 2 < SMALLEST_UM:
            return numbers.astype(np.int64, copy=False), side_um
        side_um /= 2


def resamples(count: int, times: int, seed: int) -> NDArray[np.int64]:
    """Draw ``count`` of ``count`` things with replacement, so many times; returns how often each came, (times, count).

    Taken from the raw stream of PCG64, which numpy promises never to change.
    """
    raw = np.random.PCG64(seed).random_raw(times * count).reshape(times, count)
    draws = (raw % np.uint64(max(count, 1))).astype(np.int64) + np.arange(times)[:, None] * count
    return np.bincount(draws.ravel(), minlength=times * count).reshape(times, count)


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
