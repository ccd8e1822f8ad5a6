"""The page over all slides."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from pathopipe.grading.patients import PatientGrade
from pathopipe.reporting import figures
from pathopipe.reporting.cohort_settings import mixed
from pathopipe.reporting.cohort_table import CohortRow
from pathopipe.reporting.pages import render
from pathopipe.reporting.pictures import Picture
from pathopipe.reporting.slide_page import QualityWarning
from pathopipe.results.schemas.column import Term
from pathopipe.results.schemas.statistics import column_term
from pathopipe.text import count, number, percent

STATES = {
    "done": "Analyzed",
    "rejected": "Rejected",
    "fault": "Fault",
    "missing": "Not finished",
}
STRIPS = (
    "nuclei_per_mm2",
    "area_um2_mean",
    "area_um2_cv",
    "circularity_p50",
    "hematoxylin_mean_p50",
    "nearest_um_p50",
)
SHADES = 4
"""Number of colors for grades, from light to dark."""


@dataclass(frozen=True)
class Column:
    """A column of numbers in the page's table."""

    key: str
    title: str
    unit: str


COLUMNS = (
    Column("nuclei_count", "Nuclei", ""),
    Column("nuclei_per_mm2", "Density", "per mm²"),
    Column("area_um2_mean", "Mean area", "µm²"),
    Column("area_um2_cv", "CV of area", ""),
    Column("tissue_mm2", "Tissue", "mm²"),
    Column("unfit_share", "Left out", ""),
)


@dataclass(frozen=True)
class CohortEntry:
    """A slide on the page: its row of the table, a picture, whether there is a report to link to, and warnings."""

    row: CohortRow
    thumbnail: Picture | None = None
    has_report: bool = False
    warnings: tuple[QualityWarning, ...] = ()

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

    def cell(self, column: Column) -> str:
        """A number of the row, ready to read."""
        value = self.row.statistics.get(column.key)
        return count(value) if column.key == "nuclei_count" else number(value)

    def sort_key(self, column: Column) -> str:
        """A number of the row, for the script that sorts."""
        value = self.row.statistics.get(column.key)
        return "" if value is None else repr(value)


@dataclass(frozen=True)
class GradeCount:
    """How many slides got a grade; ``shade`` is the class of its color."""

    label: str
    slides: int
    shade: str
    share: float


@dataclass(frozen=True)
class CohortPage:
    """All that the page shows: slides in the sheet's order, grades from best to worst, the sheet's columns to show.

    Attributes
    ----------
    patients, patient_rule
        Grades of the patients of several slides, and how they are made, a sentence.
    """

    entries: tuple[CohortEntry, ...]
    grades: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    patients: tuple[PatientGrade, ...] = ()
    patient_rule: str = ""

    @property
    def resampled(self) -> bool:
        """Whether any slide has shares of resamples."""
        return any(entry.stability and not entry.row.calibrated for entry in self.entries)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of numbers."""
        return COLUMNS

    @property
    def states(self) -> list[tuple[str, str, int]]:
        """Class, words and number of slides of each state that occurs; analyzed ones always."""
        found = {state: sum(entry.row.state == state for entry in self.entries) for state in STATES}
        return [(state, STATES[state], slides) for state, slides in found.items() if slides or state == "done"]

    @property
    def done(self) -> list[CohortEntry]:
        """The slides with results."""
        return [entry for entry in self.entries if entry.row.state == "done"]

    @property
    def models(self) -> list[tuple[str, str, int]]:
        """Models that found the nuclei, their licenses, and on how many slides each did, the most used first."""
        used = Counter((entry.row.model or "", entry.row.model_licence or "") for entry in self.done)
        return [(name, licence, slides) for (name, licence), slides in used.most_common() if name]

    @property
    def grade_counts(self) -> list[GradeCount]:
        """Slides per grade, from best to worst, then those without one; empty where nothing was graded."""
        given = [entry.row.grade for entry in self.done]
        if not given:
            return []
        counts = [(grade, given.count(grade), shade(grade, self.grades)) for grade in self.grades]
        abstained = given.count(None)
        counts += [("No grade", abstained, "gx")] if abstained else []
        return [GradeCount(label, slides, color, slides / len(given)) for label, slides, color in counts]

    @property
    def warning_counts(self) -> list[tuple[QualityWarning, int]]:
        """Kinds of warnings, one of each, and on how many slides; those first that leave slides without a grade."""
        found = [warning for entry in self.entries for warning in entry.marks]
        counts, kinds = Counter(warning.code for warning in found), {warning.code: warning for warning in found}
        order = sorted(kinds, key=lambda code: (not kinds[code].stops_grade, -counts[code]))
        return [(kinds[code], counts[code]) for code in order]

    @property
    def mixed(self) -> str:
        """Say that slides were made with other settings than most; empty where none were."""
        others = sum(bool(entry.row.other_settings) for entry in self.entries)
        return mixed(others, len(self.entries)) if others else ""

    @property
    def strips(self) -> list[tuple[Term, Markup]]:
        """How the main statistics are spread over the slides, where at least two slides have them."""
        drawn = []
        for name in STRIPS:
            dots = self._dots(name)
            if len(dots) > 1:
                drawn.append((column_term(name), figures.strip(dots, column_term(name))))
        return drawn

    def _dots(self, name: str) -> list[figures.Dot]:
        return [
            figures.Dot(float(value), entry.row.slide, shade(entry.row.grade, self.grades))
            for entry in self.done
            if (value := entry.row.statistics.get(name)) is not None
        ]

    def shade_of(self, entry: CohortEntry) -> str:
        """Class of the color of an entry's grade."""
        return shade(entry.row.grade, self.grades)

    def shade_of_patient(self, patient: PatientGrade) -> str:
        """Class of the color of a patient's grade."""
        return shade(patient.grade, self.grades)


def shade(grade: str | None, grades: Sequence[str]) -> str:
    """Return the class of a grade's color: the worst is always the darkest, no grade is gray."""
    if grade is None or grade not in grades:
        return "gx"
    last = max(1, len(grades) - 1)
    return f"g{round(grades.index(grade) * (SHADES - 1) / last)}"


def render_cohort(page: CohortPage) -> bytes:
    """Render the page over all slides as self-contained HTML; it links to the reports by relative addresses."""
    return render("cohort.html", ["cohort.js"], page=page, slides=len(page.entries))
