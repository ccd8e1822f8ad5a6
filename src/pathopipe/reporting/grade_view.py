"""What a slide's page shows of its grade, as data."""

from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from pathopipe.reporting import figures
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.references import References
from pathopipe.reporting.vocabulary import in_words
from pathopipe.text import anything, number, percent, quantity

_SHORT_LIST, _LEADING, _NAMED = 6, 4, 4


@dataclass(frozen=True)
class Evidence:
    """A number that led to the grade, and the limits at which it would speak for another one."""

    name: str
    value: object
    unit: str
    meaning: str
    limits: tuple[float, ...] = ()
    to_limit: float | None = None

    @property
    def label(self) -> str:
        """The name in words."""
        return in_words(self.name)

    @property
    def written(self) -> str:
        """The value with its unit."""
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return quantity(self.value, self.unit, 1 if isinstance(self.value, int) else 3)
        return anything(self.value)

    @property
    def line(self) -> Markup | None:
        """The number on a line with its limits; None where it has none."""
        if not isinstance(self.value, int | float) or not self.limits:
            return None
        limits = ", ".join(map(number, self.limits))
        return figures.number_line(self.value, self.limits, f"{self.label}: {self.written}; limits: {limits}.")

    @property
    def distance(self) -> str:
        """How far the number is from the nearest limit, in words; empty where it has none."""
        if self.to_limit is None or not isinstance(self.value, int | float):
            return ""
        limit, side = quantity(self.value + self.to_limit, self.unit), "below" if self.to_limit > 0 else "above"
        if self.to_limit == 0:
            return f"At the limit of {limit}."
        return f"{quantity(abs(self.to_limit), self.unit)} {side} the limit of {limit}."


@dataclass(frozen=True)
class RegionGrade:
    """The grade of a region, or why it has none."""

    region: str
    grade: str | None
    score: float | None
    prediction_set: tuple[str, ...] | None
    reason: str | None

    @property
    def possible(self) -> str:
        """The grades of the prediction set, in words; empty where there is none."""
        return "" if self.prediction_set is None else either(self.prediction_set)


@dataclass(frozen=True)
class Driver:
    """A field that drives the score, ready to read: its upper left corner, nuclei, and what they contribute.

    ``link`` leads to it in the viewer.
    """

    corner: str
    size: str
    nuclei: str
    influence: str
    link: str


@dataclass(frozen=True)
class Drivers:
    """What drives the score: strongest fields and nuclei, and how much of the score's slope that rests on."""

    fields: tuple[Driver, ...]
    nuclei: tuple[int, ...]
    side_um: float
    covered: float | None
    left_out: tuple[str, ...]

    @property
    def missing(self) -> str:
        """Some of what is left out, in words."""
        more = len(self.left_out) - _NAMED
        return "; ".join(self.left_out[:_NAMED]) + ("; and others" if more > 0 else "")


@dataclass(frozen=True)
class Grade:
    """A grader's answer; ``grade`` is None, and ``reason`` says why, where it abstained."""

    grader: str
    scope: str
    grade: str | None
    grades: tuple[str, ...]
    probabilities: tuple[float, ...]
    abstained: bool
    reason: str | None
    evidence: tuple[Evidence, ...]
    stability: float | None = None
    shares_of: str = ""
    outside_scope: str | None = None
    calibrated: bool = False
    score: float | None = None
    limits: tuple[float, ...] = ()
    prediction_set: tuple[str, ...] | None = None
    coverage: float | None = None
    not_assessed: tuple[tuple[str, str], ...] = ()
    figures: tuple[Fact, ...] = ()
    card: str = ""
    regions: tuple[RegionGrade, ...] = ()
    drivers: Drivers | None = None
    references: References | None = None

    @property
    def stable(self) -> str:
        """How sure the grade is, in words: resamples are not mistaken for certainty; empty where nothing is known."""
        if self.calibrated and self.grade in self.grades and self.probabilities:
            share = self.probabilities[self.grades.index(self.grade)]
            return f"Probability {percent(share)}"
        return "" if self.stability is None else f"Same grade in {percent(self.stability)} of resamples"

    @property
    def leading(self) -> tuple[Evidence, ...]:
        """What stands beside the grade: graders name first what decides; a short list stands there as a whole."""
        return self.evidence if len(self.evidence) <= _SHORT_LIST else self.evidence[:_LEADING]

    @property
    def is_cut(self) -> bool:
        """Whether not all evidence stands beside the grade."""
        return len(self.leading) < len(self.evidence)

    @property
    def measured(self) -> tuple[Evidence, ...]:
        """The numbers that have limits."""
        return tuple(item for item in self.evidence if item.line)

    @property
    def bars(self) -> Markup | None:
        """Probabilities, or shares of resamples, by grade as a figure, where the grader gave any."""
        if not self.probabilities:
            return None
        what = "Probability" if self.calibrated else "Share of resamples"
        return figures.share_bars(self.grades, self.probabilities, self.grade, what)

    @property
    def score_line(self) -> Markup | None:
        """The score on a line with the limits between grades; None where the grade doesn't follow from a score."""
        if self.score is None or not self.limits:
            return None
        names = self.grades if len(self.grades) == len(self.limits) + 1 else ()
        limits = ", ".join(map(number, self.limits))
        label = f"Score {number(self.score)}; limits between grades: {limits}."
        return figures.number_line(self.score, self.limits, label, names)

    @property
    def possible(self) -> str:
        """The prediction set in plain words; empty where there is none."""
        if self.prediction_set is None or self.coverage is None:
            return ""
        held = f"{_of(self.coverage)} such sets hold the pathologist's grade."
        if not self.prediction_set:
            return f"Possible grade: none fits well enough. {held}"
        if len(self.prediction_set) == len(self.grades):
            return f"Possible grades: all of them. {held}"
        words = "Possible grades" if len(self.prediction_set) > 1 else "Possible grade"
        return f"{words}: {either(self.prediction_set)}. {held}"

    @property
    def one_reason(self) -> str:
        """Why no region has a grade, where all have the same reason."""
        reasons = {region.reason for region in self.regions if region.grade is None}
        if len(reasons) != 1 or any(region.grade is not None for region in self.regions):
            return ""
        return reasons.pop() or ""


def either(grades: tuple[str, ...]) -> str:
    """Join grades by commas and a final ``or``."""
    return " or ".join([", ".join(grades[:-1]), grades[-1]]) if len(grades) > 1 else "".join(grades) or "none"


def _of(coverage: float) -> str:
    """Write a share as a small fraction: 0.9 is 9 of 10."""
    share = Fraction(coverage).limit_denominator(100)
    if share.denominator in {2, 5}:
        share_of = 10 // share.denominator
        return f"{share.numerator * share_of} of 10"
    return f"{share.numerator} of {share.denominator}"
