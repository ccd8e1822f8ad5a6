"""Bootstrap over squares of tissue: neighboring nuclei resemble each other, so whole places are drawn again."""

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
        places = np.column_stack([np.floor(y_um / side_um), np.floor(x_um / side_um)])
        occupied, numbers = np.unique(places, axis=0, return_inverse=True)
        if len(occupied) >= MIN_SQUARES or side_um / 2 < SMALLEST_UM:
            return numbers.ravel().astype(np.int64), side_um
        side_um /= 2


def resamples(count: int, times: int, seed: int) -> NDArray[np.int64]:
    """Draw ``count`` of ``count`` things with replacement, so many times; returns how often each came, (times, count).

    Taken from the raw stream of PCG64, which numpy promises never to change.
    """
    raw = np.random.PCG64(seed).random_raw(times * count).reshape(times, count)
    draws = (raw % np.uint64(max(count, 1))).astype(np.int64) + np.arange(times)[:, None] * count
    return np.bincount(draws.ravel(), minlength=times * count).reshape(times, count)
