"""Comparing numbers of slides: by group, by rank, together, for many comparisons at once, and which lie far off."""

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
PERMUTATIONS: Final = 1999


@dataclass(frozen=True)
class Comparison:
    """A test.

    Attributes
    ----------
    size, groups
        Values compared, and in how many groups; 0 groups where ranks were correlated.
    statistic
        H of Kruskal and Wallis, Spearman's rho, or the pseudo-F of Anderson.
    effect
        Epsilon squared (0 to 1; Tomczak and Tomczak 2014) of groups, rho of ranks, or R².
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


def compare_many(values: ArrayLike, by: Sequence[str] | ArrayLike) -> Comparison | None:
    """Test whether many measures together go with a column (PERMANOVA; Anderson 2001, McArdle and Anderson 2001).

    The share of the squared distances between slides that the column explains, against those of the same column in
    1,999 random orders, which are the same at every call.

    Parameters
    ----------
    values
        (n, d), of one scale.
    by
        Names of groups (n,), of which those of fewer than `SMALLEST_GROUP` are left out, or numbers (n,), whose ranks
        count.

    Returns
    -------
    None where there are not two groups, fewer than `FEWEST_PAIRS` slides, or nothing differs.
    """
    measured, named = np.asarray(values, np.float64), np.asarray(by)
    if named.dtype.kind in "US":
        _, codes, sizes = np.unique(named, return_inverse=True, return_counts=True)
        kept = sizes[codes] >= SMALLEST_GROUP
        design = (codes[kept, None] == np.flatnonzero(sizes >= SMALLEST_GROUP)[1:]).astype(np.float64)
        measured, groups = measured[kept], int(np.count_nonzero(sizes >= SMALLEST_GROUP))
    else:
        from scipy.stats import rankdata

        design, groups = rankdata(named)[:, None].astype(np.float64), 0
    if len(measured) < FEWEST_PAIRS or not design.shape[1] or (np.ptp(design, axis=0) == 0).any():
        return None
    return _permuted(measured - measured.mean(axis=0), design - design.mean(axis=0), groups)


def _permuted(centered: NDArray[np.float64], design: NDArray[np.float64], groups: int) -> Comparison | None:
    total = float((centered**2).sum())
    if not total:
        return None
    basis = np.linalg.qr(design)[0]
    explained = float(((basis.T @ centered) ** 2).sum()) / total
    rng, count = np.random.default_rng(0), len(centered)
    shares = [float(((basis.T @ centered[rng.permutation(count)]) ** 2).sum()) / total for _ in range(PERMUTATIONS)]
    # What rounding alone tells apart counts as equal.
    p = (1 + sum(share >= explained - 1e-12 for share in shares)) / (PERMUTATIONS + 1)
    rest = (1 - explained) / max(1, count - design.shape[1] - 1)
    return Comparison(count, groups, explained / design.shape[1] / rest if rest else np.inf, explained, p)


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
