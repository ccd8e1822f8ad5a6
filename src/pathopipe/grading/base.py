"""Graders: measurements of nuclei in, a grade with its evidence out. For research use only.

A grader abstains, in a plain sentence, rather than give a grade that its own measurements don't support.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pathopipe.text import sentence

Columns = Mapping[str, NDArray[np.float64]]
Parts = Callable[[Sequence[str]], Iterator[Columns]]
"""Gives columns of all nuclei, in the same order on every call, some at a time: a million are not held at once."""


_FIGURE: Final = ("value", "low", "high")
Described = Mapping[str, Mapping[str, Any]]
"""Statistics of the slide by type of nuclei (``all`` and the types that are told apart): rows of the stage's table."""
NOTHING_DESCRIBED: Final[Described] = MappingProxyType({})


@dataclass(frozen=True)
class Evidence:
    """A number behind a grade; ``unit`` is empty for a pure number.

    Attributes
    ----------
    limits
        Where the number by itself speaks for another grade, ascending; empty for one that decides nothing.
    """

    name: str
    value: float | int | None
    unit: str
    meaning: str
    limits: tuple[float, ...] = ()

    @property
    def to_limit(self) -> float | None:
        """How much the number would have to change, with its sign, to reach the nearest limit."""
        if self.value is None or not self.limits:
            return None
        value = self.value
        return min((limit - value for limit in self.limits), key=abs)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``grade.json``."""
        return vars(self) | {"limits": list(self.limits), "to_limit": self.to_limit}


@dataclass(frozen=True)
class NotAssessed:
    """An item that a grading protocol asks for and that nuclei can't show, and why not."""

    item: str
    reason: str


