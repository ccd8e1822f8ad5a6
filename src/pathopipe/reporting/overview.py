"""The whole slide, small: its tissue, the places of the fields of view, and the density of its nuclei."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pathopipe.reporting import figures, svg
from pathopipe.reporting.bins import Window
from pathopipe.reporting.pictures import Picture
from pathopipe.text import quantity

LETTERS = "ABCDEFGHIJKLMNO"
"""Names of the fields of view: as many as settings allow, two that drive the grade, and that of the worst quality."""


def image(picture: Picture) -> Markup:
    """Put a picture into a drawing, a unit per pixel."""
    return svg.element("image", href=picture.uri, width=picture.width, height=picture.height)


@dataclass(frozen=True)
class QualityLayer:
    """The quality map over all of the slide; name, color and share of the tissue of each artifact in it."""

    picture: Picture
    legend: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True)
class Overview:
    """The whole slide, small.

    Attributes
    ----------
    thumbnail
        Picture of the whole slide.
    width_px, height_px, mpp
        Size of the slide in level-0 pixels, and µm per level-0 pixel along x.
    tissue_px
        Rings of the tissue (outer ones and holes), ``(N, 2)`` in level-0 pixels.
    windows
        The fields of view shown below, to mark where they lie.
    density, density_extent_px, density_maximum
        Heat image of nuclei per mm², the width and height in level-0 pixels that it covers from the upper left corner,
        and the value of its brightest color.
    influence, influence_limit
        Picture, of the size of the thumbnail, of how much the nuclei of each square contribute to the score, and the
        value of its darkest color.
    quality
        What of the tissue cannot be trusted; None where all can be.
    """

    thumbnail: Picture
    width_px: float
    height_px: float
    mpp: float
    tissue_px: tuple[NDArray[np.float64], ...] = ()
    windows: tuple[Window, ...] = ()
    density: Picture | None = None
    density_extent_px: tuple[float, float] = (0.0, 0.0)
    density_maximum: float = 0.0
    influence: Picture | None = None
    influence_limit: float = 0.0
    quality: QualityLayer | None = None

    @property
    def _scale(self) -> tuple[float, float]:
        return self.thumbnail.width / self.width_px, self.thumbnail.height / self.height_px

    @property
    def framed(self) -> tuple[Window, ...]:
        """The fields that are only a part of the slide."""
        return tuple(window for window in self.windows if window.kind != "whole")

    @property
    def tissue_map(self) -> Markup:
        """The thumbnail with the outline of the tissue and the places of the fields."""
        label = "The whole slide with the outline of the tissue that was analyzed."
        return self._drawing(label, image(self.thumbnail))

    @property
    def quality_map(self) -> Markup | None:
        """The thumbnail with what cannot be trusted."""
        if self.quality is None:
            return None
        width, height = float(self.thumbnail.width), float(self.thumbnail.height)
        layer = svg.element(
            "image", href=self.quality.picture.uri, width=width, height=height, preserveAspectRatio="none"
        )
        label = "Map of the slide: tissue that cannot be trusted."
        return self._drawing(label, svg.group([image(self.thumbnail), layer]))

    @property
    def density_map(self) -> Markup | None:
        """Nuclei per mm² over the extent of the thumbnail."""
        if self.density is None:
            return None
        width, height = (size * scale for size, scale in zip(self.density_extent_px, self._scale, strict=True))
        label = (
            f"Map of the nuclear density of the slide, from 0 to {quantity(self.density_maximum, 'nuclei per mm²')}."
        )
        return self._heat(label, self.density, (width, height), "tissue-only")

    @property
    def density_legend(self) -> Markup:
        """The color scale of the density map."""
        return figures.color_legend(self.density_maximum, "nuclei per mm² of tissue")

    @property
    def influence_map(self) -> Markup | None:
        """What the nuclei of each square contribute to the score, over the extent of the thumbnail."""
        if self.influence is None:
            return None
        label = "Map of the slide: where nuclei raise the score of the grade, and where they lower it."
        size = (float(self.thumbnail.width), float(self.thumbnail.height))
        return self._heat(label, self.influence, size, "tissue-influence")

    @property
    def influence_legend(self) -> Markup:
        """The color scale of the map of influence."""
        return figures.influence_legend(self.influence_limit)

    def _heat(self, label: str, picture: Picture, size: tuple[float, float], name: str) -> Markup:
        """Draw a heat image of a size in pixels of the thumbnail, where there is tissue."""
        within = svg.element("path", d=self._tissue_path, clip_rule="evenodd", transform=svg.SHRINK)
        clip = svg.element("defs", svg.element("clipPath", within, id=name))
        heat = svg.element("image", href=picture.uri, width=size[0], height=size[1], preserveAspectRatio="none")
        clipped = svg.group([clip, svg.group([heat], clip_path=f"url(#{name})")])
        return self._drawing(label, clipped, class_="map density")

    @property
    def _tissue_path(self) -> str:
        scale = np.array(self._scale)
        return svg.rings_path([svg.simplified(ring * scale) for ring in self.tissue_px])

    def _drawing(self, label: str, ground: Markup, class_: str = "map") -> Markup:
        width, height = float(self.thumbnail.width), float(self.thumbnail.height)
        path = self._tissue_path
        outline = svg.element("path", d=path, class_="tissue", transform=svg.SHRINK) if path else Markup()
        marks = [self._mark(letter, window) for letter, window in zip(LETTERS, self.framed, strict=False)]
        bar = figures.scale_bar(width, height, self.mpp / self._scale[0], text_share=0.032)
        return svg.figure(width, height, label, ground, outline, *marks, bar, class_=class_)

    def _mark(self, letter: str, window: Window) -> Markup:
        """Frame a field of view; a frame that would be too small to see grows around its center."""
        x_scale, y_scale = self._scale
        least = 0.025 * max(self.thumbnail.width, self.thumbnail.height)
        width, height = max(window.width_px * x_scale, least), max(window.height_px * y_scale, least)
        x = (window.x_px + window.width_px / 2) * x_scale - width / 2
        y = (window.y_px + window.height_px / 2) * y_scale - height / 2
        size = max(self.thumbnail.width, self.thumbnail.height) / 32
        # Drawn twice, light below dark, to be seen on any color.
        frame = [svg.element("rect", x=x, y=y, width=width, height=height, class_=name) for name in ("halo", "frame")]
        plate = svg.element("rect", x=x, y=y, width=1.15 * size, height=1.25 * size, class_="letter-plate")
        words = svg.element(
            "text", letter, x=x + 0.575 * size, y=y + 0.98 * size, font_size=size, text_anchor="middle", class_="letter"
        )
        return svg.group([*frame, plate, words])
