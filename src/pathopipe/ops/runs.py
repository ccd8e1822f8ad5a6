"""Pixels of nuclei as runs: a run is a row's piece of a nucleus, whose pixels lie side by side in memory.

A nucleus of 600 pixels has 30 runs. Loops over runs need not ask of each pixel whose it is, sums over a run are often
closed forms, and the processor takes many pixels of a run at a time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Runs(NamedTuple):
    """Runs of some nuclei.

    Attributes
    ----------
    spans
        int64 (R, 3): row, first column, and the column after the last; those of a nucleus in reading order.
    ends
        int64 (n + 1,): nucleus i owns ``spans[ends[i]:ends[i + 1]]``; none, if it covers no pixel's center.
    """

    spans: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of nuclei."""
        return len(self.ends) - 1

    def take(self, first: int, after: int) -> "Runs":
        """Some nuclei, one after another."""
        ends = self.ends[first : after + 1]
        return Runs(self.spans[ends[0] : ends[-1]], ends - ends[0])
