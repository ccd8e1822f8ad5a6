"""A grader that was trained on slides with known grades: ``pathopipe train grade`` writes it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.base import (
    NOTHING_DESCRIBED,
    Described,
    Evidence,
    GradeResult,
    Parts,
    figures_of,
    sentences,
)
from pathopipe.grading.card import GraderCard
from pathopipe.grading.link import (
    Floats,
    grades_by_limits,
    nominal_probabilities,
    ordinal_probabilities,
    prediction_sets,
)
from pathopipe.grading.predictors import Places, vector
from pathopipe.grading.trees import sum_of_trees
from pathopipe.models.weights import Loaded
from pathopipe.results.described import region_of
from pathopipe.results.schemas.counts import WHOLE_SLIDE

MOST_MISSING: Final = 0.2
"""Share of the columns that may be missing."""
MPP_TOLERANCE: Final = 1.3
"""How much finer or coarser than those learned from the resolution of a slide may be."""
_SHOWN: Final = 8
"""Families whose pull on the score is shown."""


@dataclass(frozen=True)
class Judgment:
    """What a grader makes of n slides: scores (n,), nan for nominal ones, probabilities (n, K), grades (n,)."""

    scores: Floats
    probabilities: Floats
    said: NDArray[np.int64]


@dataclass(frozen=True)
class TrainedGrader:
    """Grades by a trained rule, and abstains where the prediction set has not exactly one grade.

    Attributes
    ----------
    weights
        Card and tensors.
    coverage
        How often prediction sets hold the true grade.
    mpp
        Resolution of the slide; None where it is not to be checked.
    """

    weights: Loaded[GraderCard]
    coverage: float = 0.9
    mpp: float | None = None
    name: str = field(init=False)
    grades: tuple[str, ...] = field(init=False)
    scope: str = field(init=False)

    def __post_init__(self) -> None:
        card = self.card
        for name, value in (("name", card.name), ("grades", card.grades), ("scope", f"{card.scope} {card.not_for}")):
            object.__setattr__(self, name, value)

    @property
    def card(self) -> GraderCard:
        """What is known of it."""
        return self.weights.card

    @property
    def made_for(self) -> Mapping[str, tuple[str, ...]]:
        """Tissue and stain of the slides that it learned from."""
        return self.card.made_for

    @property
    def stains(self) -> tuple[str, ...]:
        """That of the slides that it learned from."""
        return (self.card.stain,)

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions whose statistics it learned from, beside those of the whole slide."""
        rows = dict.fromkeys(region_of(row) for row, _ in self.card.architecture.columns)
        return tuple(region for region in rows if region != WHOLE_SLIDE)

    @property
    def model(self) -> tuple[str, str]:
        """Digest of its weights and their terms, for the manifest."""
        return self.weights.sha256, self.card.licence

    def grade(self, nuclei: Parts | None, described: Described = NOTHING_DESCRIBED) -> GradeResult:  # noqa: ARG002
        """Grade a slide or region by its statistics alone."""
        values = vector(described, self.card.architecture.columns)
        if reason := self._too_little(values):
            return self._result(reason=reason)
        judged = self.judge(values[None])
        outside = self.places.outside(values[None])[0]
        said = self._said(judged, self._foreign(outside), self._evidence(values, judged))
        return replace(said, references=self._references(described))

    def _said(self, judged: Judgment, foreign: str | None, evidence: Iterable[Evidence]) -> GradeResult:
        """What is said of one slide, and why nothing is."""
        holds = self.sets(judged)[0]
        names = tuple(name for name, is_in in zip(self.grades, holds, strict=True) if is_in)
        said = self.grades[int(judged.said[0])]
        reason = foreign or self._uncertain(names, said)
        return self._result(
            None if reason else said,
            reason,
            probabilities={
                name: round(float(share), 4) for name, share in zip(self.grades, judged.probabilities[0], strict=True)
            },
            prediction_set=names,
            score=None if np.isnan(judged.scores[0]) else round(float(judged.scores[0]), 4),
            evidence=tuple(evidence),
        )

    def _references(self, described: Described) -> dict[str, Any] | None:
        """The slide's statistics beside those of the groups of slides that the card knows."""
        known = self.card.references
        if not known.groups:
            return None
        values = vector(described, [(one.row, one.column) for one in known.statistics]).tolist()
        return {
            "label": self.card.label,
            "groups": [{"grade": grade, "slides": slides} for grade, slides in known.groups],
            "statistics": [
                {"row": one.row, "column": one.column, "value": value, "quantiles": [*map(list, one.quantiles)]}
                for one, value in zip(known.statistics, values, strict=True)
                if np.isfinite(value)
            ],
        }

    def judge(self, values: Floats) -> Judgment:
        """Grade slides by their statistics (n, D), whatever speaks against it."""
        return self.judge_places(self.places.scores(values))

    def judge_places(self, places: Floats) -> Judgment:
        """Grade slides by their places (n, D) among those learned from."""
        card = self.card
        if card.architecture.kind == "nominal":
            probabilities = nominal_probabilities(places @ self._tensor("weight").T, self._tensor("mix"))
            return Judgment(np.full(len(places), np.nan), probabilities, probabilities.argmax(axis=1))
        if card.architecture.kind == "trees":
            return self._by_score(sum_of_trees(self.weights.tensors, places))
        return self._by_score(places @ self._tensor("weight")[0])

    def _by_score(self, raw: Floats) -> Judgment:
        """What raw scores (n,) stand for."""
        card = self.card
        scores = card.scale * raw + card.offset
        return Judgment(scores, ordinal_probabilities(scores, card.thresholds), grades_by_limits(scores, card.limits))

    def sets(self, judged: Judgment) -> NDArray[np.bool_]:
        """Which grades (n, K) belong to the prediction sets."""
        return prediction_sets(judged.probabilities, self.calibration, self.coverage)

    @property
    def calibration(self) -> Floats:
        """What prediction sets rest on, (slides, 3)."""
        return self._tensor("calibration")

    def is_foreign(self, values: Floats) -> NDArray[np.bool_]:
        """Which slides (n, D) are unlike those learned from."""
        return np.asarray(self.places.outside(values).mean(axis=1) > self.card.foreign)

    def slope(self, described: Described) -> Mapping[tuple[str, str], float]:
        """How much the score changes with each statistic; empty for trees and nominal graders."""
        shape = self.card.architecture
        if shape.kind != "linear":
            return {}
        values = vector(described, shape.columns)
        slopes = self.card.scale * self._tensor("weight")[0] * self.places.slopes(values)
        pairs = zip(shape.columns, slopes.tolist(), np.isfinite(values).tolist(), strict=True)
        return {key: slope for key, slope, known in pairs if known and slope}

    @cached_property
    def places(self) -> Places:
        """Where statistics stand among the slides learned from."""
        return Places(self._tensor("quantiles"))

    def _tensor(self, name: str) -> Floats:
        return self.weights.tensors[name].astype(np.float64)

    def _result(self, grade: str | None = None, reason: str | None = None, **found: object) -> GradeResult:
        known = {
            "shares_of": f"Probabilities of the grade in column '{self.card.label}' of the slides that the grader was "
            "trained on, calibrated on slides that it was not fitted on.",
            "calibrated": True,
            "limits": tuple(round(limit, 4) for limit in self.card.limits),
            "coverage": self.coverage,
            "figures": dict(figures_of(next(iter(self.card.figures.values()), {}))),
            "card": sentences((*self.card.data, *self.card.reported, f"License: {self.card.licence}")),
        }
        return GradeResult(self.name, grade, self.grades, self.scope, reason=reason, **(known | found))  # type: ignore[arg-type]

    def _too_little(self, values: Floats) -> str | None:
        missing = np.isnan(values)
        if (share := float(missing.mean())) <= MOST_MISSING:
            return None
        row, column = self.card.architecture.columns[int(np.flatnonzero(missing)[0])]
        if (region := region_of(row)) != WHOLE_SLIDE:
            return (
                f"{share:.0%} of the statistics that the grader needs are missing here, which it learned from the "
                f"region '{region}' of each slide, too: there is no such region, or it has too few nuclei."
            )
        return (
            f"{share:.0%} of the statistics that the grader needs are missing here, the first is {column} of {row} "
            "nuclei: too few nuclei were found, or features.groups, types.model or statistics.spatial differ from the "
            "slides that it learned from."
        )

    def _foreign(self, outside: Floats | NDArray[np.bool_]) -> str | None:
        """Why a slide is unlike those learned from; what share of each column (D,) lies outside of their range."""
        low, high = self.card.mpp
        if self.mpp is not None and not low / MPP_TOLERANCE <= self.mpp <= high * MPP_TOLERANCE:
            return (
                f"The slide's resolution of {self.mpp:.3g} µm per pixel is unlike those that the grader learned from "
                f"({low:.3g} to {high:.3g})."
            )
        if (share := float(outside.mean())) <= self.card.foreign:
            return None
        return (
            f"The slide is unlike those that the grader learned from: {share:.0%} of its statistics lie outside of "
            f"their range, most of all {self._most(outside)}; up to {self.card.foreign:.0%} were seen among those."
        )

    def _most(self, outside: Floats | NDArray[np.bool_]) -> str:
        shares = {name: float(outside[part].mean()) for name, part in self._families()}
        return max(shares, key=lambda name: shares[name])

    def _families(self) -> Iterator[tuple[str, slice]]:
        start = 0
        for name, columns in self.card.architecture.families:
            yield name, slice(start, start + len(columns))
            start += len(columns)

    def _uncertain(self, names: tuple[str, ...], said: str) -> str | None:
        if names == (said,):
            return None
        could = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
        remedy = "setting grade.coverage; a lower one gives smaller sets"
        if len(names) == 1:
            return f"The score stands for {said}, but the prediction set holds {could} alone ({remedy})."
        return f"The grade could be {could}, at a coverage of {self.coverage:.0%} ({remedy})."

    def _evidence(self, values: Floats, judged: Judgment) -> Iterator[Evidence]:
        """The score, then what pulled it most."""
        yield from self._standing(judged, float(self.places.outside(values[None]).mean()))
        if self.card.architecture.kind == "linear":
            yield from self._pulls(values)

    def _standing(self, judged: Judgment, share: float) -> Iterator[Evidence]:
        """The score and the share of what lies outside, beside their limits."""
        if not np.isnan(judged.scores[0]):
            meaning = "rises with the grade; from each limit on, a slide gets the next grade"
            limits = tuple(round(limit, 4) for limit in self.card.limits)
            yield Evidence("score", round(float(judged.scores[0]), 4), "", meaning, limits)
        meaning = "share of the statistics outside the range of the slides learned from; above its limit, it abstains"
        yield Evidence("outside_share", round(share, 4), "", meaning, (self.card.foreign,))

    def _pulls(self, values: Floats) -> Iterator[Evidence]:
        parts = self.card.scale * self._tensor("weight")[0] * self.places.scores(values[None])[0]
        pulls = {name: float(parts[part].sum()) for name, part in self._families()}
        for name in sorted(pulls, key=lambda name: -abs(pulls[name]))[:_SHOWN]:
            if round(pulls[name], 4):
                meaning = f"pull of {name} on the score; 0 for the median of the slides learned from"
                yield Evidence(f"{name.replace(' ', '_').replace('/', '_')}_pull", round(pulls[name], 4), "", meaning)
