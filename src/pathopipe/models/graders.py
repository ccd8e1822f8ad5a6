"""Graders: measurements of nuclei in, a grade with its evidence out. For research use only.

A grader abstains, in a plain sentence, rather than give a grade that its own measurements don't carry.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import RefusalError

Columns = Mapping[str, NDArray[np.float64]]
Parts = Callable[[Sequence[str]], Iterator[Columns]]
"""Gives columns of all nuclei, in the same order on every call, some at a time: a million are not held at once."""


@dataclass(frozen=True)
class Evidence:
    """A number behind a grade; ``unit`` is empty for a pure number."""

    name: str
    value: float | int | None
    unit: str
    meaning: str


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
            "probabilities": self.probabilities,
            "abstained": self.abstained,
            "reason": self.reason,
            "evidence": [vars(item) for item in self.evidence],
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

    def grade(self, nuclei: Parts, quality: Mapping[str, str]) -> GradeResult:
        """Grade nuclei given by their features and places (``x_um``, ``y_um``), any of which may be asked for.

        Parameters
        ----------
        quality
            Warnings about the image, message by code.
        """


def make_grader(name: str, **settings: Any) -> Grader:
    """Make the grader of a name.

    Raises
    ------
    RefusalError
        When there is none of that name.
    """
    known = _graders()
    if name not in known:
        raise RefusalError(f"grade.grader: there is no grader '{name}'; known are {', '.join(known)}")
    return known[name](**settings)


def _graders() -> dict[str, Callable[..., Grader]]:
    from pathopipe.models.nottingham import NottinghamPleomorphism

    return {"nottingham-pleomorphism": NottinghamPleomorphism}
