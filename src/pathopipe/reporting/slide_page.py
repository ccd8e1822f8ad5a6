"""The report of one slide: what it shows, as data, and the page made of it."""

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from pathopipe.reporting import figures
from pathopipe.reporting.close_ups import FieldOfView, Gallery
from pathopipe.reporting.distribution import Distribution
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.first_screen import how_sure, left_out
from pathopipe.reporting.grade_view import Grade
from pathopipe.reporting.overview import LETTERS, Overview
from pathopipe.reporting.pages import render
from pathopipe.reporting.relative import STAGE_FILES, StageFile, cohort_link
from pathopipe.reporting.statistics_rows import OtherRows
from pathopipe.reporting.vocabulary import WARNINGS, in_words
from pathopipe.results.schemas.column import Term
from pathopipe.text import count, number, quantity


@dataclass(frozen=True)
class QualityWarning:
    """Something about the slide that makes its numbers less trustworthy, in plain words; it may stop the grade."""

    code: str
    message: str
    stops_grade: bool = False

    @property
    def label(self) -> str:
        """What the code stands for, in a word or two."""
        return WARNINGS.get(self.code, in_words(self.code))


@dataclass(frozen=True)
class Histogram:
    """The distribution of a measure over the nuclei of the slide."""

    term: Term
    data: Distribution

    @property
    def drawing(self) -> Markup:
        """The figure."""
        return figures.histogram(self.data, self.term)

    @property
    def note(self) -> str:
        """How many nuclei lie outside of the bars; empty where none does."""
        outside = self.data.below + self.data.above
        if not outside:
            return ""
        low, high = number(self.data.edges[0]), quantity(self.data.edges[-1], self.term.unit)
        return f"{count(outside)} of {count(self.data.total)} nuclei lie outside {low} to {high} and are not drawn."


@dataclass(frozen=True)
class StatisticsRow:
    """The statistics of one measure.

    Attributes
    ----------
    name
        Of the measure in the tables.
    values
        In the order of the table's columns, None where there is none.
    definition
        How it is computed, and whose definition that is; empty where its meaning says it.
    medians
        In the order of the regions and types of nuclei that pages compare.
    """

    term: Term
    values: tuple[float | None, ...]
    name: str = ""
    definition: str = ""
    medians: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class StatisticsGroup:
    """Measures that belong together."""

    title: str
    rows: tuple[StatisticsRow, ...]


@dataclass(frozen=True)
class PartRow:
    """Some numbers of the nuclei of a region, of all types or of one, ready to read, in the order of the columns."""

    region: str
    type: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class StageRecord:
    """How one stage was run: what an auditor needs to run it again."""

    stage: str
    title: str
    state: str
    contract: str
    params: tuple[Fact, ...]
    counts: tuple[Fact, ...]
    model: tuple[Fact, ...]
    inputs: tuple[Fact, ...]


@dataclass(frozen=True)
class Rejection:
    """Why a slide could not be used, and which stage found that."""

    stage: str
    reason: str


@dataclass(frozen=True)
class SlidePage:
    """All that the report of one slide shows."""

    slide: str
    facts: tuple[Fact, ...] = ()
    methods: tuple[Fact, ...] = ()
    rejection: Rejection | None = None
    warnings: tuple[QualityWarning, ...] = ()
    grade: Grade | None = None
    key_figures: tuple[Fact, ...] = ()
    overview: Overview | None = None
    viewer: bool = False
    fields: tuple[FieldOfView, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    crop_um: float = 0.0
    histograms: tuple[Histogram, ...] = ()
    statistics_columns: tuple[str, ...] = ()
    statistics: tuple[StatisticsGroup, ...] = ()
    singles: tuple[StatisticsGroup, ...] = ()
    other_rows: OtherRows = OtherRows()  # noqa: RUF009 - immutable
    parts_columns: tuple[Term, ...] = ()
    parts: tuple[PartRow, ...] = ()
    compared: tuple[str, ...] = ()
    records: tuple[StageRecord, ...] = ()
    versions: tuple[Fact, ...] = ()
    identity: tuple[Fact, ...] = ()

    @property
    def how_sure(self) -> tuple[str, ...]:
        """How far the grade can be trusted, in sentences."""
        return how_sure(self.grade) if self.grade else ()

    @property
    def left_out(self) -> str:
        """What a protocol asks for that was not looked at, in a sentence."""
        return left_out(self.grade)

    @property
    def cohort_link(self) -> str:
        """Where the cohort's page is, if this page lies in its results folder; it opens with the slide's row."""
        return cohort_link(self.slide)

    @property
    def files(self) -> tuple[StageFile, ...]:
        """Files of the slide beside the page, if it lies in its results folder."""
        return () if self.rejection else STAGE_FILES


_DATA: Final = b"<!-- data of the viewer -->\n"
_VIEWER: Final = (
    "viewer_data.js",
    "viewer_flat.js",
    "viewer_gl.js",
    "viewer_over.js",
    "viewer_pick.js",
    "viewer_panel.js",
    "viewer.js",
)


def render_slide(page: SlidePage) -> bytes:
    """Render the report of one slide as a self-contained HTML page, without the data of its viewer."""
    tables = ["statistics.js"] if page.statistics else []
    scripts, styles = ([*_VIEWER, *tables], ["slide.css", "viewer.css"]) if page.viewer else (tables, ["slide.css"])
    return render("slide.html", scripts, styles, page=page, letters=LETTERS)


def with_data(page: bytes, data: bytes) -> bytes:
    """Put data scripts at the end of a page with a viewer: a browser paints what comes before."""
    before, mark, after = page.rpartition(_DATA)
    if not mark:
        raise ValueError("this page has no viewer")
    return b"".join((before, data, after))