@dataclass(frozen=True)
class GradeResult:
    """What a grader says about a slide.

    Attributes
    ----------
    grade
        One of ``grades`` (ordered from best to worst), or None when it abstains.
    probabilities
        By grade; empty where nothing could be graded.
    scope
        What tissue the grader is made for, a sentence.
    outside_scope
        Why the slide is outside what the grader is made for, a sentence; None where it is not.
    shares_of
        What the probabilities are, a sentence.
    calibrated
        Whether the probabilities say how often such a grade is correct.
    score
        A number that rises with the grade, for ranking slides; None where nothing could be graded.
    limits
        Of the score, between the grades, ascending; empty where the grade does not follow from a score.
    prediction_set, coverage
        Grades of which the true one is one as often as the coverage says; None where the grader gives none.
    not_assessed
        What else a protocol asks for.
    figures
        How well the grader does by its card, by name: value and interval, whose ends are None where there is none.
    card
        On what data it was made, and their license, in sentences; empty for a grader without a card.
    references
        The slide beside slides of known grades, as in ``grade.json``; None for a grader that knows none.
    reason
        Why it abstains, a sentence; None when it doesn't.
    """

    grader: str
    grade: str | None
    grades: tuple[str, ...]
    scope: str
    probabilities: dict[str, float] = field(default_factory=dict)
    reason: str | None = None
    evidence: tuple[Evidence, ...] = ()
    outside_scope: str | None = None
    shares_of: str = ""
    calibrated: bool = False
    score: float | None = None
    limits: tuple[float, ...] = ()
    prediction_set: tuple[str, ...] | None = None
    coverage: float | None = None
    not_assessed: tuple[NotAssessed, ...] = ()
    figures: Mapping[str, tuple[float, float | None, float | None]] = field(default_factory=dict)
    card: str = ""
    references: Mapping[str, Any] | None = None

    @property
    def stability(self) -> float | None:
        """Share of resamples that give the grade, where a grade is given and shares are not calibrated."""
        return None if self.grade is None or self.calibrated else self.probabilities.get(self.grade)

    @property
    def abstained(self) -> bool:
        """Whether there is no grade."""
        return self.grade is None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``grade.json``."""
        return {
            "grader": self.grader,
            "grade": self.grade,
            "grades": list(self.grades),
            "scope": self.scope,
            "outside_scope": self.outside_scope,
            "stability": self.stability,
            "score": self.score,
            "limits": list(self.limits),
            "probabilities": self.probabilities,
            "probabilities_are": self.shares_of,
            "probabilities_calibrated": self.calibrated,
            "prediction_set": None if self.prediction_set is None else list(self.prediction_set),
            "coverage": self.coverage,
            "abstained": self.abstained,
            "reason": self.reason,
            "evidence": [item.to_dict() for item in self.evidence],
            "not_assessed": [vars(item) for item in self.not_assessed],
            "figures": {name: dict(zip(_FIGURE, figure, strict=True)) for name, figure in self.figures.items()},
            "card": self.card,
            "references": self.references,
            "research_use_only": True,
        }


class Grader(Protocol):
    """Grades a slide from the measurements of its nuclei."""

    @property
    def name(self) -> str:
        """The name that the settings know it by."""

    @property
    def grades(self) -> tuple[str, ...]:
        """All grades, from best to worst."""

    @property
    def scope(self) -> str:
        """What tissue it is made for, a sentence."""

    @property
    def model(self) -> tuple[str | None, str | None]:
        """Digest of its weights and the terms of their use, for the manifest; None for a rule without weights."""

    @property
    def made_for(self) -> Mapping[str, tuple[str, ...]]:
        """What it grades, in the words of the sheet, by column: ``tissue`` (organs) and ``stain``; the usual first."""

    @property
    def stains(self) -> tuple[str, ...]:
        """With which settings of ``features.stain`` its measures may have been made."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions whose statistics it needs beside those of the whole slide, by their names."""

    def grade(self, nuclei: Parts | None, described: Described = NOTHING_DESCRIBED) -> GradeResult:
        """Grade a slide, or a region of one.

        Whether the image is fit to be graded is decided by the stage, whatever the grader.

        Parameters
        ----------
        nuclei
            Their features and places (``x_um``, ``y_um``), any of which may be asked for, and ``type`` as a place in
            `ops.nucleus_types.TYPES`, -1 where it is not known; None for a region, of which there are only statistics.
        described
            Statistics of the slide or region, by type of nuclei; those of ``regions`` in rows ``<region>/<type>``.
        """

    def slope(self, described: Described) -> Mapping[tuple[str, str], float]:
        """How much the score changes with each statistic, by type of nuclei and column, at these statistics.

        Empty for a grader without a score, or whose score is not a smooth function of statistics.
        """


def figures_of(row: Mapping[str, float]) -> Iterator[tuple[str, tuple[float, float | None, float | None]]]:
    """Go through figures of a card, each with the ends of its interval, which are named ``_low`` and ``_high``."""
    for name, value in row.items():
        if not name.endswith(("_low", "_high")):
            yield name, (value, row.get(f"{name}_low"), row.get(f"{name}_high"))


def sentences(texts: Iterable[str]) -> str:
    """Join the lines of a card to sentences."""
    return " ".join(sentence(text) for text in texts)


def out_of_scope(grader: Grader, about: Mapping[str, str]) -> str | None:
    """Say why a slide is outside what a grader is made for, from the tissue and stain in the sheet.

    A cell may say more than the organ: ``breast, left`` is breast. An empty cell is no objection.
    """
    others = [
        f"the sample sheet states {column} '{reported}', but the grader is made for {grader.made_for[column][0]}"
        for column, reported in about.items()
        if column in grader.made_for and not any(_is(reported, name) for name in grader.made_for[column])
    ]
    return "; ".join(others) or None


def _is(reported: str, name: str) -> bool:
    """Whether a cell says a name, perhaps with more after it."""
    return re.match(rf"{re.escape(_plain(name))}(?![a-z])", _plain(reported)) is not None


def _plain(text: str) -> str:
    """In lower case, without the characters in which spellings of a stain differ."""
    return re.sub(r"\s*(?:&|\+|/|\band\b|-)\s*", "", text.casefold()).replace("haem", "hem").strip()
