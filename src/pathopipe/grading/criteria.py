"""A grader that follows published criteria, item by item, by the numbers of a card."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from pathopipe.grading.base import (
    NOTHING_DESCRIBED,
    Described,
    GradeResult,
    NotAssessed,
    Parts,
    figures_of,
    sentences,
)
from pathopipe.grading.criteria_card import CriteriaCard, Statistic
from pathopipe.grading.criteria_evidence import numbers_behind
from pathopipe.grading.criteria_score import (
    RESAMPLES,
    Floats,
    Resampled,
    known_of,
    resample,
    score_of,
    slope_of,
)
from pathopipe.grading.link import grades_by_limits

SHARES_OF: Final = (
    f"Shares of {RESAMPLES} resamples of the slide's own tissue that give each grade: how stable the grade is within "
    "this slide, not how likely it is to be correct."
)


@dataclass(frozen=True)
class CriteriaGrader:
    """Grades by the mean of a few items, each standardized, between limits.

    The items are statistics of tumor nuclei over the whole slide: a tumor is graded on its representative part and not
    on its least differentiated one (Arch Pathol Lab Med 1983;107:411). Probabilities are shares of 200 bootstrap
    resamples of squares of tissue: how much the grade depends on which part of the slide was seen. They are not
    calibrated against observers.

    Attributes
    ----------
    card
        Where all its numbers are from.
    min_nuclei
        Fewest nuclei to grade on.
    min_share
        Least share of resamples that must agree with the grade.
    section
        The section of the settings that holds the two, for messages.
    sha256
        Digest of the card.
    """

    card: CriteriaCard
    min_nuclei: int
    min_share: float
    section: str
    sha256: str

    @property
    def name(self) -> str:
        """The name on the card."""
        return self.card.name

    @property
    def grades(self) -> tuple[str, ...]:
        """All grades, from best to worst."""
        return self.card.grades

    @property
    def scope(self) -> str:
        """What tissue it is made for."""
        return self.card.scope

    @property
    def model(self) -> tuple[str, str]:
        """Digest of the card, and the terms of use of its numbers."""
        return self.sha256, self.card.licence

    @property
    def made_for(self) -> Mapping[str, tuple[str, ...]]:
        """Organs and stains."""
        return self.card.made_for

    @property
    def stains(self) -> tuple[str, ...]:
        """Either: docs/stain.md has how well it grades with both."""
        return ("native", "normalized")

    @property
    def regions(self) -> tuple[str, ...]:
        """None: the whole slide is all that the criteria are about."""
        return ()

    def grade(self, nuclei: Parts | None, described: Described = NOTHING_DESCRIBED) -> GradeResult:
        """Grade by the statistics of the slide or region; its nuclei, where given, say how stable that is."""
        known = known_of(self.card, described)
        score = float(score_of(self.card, known))
        reason = self._uncountable(described) or self._unmeasured(known, described)
        if reason:
            return self._result(reason, described, known)
        drawn = None if nuclei is None else resample(nuclei, self.card.statistics)
        place = int(grades_by_limits(np.asarray(score), self.card.score_limits))
        shares = None if drawn is None else self._shares(drawn)
        reason = None if shares is None else self._undecided(place, float(shares[place]))
        return self._result(reason, described, known, place, score, shares, drawn)

    def slope(self, described: Described) -> Mapping[tuple[str, str], float]:
        """How much the score changes with each statistic; nothing where there is no score."""
        known = known_of(self.card, described)
        return slope_of(self.card, known) if np.isfinite(score_of(self.card, known)) else {}

    def _result(
        self,
        reason: str | None,
        described: Described,
        known: Mapping[Statistic, Floats],
        place: int = 0,
        score: float | None = None,
        shares: Floats | None = None,
        drawn: Resampled | None = None,
    ) -> GradeResult:
        given = [] if shares is None else zip(self.grades, shares.tolist(), strict=True)
        return GradeResult(
            self.name,
            None if reason else self.grades[place],
            self.grades,
            self.scope,
            {grade: round(share, 4) for grade, share in given},
            reason,
            tuple(numbers_behind(self.card, known, described, drawn)),
            shares_of="" if shares is None else SHARES_OF,
            score=None if score is None else round(score, 6),
            limits=self.card.score_limits,
            not_assessed=tuple(NotAssessed(item, why) for item, why in self.card.not_assessed.items()),
            figures=dict(figures_of(next(iter(self.card.figures.values()), {}))),
            card=sentences((self.card.fitted, *self.card.data, f"License: {self.card.licence}")),
        )

    def _shares(self, drawn: Resampled) -> Floats:
        """Shares by grade of the resamples that can be scored; 0 where none can."""
        scores = score_of(self.card, drawn.known)[1:]
        scores = scores[np.isfinite(scores)]
        counts = np.bincount(grades_by_limits(scores, self.card.score_limits), minlength=len(self.grades))
        return np.asarray(counts / max(len(scores), 1))

    def _uncountable(self, described: Described) -> str | None:
        """Say where there are too few nuclei to grade, or to compare with."""
        graded = self.card.graded_type
        if described.get("all", {}).get("nuclei_count") and graded not in described:
            return (
                f"The types of the nuclei are not known, so {graded} ones cannot be graded by themselves: choose a "
                "model with types.model (a slide that is unlike what the model was learned from gets no types)."
            )
        if (count := _count(described, graded)) < self.min_nuclei:
            return (
                f"Only {count} {graded} nuclei were found, but at least {self.min_nuclei} are needed "
                f"(setting {self.section}.min_nuclei)."
            )
        compared = dict.fromkeys(item.over.type for item in self.card.items if item.over)
        for kind in compared:
            if (count := _count(described, kind)) < self.card.fewest_compared:
                return (
                    f"Only {count} {kind} nuclei were found to compare {graded} ones with, but at least "
                    f"{self.card.fewest_compared} are needed."
                )
        return None

    def _unmeasured(self, known: Mapping[Statistic, Floats], described: Described) -> str | None:
        """Say which statistic is missing, and which setting brings it."""
        for part in self.card.statistics:
            everywhere = [row.get(f"{part.measure}_mean") for row in described.values()]
            if part.group and all(value is None for value in everywhere):
                return f"{part.measure} was not measured: add {part.group} to the setting features.groups."
            if not np.isfinite(known[part]):
                return (
                    f"{part.column} of {part.type} nuclei is not known: fewer of them than the setting "
                    f"statistics.min_nuclei could be measured{' whole' if part.whole else ''}."
                )
        return None if np.isfinite(score_of(self.card, known)) else "A number to compare with is 0."

    def _undecided(self, place: int, share: float) -> str | None:
        if share >= self.min_share:
            return None
        return (
            f"The slide's nuclei score {self.grades[place]}, but only {math.floor(100 * share)}% of resamples of its "
            f"tissue agree; at least {self.min_share:.0%} are needed (setting {self.section}.min_share)."
        )


def _count(described: Described, kind: str) -> int:
    return int(described.get(kind, {}).get("nuclei_count") or 0)
