"""The parts of a slide that are shown close up, with the outlines of the nuclei in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pathopipe import text
from pathopipe.reporting import pictures
from pathopipe.reporting.bins import Window
from pathopipe.reporting.close_ups import FieldOfView, Gallery, NucleusCrop, Outline
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.gallery import RULES, Chosen
from pathopipe.units import Grid
from pathopipe.viewer.links import nucleus_link

if TYPE_CHECKING:
    from pathopipe.slide import Slide

FINEST_MPP = 0.25
"""Fields are shown as fine as the slide has them, up to what a 40x scan gives: outlines are judged on them."""
CROP_UM = (24.0, 40.0)
"""Least and largest side of the gallery's pictures."""


@dataclass(frozen=True)
class Nuclei:
    """Rows of the table of nuclei, geometry as it is stored."""

    ids: NDArray[np.int64]
    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    area_um2: NDArray[np.float64]
    geometry: NDArray[np.object_]

    def ring_px(self, row: int) -> NDArray[np.float64]:
        """Outer ring of a nucleus, ``(N, 2)`` in level-0 pixels."""
        import shapely

        return np.asarray(shapely.get_coordinates(shapely.from_wkb(self.geometry[row])), np.float64)


def near(window: Window, x: NDArray[np.float64], y: NDArray[np.float64], reach: float = 0.1) -> NDArray[np.bool_]:
    """Tell which centroids lie in a window widened by a share of its size: nuclei cut by its border are drawn too."""
    dx, dy = reach * window.width_px, reach * window.height_px
    inside_x = (x >= window.x_px - dx) & (x < window.x_px + window.width_px + dx)
    return inside_x & (y >= window.y_px - dy) & (y < window.y_px + window.height_px + dy)


def _display_grid(slide: "Slide") -> Grid:
    return slide.grid(max(FINEST_MPP, slide.mpp.x))


def _outline(nuclei: Nuclei, row: int, grid: Grid, x: int, y: int) -> Outline:
    points = nuclei.ring_px(row) / (grid.factor_x, grid.factor_y) - (x, y)
    return Outline(int(nuclei.ids[row]), points, float(nuclei.area_um2[row]))


def field_of_view(slide: "Slide", window: Window, nuclei: Nuclei, doubts: Sequence[Fact] = ()) -> FieldOfView:
    """Read a field and draw the nuclei in it and across its border; ``doubts`` are said beside its other facts."""
    grid = _display_grid(slide)
    x, y = round(window.x_px / grid.factor_x), round(window.y_px / grid.factor_y)
    width = min(max(1, round(window.width_px / grid.factor_x)), grid.width - x)
    height = min(max(1, round(window.height_px / grid.factor_y)), grid.height - y)
    picture = pictures.jpeg(slide.read(grid, x, y, width, height))
    close = near(window, nuclei.x_px, nuclei.y_px)
    outlines = (_outline(nuclei, row, grid, x, y) for row in np.flatnonzero(close).tolist())
    seen = tuple(outline for outline in outlines if _touches(outline, width, height))
    inside = nuclei.area_um2[near(window, nuclei.x_px, nuclei.y_px, reach=0.0)]
    return FieldOfView(window, picture, grid.mpp_x, seen, (*doubts, *_field_facts(slide, window, inside)))


def _touches(outline: Outline, width: int, height: int) -> bool:
    (left, top), (right, bottom) = outline.points.min(axis=0), outline.points.max(axis=0)
    return bool(right > 0 and bottom > 0 and left < width and top < height)


def _field_facts(slide: "Slide", window: Window, areas: NDArray[np.float64]) -> tuple[Fact, ...]:
    mpp = slide.mpp
    width_um, height_um = window.width_px * mpp.x, window.height_px * mpp.y
    density = len(areas) / (width_um * height_um * 1e-6)
    return (
        Fact("Nuclei", text.count(len(areas))),
        Fact("Density", text.quantity(density, "per mm² of field")),
        Fact("Mean area", text.quantity(float(areas.mean()) if len(areas) else None, "µm²")),
        Fact("Size", f"{text.number(width_um)} × {text.quantity(height_um, 'µm')}"),
        Fact("Upper left corner", f"{text.count(window.x_px)}, {text.count(window.y_px)} px"),
    )


def crop_side_um(areas: NDArray[np.float64]) -> float:
    """Choose the side of the pictures: room around nearly the largest nucleus, in steps of 4 µm.

    The few largest outlines are often several nuclei in one: made to fit, they would shrink all others.
    """
    if not len(areas):
        return CROP_UM[0]
    diameter = 2 * np.sqrt(float(np.quantile(areas, 0.95)) / np.pi)
    return float(np.clip(4 * np.ceil(1.7 * diameter / 4), *CROP_UM))


def show_galleries(slide: "Slide", nuclei: Nuclei, chosen: Sequence[Chosen]) -> tuple[tuple[Gallery, ...], float]:
    """Read the pictures of galleries, each nucleus once, all of one scale; returns the side of the pictures in µm, too.

    Raises
    ------
    KeyError
        When a nucleus is none of ``nuclei``.
    """
    rows = {int(nucleus): row for row, nucleus in enumerate(nuclei.ids)}
    shown = [rows[number] for number in dict.fromkeys(number for one in chosen for number in one.ids)]
    side = crop_side_um(nuclei.area_um2[shown])
    crops = {int(nuclei.ids[row]): nucleus_crop(slide, nuclei, row, side) for row in shown}
    galleries = (
        Gallery(
            RULES[one.kind],
            tuple(
                replace(crops[number], caption=_caption(one.kind, value))
                for number, value in zip(one.ids, one.values, strict=True)
            ),
        )
        for one in chosen
    )
    return tuple(galleries), side


def _caption(kind: str, value: float) -> str:
    """Write the number that a nucleus was chosen by."""
    if kind == "drives":
        return ("+" if value > 0 else "") + text.number(value, 2)
    if kind in {"certain", "uncertain", "irregular"}:
        return text.number(value)
    return text.quantity(value, "µm²")


def nucleus_crop(slide: "Slide", nuclei: Nuclei, row: int, side_um: float) -> NucleusCrop:
    """Read a square of ``side_um`` around one nucleus."""
    grid = _display_grid(slide)
    width, height = round(side_um / grid.mpp_x), round(side_um / grid.mpp_y)
    x = round(nuclei.x_px[row] / grid.factor_x - width / 2)
    y = round(nuclei.y_px[row] / grid.factor_y - height / 2)
    picture = pictures.jpeg(slide.read(grid, x, y, width, height))
    link = nucleus_link(nuclei.x_px[row], nuclei.y_px[row], slide.mpp.x, int(nuclei.ids[row]))
    return NucleusCrop(picture, _outline(nuclei, row, grid, x, y), link=link)
