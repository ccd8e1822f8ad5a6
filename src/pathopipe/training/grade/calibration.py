"""From scores of slides that were not seen to probabilities, limits between grades, and prediction sets."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.link import ordinal_probabilities

Floats = NDArray[np.float64]
Truth = NDArray[np.int64]

_RIDGE: Final = 0.05
"""Penalty of the squared log of the slope: scores that make no mistake would be stretched forever."""
_NEVER: Final = -50.0
"""Log probability of a grade that the slides don't have."""


@dataclass(frozen=True)
class Link:
    """How a score becomes a grade: it times ``scale``, then thresholds of probabilities and limits of grades."""

    scale: float
    thresholds: tuple[float, ...]
    limits: tuple[float, ...]


def link(scores: Floats, truth: Truth, grades: int, spread_scores: Floats | None = None) -> Link:
    """Fit proportional odds (McCullagh 1980) to scores (n,), and choose limits, of ``spread_scores`` where given.

    Limits give as many slides each grade as have it: where grades are rare, their likeliest grade is the common one,
    and agreement beyond chance is lost (the quantile rule of a monotone decision).
    """
    from scipy.optimize import minimize

    spread = float(scores.std()) or 1.0
    standard = scores / spread
    reached = np.cumsum(np.bincount(truth, minlength=grades))[:-1] / len(truth)
    start = np.log(np.clip(reached, 0.01, 0.99) / (1 - np.clip(reached, 0.01, 0.99)))
    steps = np.log(np.maximum(np.diff(start), 0.05))

    def unpacked(x: Floats) -> tuple[float, Floats]:
        return float(np.exp(x[0])), x[1] + np.concatenate([[0.0], np.cumsum(np.exp(x[2:]))])

    def loss(x: Floats) -> float:
        slope, thresholds = unpacked(np.clip(x, -20, 20))
        shares = ordinal_probabilities(slope * standard, thresholds.tolist())[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(shares, 1e-12)).sum() + _RIDGE * x[0] ** 2)

    found = minimize(loss, np.concatenate([[0.0, start[0]], steps]), method="L-BFGS-B")
    slope, thresholds = unpacked(np.clip(found.x, -20, 20))
    scale = slope / spread
    limits = np.quantile(scale * (scores if spread_scores is None else spread_scores), reached)
    return Link(scale, tuple(thresholds.tolist()), tuple(limits.tolist()))


def mix(values: Floats, truth: Truth, grades: int) -> Floats:
    """Matrix (K, K + 1) that makes log probabilities of nominal scores (n, K): multinomial logistic regression."""
    from sklearn.linear_model import LogisticRegression

    spread, known = values.std() or 1.0, np.unique(truth)
    if len(known) == 1:
        return np.column_stack([np.zeros((grades, grades)), np.where(np.arange(grades) == known[0], 0.0, _NEVER)])
    model = LogisticRegression(C=10.0, max_iter=2000).fit(values / spread, truth)
    weight, bias = model.coef_ / spread, model.intercept_
    if len(weight) == 1:  # of two classes, scikit-learn keeps the difference
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    found = np.full((grades, values.shape[1] + 1), 0.0)
    found[:, -1] = _NEVER
    found[model.classes_] = np.column_stack([weight, bias])
    return found


def nonconformity(probabilities: Floats, truth: Truth, patients: Truth) -> Floats:
    """What prediction sets rest on (n, 3), see `grading.link.prediction_sets`, of slides that were not seen."""
    share = probabilities[np.arange(len(truth)), truth]
    weight = 1 / np.bincount(patients)[patients]
    return np.column_stack([1 - share, truth.astype(np.float64), weight])
