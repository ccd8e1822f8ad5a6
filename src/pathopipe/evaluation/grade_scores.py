"""Figures of grades for many resamples at once: each resample is a row of weights, how often it has each unit.

Throughout, ``weights`` (R, n) are whole numbers as floats: R resamples of n units. A unit that came twice counts as two
units, so figures are those of the repeated arrays. A figure is nan in a resample in which it is not defined. Sums are
taken group by group without BLAS, so that they do not depend on the number of threads.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.evaluation.type_metrics import BINS

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
MOST_CERTAIN: Final = 0.7
"""Share of the units that `selective_accuracy` is about."""


def sums(values: Floats, places: Places, count: int) -> Floats:
    """Sum the columns of ``values`` (R, n) by the places (n,) 0 to ``count`` - 1 that they belong to: (R, count)."""
    total = np.zeros((len(values), count))
    order = np.argsort(places, kind="stable")
    present, starts = np.unique(places[order], return_index=True)
    if len(present):
        total[:, present] = np.add.reduceat(values[:, order], starts, axis=1)
    return total


def divided(part: Floats, whole: Floats) -> Floats:
    """Divide; nan where the denominator is 0."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0))


def mean(weights: Floats, values: Floats) -> Floats:
    """Means (R,) of values (n,)."""
    return divided((weights * values).sum(axis=1), weights.sum(axis=1))


def confusion(weights: Floats, true: Places, said: Places, grades: int) -> Floats:
    """How often a true grade (rows) was given as another (columns): (R, grades, grades)."""
    return sums(weights, true * grades + said, grades**2).reshape(-1, grades, grades)


def accuracy(counts: Floats) -> Floats:
    """Share of the units (R,) whose grade is the true one, from `confusion`."""
    return divided(np.trace(counts, axis1=1, axis2=2), counts.sum(axis=(1, 2)))


def balanced_accuracy(counts: Floats) -> Floats:
    """Mean of the shares that are right of each true grade (R,), from `confusion`; a grade without units has none."""
    shares = divided(np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2))
    present = np.isfinite(shares)
    return divided(np.where(present, shares, 0).sum(axis=1), present.sum(axis=1).astype(float))


def quadratic_kappa(counts: Floats) -> Floats:
    """Agreement beyond chance (R,), disagreements weighted by their square (Cohen 1968), from `confusion`."""
    grade = np.arange(counts.shape[1], dtype=float)
    far = (grade[:, None] - grade) ** 2
    by_chance = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :]
    observed, expected = ((far * table).sum(axis=(1, 2)) for table in (counts, by_chance))
    return 1 - divided(observed * counts.sum(axis=(1, 2)), expected)


def ranks(weights: Floats, values: Floats) -> Floats:
    """Rank the values (n,), ties by their mean: (R, n)."""
    levels, level = np.unique(values, return_inverse=True)
    here = sums(weights, level, len(levels))
    return np.asarray((np.cumsum(here, axis=1) - (here - 1) / 2)[:, level])


def spearman(weights: Floats, score: Floats, true: Places) -> Floats:
    """Rank correlation (R,) of scores with true grades (Spearman 1904)."""
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2
    x, y = ranks(weights, score) - middle, ranks(weights, true.astype(float)) - middle
    both, one, other = ((weights * product).sum(axis=1) for product in (x * y, x * x, y * y))
    return divided(both, np.sqrt(one * other))


def auc(weights: Floats, score: Floats, true: Places, grades: int) -> Floats:
    """Area under the ROC curve (R,), from ranks (Hanley and McNeil 1982).

    For more than two grades it is the mean over the limits "worse than grade k", of those that the data have units on
    both sides of.
    """
    limits = [k for k in range(grades - 1) if 0 < (true > k).sum() < len(true)]
    count = sums(weights, true, grades)
    ranked = sums(weights * ranks(weights, score), true, grades)
    worse, ranks_of_worse = (table[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:] for table in (count, ranked))
    better = count.sum(axis=1, keepdims=True) - worse
    areas = divided(ranks_of_worse - worse * (worse + 1) / 2, worse * better)[:, limits]
    return areas.mean(axis=1) if limits else np.full(len(weights), np.nan)


def reliability(weights: Floats, share: Floats, right: NDArray[np.bool_]) -> Floats:
    """Units, sum of their probabilities, and number of right ones, by ten bins of the probability: (R, 10, 3)."""
    bins = np.minimum((share * BINS).astype(np.int64), BINS - 1)
    return np.stack([sums(weights * values, bins, BINS) for values in (np.ones(len(share)), share, right)], axis=2)


def calibration_error(bins: Floats) -> Floats:
    """How far probabilities are from how often they are right (R,) (Guo et al. 2017), from `reliability`."""
    units, share, right = np.moveaxis(bins, 2, 0)
    return divided(np.abs(share - right).sum(axis=1), units.sum(axis=1))


def brier(weights: Floats, probabilities: Floats, true: Places) -> Floats:
    """Mean squared distance (R,) of the probabilities (n, K) from 1 for the true grade and 0 else (Brier 1950).

    From 0 to 2; for two grades it is twice what is called Brier score where there are only two outcomes.
    """
    happened = np.eye(probabilities.shape[1])[true]
    return mean(weights, ((probabilities - happened) ** 2).sum(axis=1))


def selective_accuracy(weights: Floats, certainty: Floats, right: NDArray[np.bool_]) -> Floats:
    """Accuracy (R,) among the 70% of the units, rounded up, that are most certain.

    Units that are equally certain and of which only some belong to these 70% count by the mean of all of them.
    """
    levels, level = np.unique(-certainty, return_inverse=True)
    here, correct = sums(weights, level, len(levels)), sums(weights * right, level, len(levels))
    # 1e-9: 0.7 times 10 is a 7.
    wanted = np.ceil(MOST_CERTAIN * weights.sum(axis=1) - 1e-9)
    taken = np.clip(wanted[:, None] - (np.cumsum(here, axis=1) - here), 0, here)
    shares = np.nan_to_num(divided(correct, here))
    return divided((taken * shares).sum(axis=1), wanted)
