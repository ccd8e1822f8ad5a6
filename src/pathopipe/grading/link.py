"""From a score to probabilities, a grade, and a set of grades that holds the true one as often as asked for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ordinal_probabilities(scores: Floats, thresholds: Sequence[float]) -> Floats:
    """Probabilities (n, K) of grades at scores (n,), by proportional odds (McCullagh 1980).

    The log odds of at most the k-th grade are the k-th threshold minus the score.
    """
    upto = 1 / (1 + np.exp(-np.clip(np.subtract.outer(-scores, -np.asarray(thresholds)), -500, 500)))
    ends = np.column_stack([np.zeros(len(scores)), upto, np.ones(len(scores))])
    return np.diff(ends, axis=1)


def nominal_probabilities(scores: Floats, mix: Floats) -> Floats:
    """Probabilities (n, K) by softmax of what a mix (K, K + 1) makes of scores (n, K); its last column is constant."""
    values = scores @ mix[:, :-1].T + mix[:, -1]
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def grades_by_limits(scores: Floats, limits: Sequence[float]) -> NDArray[np.int64]:
    """Places (n,) of the grades of scores (n,); a score at a limit gets the higher grade."""
    return np.searchsorted(np.asarray(limits), scores, side="right").astype(np.int64)


def prediction_sets(probabilities: Floats, calibration: Floats, coverage: float) -> NDArray[np.bool_]:
    """Sets (n, K) of grades of which the true one is one at the rate of ``coverage``.

    Class-conditional conformal prediction (Vovk 2012; Sadinle, Lei and Wasserman 2019): a grade belongs to the set
    where 1 minus its probability is no larger than that of so many of the slides with this grade that the grader was
    calibrated on. Patients count alike: each is one, however many slides it has. For a grade of too few patients,
    those of all grades are taken together; where these are too few, too, the grade belongs to every set. The likeliest
    grade always does: an empty set would say nothing.

    Parameters
    ----------
    probabilities
        (n, K).
    calibration
        (m, 3) of slides that the grader was not fitted on: 1 minus the probability of the true grade, the place of
        that grade, and the slide's weight, which adds up to 1 in each patient.
    coverage
        Between 0 and 1.
    """
    together = _limit(calibration[:, 0], calibration[:, 2], coverage)
    limits = np.full(probabilities.shape[1], together if together is not None else np.inf)
    for grade in range(len(limits)):
        here = calibration[:, 1] == grade
        own = _limit(calibration[here, 0], calibration[here, 2], coverage)
        if own is not None:
            limits[grade] = own
    likeliest = probabilities == probabilities.max(axis=1, keepdims=True)
    return np.asarray((1 - probabilities <= limits + 1e-9) | likeliest)


def _limit(values: Floats, weights: Floats, coverage: float) -> float | None:
    """Smallest value that the wanted share of patients, and of one more, does not exceed; None for too few."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = coverage * (weights.sum() + 1)
    place = int(np.searchsorted(reached, wanted - 1e-6))  # weights are stored as float32
    return float(values[order][place]) if place < len(values) else None
