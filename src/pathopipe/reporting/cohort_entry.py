"""A slide on the page of the cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from pathopipe.reporting.cohort_table import CohortRow
from pathopipe.reporting.slide_page import QualityWarning
from pathopipe.text import percent

STATES = {
    "done": "Analyzed",
    "rejected": "Rejected",
    "fault": "Fault",
    "missing": "Not finished",
}
_SHADES = 4
"""Number of colors for grades, from light to dark."""


@dataclass(frozen=True)
class CohortEntry:
    """A slide: its row of the table, and what only the page shows.

    Attributes
    ----------
    thumbnail
        Address of its picture, inside the page or relative to it; None where there is none.
    has_report
        Whether there is a report to link to.
    far
        Statistics in which it lies far from the others, with the robust z score.
    """

    row: CohortRow
    thumbnail: str | None = None
    has_report: bool = False
    warnings: tuple[QualityWarning, ...] = ()
    far: Mapping[str, float] = field(default_factory=dict)

    @property
    def href(self) -> str | None:
        """Address of the report, relative to the page, so that the results folder can be moved."""
        return f"../{quote(self.row.slide, safe='')}/report/report.html" if self.has_report else None

    @property
    def state(self) -> str:
        """The state in plain words."""
        return STATES.get(self.row.state, self.row.state)

    @property
    def stability(self) -> str:
        """Share of resamples that give the grade, or its probability, in words; empty where there is none."""
        share = self.row.shares.get(self.row.grade) if self.row.grade else None
        if share is None:
            return ""
        return f"probability {percent(share)}" if self.row.calibrated else f"in {percent(share)} of resamples"

    @property
    def marks(self) -> list[QualityWarning]:
        """One warning of each code."""
        return list({warning.code: warning for warning in reversed(self.warnings)}.values())[::-1]

    @property
    def stopped(self) -> bool:
        """Whether a warning leaves the slide without a grade."""
        return any(warning.stops_grade for warning in self.warnings)


def shade(grade: str | None, grades: Sequence[str]) -> str:
    """Return the class of a grade's color: the worst is always the darkest, no grade is gray."""
    if grade is None or grade not in grades:
        return "gx"
    last = max(1, len(grades) - 1)
    return f"g{round(grades.index(grade) * (_SHADES - 1) / last)}"
