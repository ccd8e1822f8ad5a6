"""Parts of a slide close up: fields of view and single nuclei, with what was outlined in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pathopipe.reporting import figures, svg
from pathopipe.reporting.bins import Window
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.gallery import Rule
from pathopipe.reporting.overview import image
from pathopipe.reporting.pictures import Picture
from pathopipe.text import quantity
from pathopipe.viewer.links import field_link

WINDOWS = {
    "whole": ("The whole image", "The image is not larger than a field of view."),
    "densest": ("Densest region", "The field with the most nuclei."),
    "typical": ("Typical region", "A field with the median number of nuclei."),
    "largest": ("Largest nuclei", "The field with the largest mean nuclear area."),
    "further": ("Further region", "Chosen so that the fields cover the range of nuclear density."),
    "raises": ("Raises the score", "Of the squares of the heat map, the nuclei in this one raise the score most."),
    "lowers": ("Lowers the score", "Of the squares of the heat map, the nuclei in this one lower the score most."),
    "worst": ("Worst quality", "The field with the most tissue that the quality map says cannot be trusted."),
}


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
    def link(self) -> str:
        """Where the field is in the viewer."""
        window = self.window
        return field_link(window.x_px, window.y_px, window.width_px, window.height_px)

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
    """One nucleus in the middle of a small picture, with what is read below it, and where it is in the viewer."""

    picture: Picture
    outline: Outline
    caption: str = ""
    link: str = ""

    @property
    def drawing(self) -> Markup:
        """The pixels with the outline above them."""
        label = f"Nucleus {self.outline.nucleus_id}, area {quantity(self.outline.area_um2, 'µm²')}."
        return _outlined(self.picture, [self.outline], label, class_="crop")


@dataclass(frozen=True)
class Gallery:
    """Nuclei that were chosen by one rule."""

    rule: Rule
    crops: tuple[NucleusCrop, ...]
