"""A slide of one color, nuclei of eight points, and the page that shows them."""

from types import SimpleNamespace

import numpy as np

from pathopipe.reporting.slide_page import SlidePage, render_slide, with_data
from pathopipe.results.schemas.features import MEASURES
from pathopipe.units import Grid, Mpp
from pathopipe.viewer.document import Document, Room, View, document
from pathopipe.viewer.nuclei import Part, gather
from pathopipe.viewer.packing import scripts

MPP = 0.5
COLUMNS = {column.name: column for column in MEASURES}
OCTAGON = np.array([[-6, -2], [-2, -6], [2, -6], [6, -2], [6, 2], [2, 6], [-2, 6], [-6, 2], [-6, -2]], float)


class Plain:
    """A slide that is pink in its left half and glass elsewhere; counts what is read of it."""

    def __init__(self, width: int, height: int) -> None:
        self.width_px, self.height_px, self.mpp, self.read_px = width, height, Mpp(MPP, MPP, "sheet"), 0

    def read(self, grid: Grid, x: int, y: int, width: int, height: int) -> np.ndarray:
        self.read_px += width * height
        pixels = np.full((height, width, 3), 240, np.uint8)
        pixels[:, : max(0, round(grid.width / 2) - x)] = (230, 160, 190)
        return pixels


def grid_of(slide: Plain) -> Grid:
    return Grid(slide.width_px, slide.height_px, 1.0, 1.0, MPP, MPP)


def part(x: np.ndarray, y: np.ndarray, measures: int, start: int = 0) -> Part:
    coords = (np.column_stack([x, y])[:, None] + OCTAGON).reshape(-1, 2)
    values = np.arange(start, start + len(x)) + np.arange(measures)[:, None] / 4
    offsets = np.arange(len(x) + 1) * len(OCTAGON)
    return Part(x, y, coords, offsets, np.arange(len(x)) % 5 - 1.0, np.arange(len(x)) % 3 == 0, values)


def made(
    count: int, room: float = 1e9, outlines: str = "auto", slide: Plain | None = None, **known: object
) -> SimpleNamespace:
    """A document of nuclei in two parts, and what it was made of."""
    slide, rng = slide or Plain(8000, 6000), np.random.default_rng(1)
    x, y = rng.uniform(20, slide.width_px - 20, count), rng.uniform(20, slide.height_px - 20, count)
    x, y = np.rint(x * 2) / 2, np.rint(y * 2) / 2
    names = ("area_um2", "circularity", "neighbors_50um")
    half = count // 2
    parts = [part(x[:half], y[:half], 3), part(x[half:], y[half:], 3, half)] if count else []
    nuclei = gather(parts, grid_of(slide), len(names))
    view = {"tissue": 0.5, "layers": (), "places": (), "colors": ("#000000", "#ffffff")} | known
    columns = tuple(COLUMNS[name] for name in names)
    shown = View(slide=slide, grid=grid_of(slide), nuclei=nuclei, measures=columns, **view)
    left = Room(room)
    return SimpleNamespace(slide=slide, x=x, y=y, nuclei=nuclei, document=document(shown, outlines, left), room=left)


def page_of(found: Document) -> bytes:
    return with_data(render_slide(SlidePage("s1", viewer=True)), scripts(found.blocks))
