"""The first screen of a slide's page, in words: how sure the grade is, and what to worry about."""

from collections.abc import Iterator
from typing import Final

from pathopipe.reporting.grade_view import Grade
from pathopipe.reporting.vocabulary import FIGURES
from pathopipe.text import number

_NAMED: Final = 3
_AGREEMENT: Final = ("quadratic_kappa", "accuracy", "balanced_accuracy", "spearman")
"""Figures of graders that say how often or how closely they agree with pathologists, the first that is known."""


def how_sure(grade: Grade) -> tuple[str, ...]:
    """Say in sentences how far a grade can be trusted, without calling steadiness certainty.

    Empty where there is no grade: then the reason is all that counts.
    """
    if grade.grade is None or grade.abstained:
        return ()
    return tuple(sentence for part in (_chances, _margin, _agreement) for sentence in part(grade))


def _chances(grade: Grade) -> Iterator[str]:
    yield f"{grade.stable or 'The grader does not say how sure it is'}."
    yield from filter(None, (grade.possible, grade.shares_of))


def _margin(grade: Grade) -> Iterator[str]:
    """How far the score is from the nearest limit."""
    if grade.score is None or not grade.limits or len(grade.limits) != len(grade.grades) - 1:
        return
    score = grade.score
    place = min(range(len(grade.limits)), key=lambda index: abs(grade.limits[index] - score))
    away, side = abs(grade.limits[place] - score), "above" if score >= grade.limits[place] else "below"
    between = f"{grade.grades[place]} and {grade.grades[place + 1]}"
    yield f"The score is {f'{number(away, 2)} {side}' if away else 'at'} the limit between {between}."


def _agreement(grade: Grade) -> Iterator[str]:
    """The grader's own test, which says more than any number of this slide."""
    known = {fact.label: fact for fact in grade.figures}
    for label in map(FIGURES.__getitem__, _AGREEMENT):
        if fact := known.get(label):
            interval = f" {fact.note}" if fact.note else ""
            yield f"When the grader was tested: {label[:1].lower()}{label[1:]} {fact.value}{interval}; 1 is perfect."
            return


def left_out(grade: Grade | None) -> str:
    """Say in a sentence what a protocol asks for that nobody looked at; empty where that is not known."""
    items = [item for item, _ in grade.not_assessed] if grade else []
    if len(items) > _NAMED + 1:
        items = [*items[:_NAMED], f"{len(items) - _NAMED} more"]
    return f"Not assessed: {', '.join(items[:-1])}{' and ' if items[1:] else ''}{items[-1]}." if items else ""
