"""One grade for a patient of whom there are several slides, by a stated rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pathopipe.pipeline import PatientRule
from pathopipe.text import percent

RULES: Final[Mapping[PatientRule, str]] = MappingProxyType(
    {
        "worst": "The grade of a patient is the worst of the grades of the slides.",
        "representative": "The grade of a patient is that of the slide with the most epithelial nuclei (with the most "
        "nuclei, where types are not known), among those with a grade.",
        "pooled": "The grade of a patient is the one of the highest mean probability (or share of resamples) over the "
        "slides with a grade, each weighted by its epithelial nuclei (by its nuclei, where types are not known).",
    }
)
"""What the rules do, a sentence each."""


@dataclass(frozen=True)
class GradedSlide:
    """A slide of a patient.

    Attributes
    ----------
    state
        ``done``, ``rejected``, ``fault`` or ``missing``.
    grade, grades
        What the grader said, None where it abstained, and all grades from best to worst; none of a slide that is not
        done.
    probabilities
        By grade.
    nuclei, epithelial
        How many, of all types and epithelial ones; None where it is not known.
    """

    slide: str
    state: str
    grade: str | None = None
    grades: tuple[str, ...] = ()
    probabilities: Mapping[str, float] = field(default_factory=dict)
    nuclei: float | None = None
    epithelial: float | None = None


@dataclass(frozen=True)
class PatientGrade:
    """The grade of a patient, who is named by the slides; None where no slide has one, and remarks as sentences.

    ``of_slides`` are the grades of the slides, in their order.
    """

    slides: tuple[str, ...]
    of_slides: tuple[str | None, ...]
    grade: str | None
    remarks: tuple[str, ...] = ()


def grade_patient(slides: Sequence[GradedSlide], rule: PatientRule) -> PatientGrade:
    """Give a patient one grade.

    Slides without a grade count for nothing, and are named in a remark. Slides whose graders know different grades have
    none together.
    """
    names, own = tuple(slide.slide for slide in slides), tuple(slide.grade for slide in slides)
    graded = [slide for slide in slides if slide.state == "done" and slide.grade is not None]
    remarks = _remarks(slides, graded)
    if not graded:
        return PatientGrade(names, own, None, ("No slide has a grade.", *remarks))
    if len({slide.grades for slide in graded}) > 1:
        return PatientGrade(names, own, None, ("The slides were graded by different graders.", *remarks))
    grade, more = _RULES[rule](graded)
    return PatientGrade(names, own, grade, (*([more] if more else []), *remarks))


def _worst(slides: Sequence[GradedSlide]) -> tuple[str | None, str]:
    return max((slide.grade for slide in slides), key=lambda grade: slides[0].grades.index(grade or "")), ""


def _representative(slides: Sequence[GradedSlide]) -> tuple[str | None, str]:
    weights = _weights(slides)
    largest = slides[max(range(len(slides)), key=weights.__getitem__)]
    return largest.grade, f"Grade of {largest.slide}." if len(slides) > 1 else ""


def _pooled(slides: Sequence[GradedSlide]) -> tuple[str | None, str]:
    weights, grades = _weights(slides), slides[0].grades
    if not all(slide.probabilities for slide in slides) or not sum(weights):
        return None, "Not all slides have probabilities and nuclei, so that they can't be pooled."
    means = {
        grade: sum(weight * slide.probabilities.get(grade, 0.0) for weight, slide in zip(weights, slides, strict=True))
        / sum(weights)
        for grade in grades
    }
    # Of equal ones the worse.
    best = max(reversed(grades), key=means.__getitem__)
    return best, f"Weighted mean {percent(means[best])}."


def _weights(slides: Sequence[GradedSlide]) -> list[float]:
    """Weigh all by epithelial nuclei, or all by all nuclei: the two are not to be compared."""
    epithelial = [slide.epithelial for slide in slides]
    known = [number for number in epithelial if number is not None]
    return known if len(known) == len(slides) else [slide.nuclei or 0.0 for slide in slides]


def _remarks(slides: Sequence[GradedSlide], graded: Sequence[GradedSlide]) -> tuple[str, ...]:
    """Name the slides that do not count, by why not."""
    kinds: dict[str, list[str]] = {}
    for slide in slides:
        if slide not in graded:
            kinds.setdefault(slide.state, []).append(slide.slide)
    return tuple(f"{_WITHOUT[state]}: {', '.join(names)}." for state, names in kinds.items())


_WITHOUT: Final = MappingProxyType(
    {"done": "Without a grade", "rejected": "Rejected", "fault": "Failed", "missing": "Not finished"}
)
_RULES: Final[Mapping[PatientRule, Callable[[Sequence[GradedSlide]], tuple[str | None, str]]]] = MappingProxyType(
    {"worst": _worst, "representative": _representative, "pooled": _pooled}
)
