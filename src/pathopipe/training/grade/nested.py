"""What a grader is worth on patients that it was not fitted on: nested cross-validation.

For each patient, or each tenth of many, everything is fitted anew on the others: quantiles, penalties, weights, limits,
calibration, and what is unlike the slides learned from. Nothing is chosen by what is tested.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.evaluation.grade_metrics import Judged, figures
from pathopipe.grading.card import Kind
from pathopipe.grading.link import prediction_sets
from pathopipe.grading.trained import TrainedGrader
from pathopipe.training.grade.cohort import Cohort
from pathopipe.training.grade.folds import folds_of
from pathopipe.training.grade.learning import learn, look

MOST_ALONE: Final = 30
"""Up to this number of patients, each is left out by itself."""
FOLDS: Final = 10
COVERAGES: Final = (0.9, 0.8, 0.7, 0.6, 0.5)
"""Coverages of prediction sets for which the share of graded slides is told."""

Floats = NDArray[np.float64]
Fold = tuple[TrainedGrader, NDArray[np.bool_]]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Tested:
    """n slides as graders see them that did not learn from their patients.

    Attributes
    ----------
    folds
        Each grader, and which slides (n,) it is tested on.
    scores, probabilities, said
        As `grading.trained.Judgment`.
    foreign
        Which (n,) are unlike the others.
    """

    cohort: Cohort
    folds: tuple[Fold, ...]
    scores: Floats
    probabilities: Floats
    said: NDArray[np.int64]
    foreign: NDArray[np.bool_]

    def sets(self, coverage: float) -> NDArray[np.bool_]:
        """Prediction sets (n, K) at a coverage."""
        found = np.zeros(self.probabilities.shape, np.bool_)
        for grader, tested in self.folds:
            found[tested] = prediction_sets(self.probabilities[tested], grader.calibration, coverage)
        return found

    def abstained(self, sets: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which slides (n,) would get no grade, given their sets."""
        own = np.take_along_axis(sets, self.said[:, None], axis=1)[:, 0]
        return np.asarray(self.foreign | (sets.sum(axis=1) != 1) | ~own)


def test(cohort: Cohort, kind: Kind, seed: int, progress: Progress) -> Tested:
    """Fit and test, fold by fold."""
    count = len(cohort.slides)
    scores, shares = np.full(count, np.nan), np.zeros((count, len(cohort.grades)))
    said, foreign, folds = np.zeros(count, np.int64), np.zeros(count, np.bool_), list[Fold]()
    chosen = folds_of(cohort, MOST_ALONE, FOLDS)
    for number, tested in enumerate(chosen):
        progress(number, len(chosen), kind)
        grader = learn(cohort.part(~tested), kind, seed).grader
        judged, foreign[tested] = look(grader, cohort.part(tested))
        scores[tested], shares[tested], said[tested] = judged.scores, judged.probabilities, judged.said
        folds.append((grader, tested))
    return Tested(cohort, tuple(folds), scores, shares, said, foreign)


def evaluation(tested: Tested, coverage: float) -> dict[str, Any]:
    """Figures of the grader, nothing left out; ``graded`` alone is the share that it would not abstain on."""
    sets = tested.sets(coverage)
    found = figures(judged_of(tested, tested.said, sets))
    given = np.where(tested.abstained(sets), -1, tested.said)
    abstaining = figures(judged_of(tested, given, sets))
    found |= {name: abstaining[name] for name in ("graded", "graded_low", "graded_high")}
    of_graded = ("quadratic_kappa", "balanced_accuracy", "accuracy")
    found["of_graded"] = {name + end: abstaining[name + end] for name in of_graded for end in ("", "_low", "_high")}
    found["by_coverage"] = [_at(tested, level) for level in COVERAGES]
    return found | {"asked_coverage": coverage}


def _at(tested: Tested, coverage: float) -> dict[str, Any]:
    sets = tested.sets(coverage)
    given = ~tested.abstained(sets)
    truth = tested.cohort.truth
    held = np.take_along_axis(sets, truth[:, None], axis=1)[:, 0]
    right = tested.said[given] == truth[given]
    return {
        "asked": coverage,
        "coverage": float(held.mean()),
        "set_size": float(sets.sum(axis=1).mean()),
        "graded": float(given.mean()),
        "accuracy_of_graded": float(right.mean()) if len(right) else None,
    }


def judged_of(tested: Tested, said: NDArray[np.int64], sets: NDArray[np.bool_] | None = None) -> Judged:
    """Slides with these grades, for `evaluation.grade_metrics.figures`."""
    cohort = tested.cohort
    scores = tested.scores if np.isfinite(tested.scores).all() else _rank_of_two(tested)
    return Judged(cohort.grades, cohort.truth, said, scores, tested.probabilities, sets, cohort.patients)


def _rank_of_two(tested: Tested) -> Floats:
    """Scores of nominal graders: of two grades the log odds, of more there is no order."""
    if len(tested.cohort.grades) > 2:
        return tested.scores
    share = np.clip(tested.probabilities[:, 1], 1e-9, 1 - 1e-9)
    return np.asarray(np.log(share / (1 - share)))
