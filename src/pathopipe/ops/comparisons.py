"""Comparing numbers of slides: by group, by rank, for many comparisons at once, and which lie far from the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMALLEST_GROUP: Final = 5
"""Slides of a group that is tested: below, the distribution of H is not close to chi-squared (Kruskal, Wallis 1952)."""
FEWEST_PAIRS: Final = 10
"""Pairs for which the p value of a rank correlation is close enough."""
FEWEST_VALUES: Final = 10
"""Values without which none is said to lie far from the others."""
FAR: Final = 3.5
"""Robust z score from which a value counts as an outlier (Iglewicz and Hoaglin 1993)."""
_MAD_OF_SD: Final = 0.6745
"""Median absolute deviation of a standard normal distribution."""


@dataclass(frozen=True)
class Comparison:
    """A test.

    Attributes
    ----------
    size, groups
        Values compared, and in how many groups; 0 groups where ranks were correlated.
    statistic
        H of Kruskal and Wallis, or Spearman's rho.
    effect
        Epsilon squared (0 to 1; Tomczak and Tomczak 2014) of groups, rho of ranks.
    p
        Without regard to other comparisons.
    """

    size: int
    groups: int
    statistic: float
    effect: float
    p: float


def compare_groups(groups: Sequence[ArrayLike]) -> Comparison | None:
    """Test whether groups have the same distribution (Kruskal and Wallis 1952).

    Groups of fewer than `SMALLEST_GROUP` values are left out. None where fewer than two are left, or all values are
    the same.
    """
    from scipy.stats import kruskal

    kept = [values for group in groups if len(values := np.asarray(group, np.float64)) >= SMALLEST_GROUP]
    if len(kept) < 2 or np.ptp(np.concatenate(kept)) == 0:
        return None
    h, p = kruskal(*kept)
    size = sum(map(len, kept))
    return Comparison(size, len(kept), float(h), float(h) / (size - 1), float(p))


def compare_ranks(x: ArrayLike, y: ArrayLike) -> Comparison | None:
    """Correlate two measures by their ranks (Spearman 1904).

    None of fewer than `FEWEST_PAIRS` pairs, or where one measure is the same for all.
    """
    from scipy.stats import spearmanr

    pairs = np.column_stack([np.asarray(x, np.float64), np.asarray(y, np.float64)])
    if len(pairs) < FEWEST_PAIRS or (np.ptp(pairs, axis=0) == 0).any():
        return None
    found = spearmanr(pairs[:, 0], pairs[:, 1])
    rho, p = float(found.statistic), float(found.pvalue)
    return Comparison(len(pairs), 0, rho, rho, p)


def adjusted(p: Sequence[float]) -> list[float]:
    """Adjust p values for how many they are: the false discovery rate of each (Benjamini and Hochberg 1995)."""
    from scipy.stats import false_discovery_control

    values: list[float] = false_discovery_control(p, method="bh").tolist() if p else []
    return values


def robust_z(values: ArrayLike) -> NDArray[np.float64]:
    """Distance from the median in robust standard deviations, by MAD (Iglewicz and Hoaglin 1993); NaN stays NaN.

    NaN for all where fewer than `FEWEST_VALUES` are known, or more than half of them are the same.
    """
    numbers = np.asarray(values, np.float64)
    known = numbers[np.isfinite(numbers)]
    if len(known) < FEWEST_VALUES:
        return np.full(numbers.shape, np.nan)
    middle = np.median(known)
    spread = np.median(np.abs(known - middle))
    return _MAD_OF_SD * (numbers - middle) / spread if spread else np.full(numbers.shape, np.nan)
