"""The page over all slides."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from markupsafe import Markup

from pathopipe.grading.patients import PatientGrade
from pathopipe.ops.comparisons import FAR, FEWEST_VALUES
from pathopipe.reporting import cohort_comparisons, cohort_data, cohort_figures
from pathopipe.reporting.cohort_comparisons import ByColumn
from pathopipe.reporting.cohort_entry import STATES, CohortEntry, shade
from pathopipe.reporting.cohort_scanners import Scanners
from pathopipe.reporting.cohort_settings import mixed
from pathopipe.reporting.pages import render
from pathopipe.reporting.slide_page import QualityWarning
from pathopipe.results.schemas.column import Term
from pathopipe.results.schemas.statistics import column_term
from pathopipe.text import number

PLAIN: Final = 500
"""Slides of a cohort whose table is also there for a browser without script."""
LISTED: Final = 100
"""Patients, or slides of other settings, that are listed above the table."""
CHOICES: Final = 40
"""Values of a column that are offered to choose from; of more, one types a part."""


@dataclass(frozen=True)
class GradeCount:
    """How many slides got a grade; ``shade`` is the class of its color."""

    label: str
    slides: int
    shade: str
    share: float


@dataclass(frozen=True)
class SheetColumn:
    """A column of the sheet in the table; ``choices`` are its different values, None where there are too many."""

    name: str
    choices: tuple[str, ...] | None


@dataclass(frozen=True)
class CohortPage:
    """All that the page shows: slides in the sheet's order, grades from best to worst, the sheet's columns to show.

    Attributes
    ----------
    statistics
        Names of those that are shown, and compared by each column.
    patients, patient_rule
        Grades of the patients of several slides, and how they are made, a sentence.
    scanners
        How the slides were stained and scanned; None where too few are known for that.
    """

    entries: tuple[CohortEntry, ...]
    grades: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    patients: tuple[PatientGrade, ...] = ()
    patient_rule: str = ""
    scanners: Scanners | None = None

    @property
    def resampled(self) -> bool:
        """Whether any slide has shares of resamples."""
        return any(entry.stability and not entry.row.calibrated for entry in self.entries)

    @property
    def terms(self) -> list[tuple[str, Term]]:
        """The statistics of the table, by name."""
        return [(name, column_term(name)) for name in self.statistics]

    @property
    def sheet_columns(self) -> list[SheetColumn]:
        """The sheet's columns of the table."""
        found = []
        for name in self.extra:
            values = self._column(name, self.entries).groups
            found.append(SheetColumn(name, tuple(values) if len(values) <= CHOICES else None))
        return found

    @property
    def states(self) -> list[tuple[str, str, int]]:
        """Class, words and number of slides of each state that occurs; analyzed ones always."""
        found = {state: sum(entry.row.state == state for entry in self.entries) for state in STATES}
        return [(state, STATES[state], slides) for state, slides in found.items() if slides or state == "done"]

    @cached_property
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
    def far(self) -> int:
        """How many slides lie far from the others in a statistic."""
        return sum(bool(entry.far) for entry in self.entries)

    @property
    def far_rule(self) -> str:
        """When a slide does, a sentence."""
        return (
            f"A slide is an outlier in a statistic if it is more than {number(FAR, 2)} robust standard deviations (by "
            "the median absolute deviation; Iglewicz and Hoaglin 1993) from the median of all analyzed slides, of "
            f"which there must be {FEWEST_VALUES}. That alone does not make it wrong."
        )

    @property
    def mixed(self) -> str:
        """Say that slides were made with other settings than most; empty where none were."""
        return mixed(len(self.others), len(self.entries)) if self.others else ""

    @property
    def others(self) -> list[CohortEntry]:
        """The slides that were."""
        return [entry for entry in self.entries if entry.row.other_settings]

    @cached_property
    def strips(self) -> list[Markup]:
        """How the statistics are spread over the slides, where at least two slides have them."""
        slides = cohort_comparisons.Slides(self.done, self.grades)
        drawn = (([dot for dot in slides.dots(name) if dot], name) for name in self.statistics)
        return [cohort_figures.strip(dots, column_term(name), name) for dots, name in drawn if len(dots) > 1]

    @cached_property
    def comparisons(self) -> list[ByColumn]:
        """The statistics by grade, and by each of the sheet's columns that are shown."""
        if len(self.done) < 2:
            return []
        given = tuple(entry.row.grade or "No grade" for entry in self.done)
        columns = [cohort_comparisons.Column("grade", given, self.grades, tested=False)] if self.grades else []
        columns += [self._column(name, self.done) for name in self.extra]
        slides = cohort_comparisons.Slides(self.done, self.grades)
        return cohort_comparisons.compare(slides, self.statistics, columns)

    @property
    def rules(self) -> str:
        """How the comparisons were made, in sentences."""
        return cohort_comparisons.rules(self.comparisons)

    def _column(self, name: str, entries: Sequence[CohortEntry]) -> cohort_comparisons.Column:
        return cohort_comparisons.Column(name, tuple(entry.row.extra.get(name, "") for entry in entries))

    @property
    def rows(self) -> Markup:
        """The rows of the table, for the script."""
        return cohort_data.rows(self.entries, self.grades, self.statistics, self.extra, self.patients)

    def shade_of_patient(self, patient: PatientGrade) -> str:
        """Class of the color of a patient's grade."""
        return shade(patient.grade, self.grades)


def render_cohort(page: CohortPage) -> bytes:
    """Render the page over all slides as HTML; it links to the reports by relative addresses.

    Pictures that are not inside it may only come from where the page itself is.
    """
    apart = any(entry.thumbnail and not entry.thumbnail.startswith("data:") for entry in page.entries)
    return render(
        "cohort.html",
        ["cohort_rows.js", "cohort.js"],
        ["cohort.css"],
        "data: 'self'" if apart else "data:",
        page=page,
        slides=len(page.entries),
        plain=PLAIN,
        listed=LISTED,
        named=cohort_figures.NAMED,
        cell=cohort_data.cell,
    )
