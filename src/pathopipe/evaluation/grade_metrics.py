"""How grades agree with the true ones: the figures of ``evaluation.json``, with intervals over patients."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np

from pathopipe.evaluation import grade_scores as scores
from pathopipe.evaluation.grade_units import Floats, Judged, Places, Units, units_of
from pathopipe.evaluation.type_metrics import BINS
from pathopipe.ops.resampling import each_resample
from pathopipe.text import count

__all__ = ["FIGURES", "Judged", "agreement", "figures"]

SHARE: Final = 0.95
"""Part of the resamples that an interval covers."""
_BY_SCORE: Final = ("spearman", "auc")
_BY_PROBABILITY: Final = ("ece", "brier", "selective_accuracy")
_BY_SET: Final = ("coverage", "set_size")
FIGURES: Final = (
    *("quadratic_kappa", "spearman", "auc", "balanced_accuracy", "accuracy", "ece", "brier"),
    *("coverage", "set_size", "selective_accuracy", "graded"),
)
_OF_READERS: Final = ("quadratic_kappa", "spearman", "accuracy")
_CELLS: Final = 2_000_000
"""Weights that are held at once."""


def figures(judged: Judged, resamples: int = 1000) -> dict[str, Any]:
    """Compute all figures of grades against the true ones: the content of ``evaluation.json``.

    The unit is the patient, with the mean of the scores, probabilities and set sizes of its slides and the median of
    their grades (of two middle ones the worse). Where the true grades of any patient's slides differ, the unit is the
    slide. A slide without a grade counts for ``graded``, ``coverage`` and ``set_size`` alone.

    Parameters
    ----------
    resamples
        How often patients are drawn with replacement. All slides of one are drawn together. A resample in which a
        figure is not defined is left out of its interval.

    Returns
    -------
    dict
        ``unit``, ``n_patients``, ``n_slides``, ``grades``, the `FIGURES` as `grade_scores` defines them, each also
        with ``_low`` and ``_high``: a 95% percentile interval (Efron 1979), extended to the figure where that lies
        outside (``ece``, of which resamples have more). What cannot be computed is None, and ``notes``, a list of
        sentences, says why. ``confusion`` has counts, a row for each true grade. ``reliability`` has units, mean
        probability and share of right ones, by ten bins of the probability of the likeliest grade.
    """
    return _figures(judged, FIGURES, resamples)


def agreement(
    grades: Sequence[str], a: Places, b: Places, patients: Sequence[str], resamples: int = 1000
) -> dict[str, Any]:
    """Compare two readers: `figures` of ``b`` (n,) with ``a`` (n,) as the true grades, and the grades as scores.

    What needs probabilities, sets, or one reader who is right, is None.
    """
    unknown = np.full((len(a), len(grades)), np.nan)
    judged = Judged(tuple(grades), a, b, np.where(b < 0, np.nan, b), unknown, None, tuple(patients))
    return _figures(judged, _OF_READERS, resamples)


def _figures(judged: Judged, names: Sequence[str], resamples: int) -> dict[str, Any]:
    units = units_of(judged)
    once = np.ones((1, len(units.true)))
    values = {name: float(value[0]) for name, value in _compute(units, once).items() if name in names}
    intervals, skipped = _intervals(units, values, resamples)
    found: dict[str, Any] = dict.fromkeys(full for name in FIGURES for full in (name, f"{name}_low", f"{name}_high"))
    for name, value in values.items():
        if np.isfinite(value):
            found |= {name: value, **dict(zip((f"{name}_low", f"{name}_high"), intervals[name], strict=True))}
    return {
        "unit": units.name,
        "n_patients": len(np.unique(units.patient)),
        "n_slides": len(judged.true),
        "grades": list(judged.grades),
        **found,
        "confusion": _confusion(units, once).astype(int)[0].tolist(),
        "reliability": _reliability(units, once),
        "notes": _notes(judged, units, values, skipped, resamples),
    }


def _compute(units: Units, weights: Floats) -> dict[str, Floats]:
    """All figures under weights (R, n) of the units: each (R,), nan where it is not defined."""
    counts = _confusion(units, weights)
    scored, of_scored = units.scored, weights[:, units.scored]
    weighed, of_weighed = units.weighed, weights[:, units.weighed]
    sets = np.isfinite(units.size)
    right = units.said == units.true
    return {
        "quadratic_kappa": scores.quadratic_kappa(counts),
        "spearman": scores.spearman(of_scored, units.score[scored], units.true[scored]),
        "auc": scores.auc(of_scored, units.score[scored], units.true[scored], units.grades),
        "balanced_accuracy": scores.balanced_accuracy(counts),
        "accuracy": scores.accuracy(counts),
        "ece": scores.calibration_error(_bins(units, weights)),
        "brier": scores.brier(of_weighed, units.probabilities[weighed], units.true[weighed]),
        "coverage": scores.mean(weights[:, sets], units.covered[sets]),
        "set_size": scores.mean(weights[:, sets], units.size[sets]),
        "selective_accuracy": scores.selective_accuracy(of_weighed, _certainty(units)[weighed], right[weighed]),
        "graded": scores.mean(weights, units.graded.astype(float)),
    }


def _confusion(units: Units, weights: Floats) -> Floats:
    chosen = units.graded
    return scores.confusion(weights[:, chosen], units.true[chosen], units.said[chosen], units.grades)


def _bins(units: Units, weights: Floats) -> Floats:
    shares, true = units.probabilities[units.weighed], units.true[units.weighed]
    return scores.reliability(weights[:, units.weighed], shares.max(axis=1, initial=0), shares.argmax(axis=1) == true)


def _certainty(units: Units) -> Floats:
    """Probability of the grade that is given."""
    return np.asarray(np.take_along_axis(units.probabilities, units.said[:, None], axis=1)[:, 0])


def _reliability(units: Units, once: Floats) -> list[dict[str, Any]]:
    return [
        {
            "from": place / BINS,
            "to": (place + 1) / BINS,
            "count": int(number),
            "probability": share / number if number else None,
            "right": right / number if number else None,
        }
        for place, (number, share, right) in enumerate(_bins(units, once)[0].tolist())
    ]


def _intervals(
    units: Units, values: Mapping[str, float], resamples: int
) -> tuple[dict[str, tuple[float | None, float | None]], dict[str, int]]:
    """Intervals of the figures, and in how many resamples each is not defined: in more than half, and it has none."""
    drawn = {name: values_of[np.isfinite(values_of)] for name, values_of in _resampled(units, resamples).items()}
    skipped = {name: resamples - len(drawn[name]) for name in values} if drawn else {}
    found = dict[str, tuple[float | None, float | None]]()
    for name, value in values.items():
        if not drawn or 2 * len(drawn[name]) < resamples:
            found[name] = (None, None)
        else:
            low, high = np.quantile(drawn[name], [(1 - SHARE) / 2, (1 + SHARE) / 2]).tolist()
            found[name] = (min(low, value), max(high, value))
    return found, skipped


def _resampled(units: Units, resamples: int) -> dict[str, Floats]:
    """Figures in resamples of the patients; empty for fewer than two patients, or resamples."""
    patients = len(np.unique(units.patient))
    if min(patients, resamples) < 2:
        return {}
    draws, parts = each_resample(patients, resamples, seed=0), list[dict[str, Floats]]()
    while block := list(islice(draws, max(1, _CELLS // len(units.true)))):
        parts.append(_compute(units, np.stack(block)[:, units.patient].astype(float)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _notes(
    judged: Judged, units: Units, values: Mapping[str, float], skipped: Mapping[str, int], resamples: int
) -> list[str]:
    """Say what could not be computed, and why."""
    reasons = {name: _missing(units, name) for name, value in values.items() if not np.isfinite(value)}
    lines = [f"{', '.join(names)}: not computed, because {reason}." for reason, names in _by_value(reasons).items()]
    unseen = [grade for place, grade in enumerate(judged.grades) if not (units.true == place).any()]
    if unseen:
        lines.append(f"No {units.name} has the true grade {' or '.join(unseen)}.")
    if len(np.unique(units.patient)) < 2:
        lines.append("There are no intervals, because there are fewer than two patients to draw from.")
    some = {name: times for name, times in skipped.items() if times and name not in reasons}
    for times, names in _by_value(some).items():
        result = "no interval is given" if 2 * times > resamples else "the interval is of the others"
        lines.append(f"{', '.join(names)}: not defined in {count(times)} of {count(resamples)} resamples; {result}.")
    return lines


def _missing(units: Units, name: str) -> str:
    """Why a figure is not defined."""
    if not len(units.true):
        return "there are no slides"
    if name in _BY_SET and not np.isfinite(units.size).any():
        return "there are no prediction sets"
    if not units.graded.any():
        return f"no {units.name} has a grade"
    if name in _BY_SCORE and not units.scored.any():
        return f"no graded {units.name} has a score"
    if name in _BY_PROBABILITY:
        return f"no graded {units.name} has probabilities"
    return f"all graded {units.name}s have the same true grade, or were given the same"


def _by_value(table: Mapping[str, Any]) -> dict[Any, list[str]]:
    """Names by what they have in common."""
    found = dict[Any, list[str]]()
    for name, value in table.items():
        found.setdefault(value, []).append(name)
    return found
