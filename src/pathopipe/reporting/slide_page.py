"""The report of one slide: what it shows, as data, and the page made of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pathopipe.reporting import figures, svg
from pathopipe.reporting.bins import Window
from pathopipe.reporting.distribution import Distribution
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.grade_view import Grade
from pathopipe.reporting.overview import LETTERS, Overview, image
from pathopipe.reporting.pages import render
from pathopipe.reporting.pictures import Picture
from pathopipe.reporting.vocabulary import WARNINGS, in_words
from pathopipe.results.schemas.column import Term
from pathopipe.text import count, number, quantity

WINDOWS = {
    "whole": ("The whole image", "The image is not larger than a field of view."),
    "densest": ("Densest region", "The field with the most nuclei."),
    "typical": ("Typical region", "A field with the median number of nuclei."),
    "largest": ("Largest nuclei", "The field with the largest mean nuclear area."),
    "further": ("Further region", "Chosen so that the fields cover the range of nuclear density."),
    "raises": ("Raises the score", "Of the squares of the heat map, the nuclei in this one raise the score most."),
    "lowers": ("Lowers the score", "Of the squares of the heat map, the nuclei in this one lower the score most."),
}


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
class Outline:
    """The outline of one nucleus, ``(N, 2)`` x, y in pixels of the picture that it is drawn over."""

    nucleus_id: int
    points: NDArray[np.float64]
    area_um2: float

    @property
    def path(self) -> Markup:
        """The outline as an SVG path that names the nucleus when pointed at."""
        title = svg.element("title", f"Nucleus {self.nucleus_id}: {quantity(self.area_um2, 'µm²')}")
        return svg.element("path", title, d=svg.ring_path(self.points))


def _outlined(picture: Picture, outlines: Sequence[Outline], label: str, *above: Markup, class_: str) -> Markup:
    drawn = svg.group([outline.path for outline in outlines], class_="outline", transform=svg.SHRINK)
    return svg.figure(picture.width, picture.height, label, image(picture), drawn, *above, class_=class_)


@dataclass(frozen=True)
class FieldOfView:
    """A region of the slide with the nuclei found in it; ``mpp`` is µm per pixel of ``picture``."""

    window: Window
    picture: Picture
    mpp: float
    outlines: tuple[Outline, ...]
    facts: tuple[Fact, ...]

    @property
    def title(self) -> str:
        """What the field was chosen for."""
        return WINDOWS[self.window.kind][0]

    @property
    def why(self) -> str:
        """How the field was chosen, in a sentence."""
        return WINDOWS[self.window.kind][1]

    @property
    def drawing(self) -> Markup:
        """The pixels, the outlines above them, and a scale bar."""
        label = f"{self.title}: tissue with the outlines of {len(self.outlines)} nuclei."
        bar = figures.scale_bar(self.picture.width, self.picture.height, self.mpp, text_share=0.018)
        return _outlined(self.picture, self.outlines, label, bar, class_="field-image")


@dataclass(frozen=True)
class NucleusCrop:
    """One nucleus in the middle of a small picture."""

    picture: Picture
    outline: Outline

    @property
    def drawing(self) -> Markup:
        """The pixels with the outline above them."""
        label = f"Nucleus {self.outline.nucleus_id}, area {quantity(self.outline.area_um2, 'µm²')}."
        return _outlined(self.picture, [self.outline], label, class_="crop")

    @property
    def caption(self) -> str:
        """The area, to read below the picture."""
        return quantity(self.outline.area_um2, "µm²")


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
    """The statistics of one measure; ``values`` in the order of the table's columns, None where there is none."""

    term: Term
    values: tuple[float | None, ...]


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
    rejection: Rejection | None = None
    warnings: tuple[QualityWarning, ...] = ()
    grade: Grade | None = None
    key_figures: tuple[Fact, ...] = ()
    overview: Overview | None = None
    fields: tuple[FieldOfView, ...] = ()
    crops: tuple[NucleusCrop, ...] = ()
    crop_um: float = 0.0
    histograms: tuple[Histogram, ...] = ()
    statistics_columns: tuple[str, ...] = ()
    statistics: tuple[StatisticsGroup, ...] = ()
    spatial: tuple[StatisticsRow, ...] = ()
    parts_columns: tuple[Term, ...] = ()
    parts: tuple[PartRow, ...] = ()
    records: tuple[StageRecord, ...] = ()
    versions: tuple[Fact, ...] = ()
    identity: tuple[Fact, ...] = ()


def render_slide(page: SlidePage) -> bytes:
    """Render the report of one slide as a self-contained HTML page."""
    return render("slide.html", page=page, letters=LETTERS)
