"""How the types that a model gives agree with annotated ones, and whether its probabilities are what they say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 10
"""Bins of equal width that probabilities from 0 to 1 are put into."""


def _no_bins() -> NDArray[np.float64]:
    return np.zeros((BINS, 3))


@dataclass(frozen=True)
class Agreement:
    """What nuclei at annotated points were said to be; those of several images are added.

    Attributes
    ----------
    pairs
        How often a nucleus of the first type, as annotated, was said to be of the second, "" for none.
    bins
        float64 (`BINS`, 3): nuclei by the probability of their likeliest type, sum of these, how often it was right.
    """

    pairs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    bins: NDArray[np.float64] = field(default_factory=_no_bins)

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(dict(Counter(self.pairs) + Counter(other.pairs)), self.bins + other.bins)

    def __eq__(self, other: object) -> bool:
        """Whether all counts are the same."""
        return isinstance(other, Agreement) and self.pairs == other.pairs and np.array_equal(self.bins, other.bins)

    def __hash__(self) -> int:
        """As needed beside `__eq__`."""
        return hash(tuple(sorted(self.pairs.items())))

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error (Guo et al. 2017): how far probabilities are from how often they are right.

        None where no nucleus has probabilities.
        """
        nuclei, sure, right = self.bins.T
        return float(np.abs(sure - right).sum() / nuclei.sum()) if nuclei.sum() else None


def agreement(
    true: Sequence[str], said: Sequence[str], likeliest: Sequence[str], shares: NDArray[np.floating]
) -> Agreement:
    """Count pairs of annotated and said types.

    Parameters
    ----------
    true, said
        Types of N pairs; where ``true`` is "", nothing is judged.
    likeliest, shares
        The type of the highest probability, and this probability (N,), nan where there is none.
    """
    judged = [place for place, name in enumerate(true) if name]
    bins = _no_bins()
    for place in judged:
        if np.isfinite(share := float(shares[place])):
            bins[min(int(share * BINS), BINS - 1)] += (1, share, likeliest[place] == true[place])
    return Agreement(dict(Counter((true[place], said[place]) for place in judged)), bins)
