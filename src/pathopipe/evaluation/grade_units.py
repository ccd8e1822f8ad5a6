"""Graded slides, and what of them is counted as one: slides, or patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """Grades of n slides beside the true ones. K grades, from best to worst.

    Attributes
    ----------
    true
        (n,), place of the true grade among the grades.
    said
        (n,), place of the grade given, -1 where there is none.
    score
        (n,), rises with the grade; nan where it is not known.
    probabilities
        (n, K); nan where they are not known.
    sets
        (n, K): whether a grade is in the prediction set; None where there are no sets.
    patients
        n names; a slide with "" is its own patient.
    with_set
        (n,), which slides have a set, perhaps an empty one; None where all have, or there are no sets.

    Raises
    ------
    ValueError
        When the arrays do not fit together, or there are fewer than two grades.
    """

    grades: tuple[str, ...]
    true: Places
    said: Places
    score: Floats
    probabilities: Floats
    sets: NDArray[np.bool_] | None
    patients: tuple[str, ...]
    with_set: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        slides, grades = len(self.patients), len(self.grades)
        wide = [self.probabilities, *([] if self.sets is None else [self.sets])]
        if any(part.shape != (slides,) for part in (self.true, self.said, self.score)):
            raise ValueError("not as many grades and scores as slides")
        if grades < 2 or any(part.shape != (slides, grades) for part in wide):
            raise ValueError("fewer than two grades, or not as many probabilities as grades")
        if slides and not (self.true.min() >= 0 and max(self.true.max(), self.said.max()) < grades):
            raise ValueError("a grade that is not one of the grades")

    def part(self, chosen: NDArray[np.bool_] | NDArray[np.integer]) -> "Judged":
        """Those of the slides that a mask (n,) or places choose."""
        places = np.arange(len(self.true))[chosen]
        return Judged(
            self.grades,
            self.true[places],
            self.said[places],
            self.score[places],
            self.probabilities[places],
            None if self.sets is None else self.sets[places],
            tuple(self.patients[place] for place in places.tolist()),
            None if self.with_set is None else self.with_set[places],
        )


@dataclass(frozen=True)
class Units:
    """What is counted as one: patients or slides. ``covered`` and ``size`` are nan without a set."""

    name: str
    grades: int
    true: Places
    said: Places
    score: Floats
    probabilities: Floats
    covered: Floats
    size: Floats
    patient: Places

    @cached_property
    def graded(self) -> NDArray[np.bool_]:
        """Which have a grade."""
        return self.said >= 0

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        """Which of these have a score."""
        return np.asarray(self.graded & np.isfinite(self.score))

    @cached_property
    def weighed(self) -> NDArray[np.bool_]:
        """Which of these have probabilities."""
        return np.asarray(self.graded & np.isfinite(self.probabilities).all(axis=1))


def units_of(judged: Judged) -> Units:
    """Slides, or patients where all slides of each have the same true grade."""
    known = judged.said >= 0
    covered = size = np.full(len(judged.true), np.nan)
    if judged.sets is not None:
        covered = np.take_along_axis(judged.sets, judged.true[:, None], axis=1)[:, 0].astype(float)
        size = judged.sets.sum(axis=1).astype(float)
        if judged.with_set is not None:
            covered, size = (np.where(judged.with_set, values, np.nan) for values in (covered, size))
    slides = Units(
        "slide",
        len(judged.grades),
        judged.true,
        judged.said,
        np.where(known, judged.score, np.nan),
        np.where(known[:, None], judged.probabilities, np.nan),
        covered,
        size,
        _patients(judged.patients),
    )
    of_each = [np.flatnonzero(slides.patient == patient) for patient in range(int(slides.patient.max(initial=-1)) + 1)]
    if any(len(set(judged.true[places].tolist())) > 1 for places in of_each):
        return slides
    return _of_patients(slides, of_each)


def _of_patients(slides: Units, of_each: Sequence[NDArray[np.intp]]) -> Units:
    def averaged(values: Floats) -> Floats:
        """Means of what is known; nan where nothing is."""
        parts = [values[places] for places in of_each]
        known = [part[np.isfinite(part).reshape(len(part), -1).all(axis=1)] for part in parts]
        means = [part.mean(axis=0) if len(part) else np.full(values.shape[1:], np.nan) for part in known]
        return np.array(means, np.float64).reshape(len(means), *values.shape[1:])

    return Units(
        "patient",
        slides.grades,
        np.array([slides.true[places[0]] for places in of_each], np.int64),
        np.array([_median(slides.said[places]) for places in of_each], np.int64),
        averaged(slides.score),
        averaged(slides.probabilities),
        averaged(slides.covered),
        averaged(slides.size),
        np.arange(len(of_each)),
    )


def _median(said: Places) -> int:
    """The median of the grades that were given, of two middle ones the worse; -1 where none was."""
    given = sorted(said[said >= 0].tolist())
    return given[len(given) // 2] if given else -1


def _patients(names: Sequence[str]) -> Places:
    """Number patients, in the order of the slides."""
    known = dict[str | int, int]()
    return np.array([known.setdefault(name or place, len(known)) for place, name in enumerate(names)], np.int64)
