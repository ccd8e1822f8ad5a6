"""Fields of the area that a pathologist counts in: where nuclei lie densest, and where they are largest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

_STEPS: Final = 8
"""Places of a field along its own side."""
_LEAST_TISSUE: Final = 0.5
"""Share of a field that has to be tissue."""
_LEAST_NUCLEI: Final = 50
"""For a mean area to say something."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """A square: its left and upper border and its side, in um."""

    x_um: float
    y_um: float
    side_um: float

    @property
    def polygon(self) -> shapely.Polygon:
        """The square as a polygon in um."""
        return shapely.box(self.x_um, self.y_um, self.x_um + self.side_um, self.y_um + self.side_um)


def hot_spots(
    points_um: Floats, areas_um2: Floats, tissue_um: Sequence[shapely.Polygon], field_mm2: float
) -> tuple[Field | None, Field | None]:
    """Find the square with the most nuclei per tissue area, and the one with the largest mean nuclear area.

    Squares lie at every eighth of their side, and half of one has to be tissue. Of equal ones the first counts, row by
    row.

    Parameters
    ----------
    points_um
        float64 (N, 2), the centers of all nuclei.
    areas_um2
        float64 (N,), what is averaged; NaN for nuclei that don't count for the second.
    tissue_um
        The tissue, in um.
    field_mm2
        Area of a square.

    Returns
    -------
    The two; None where the tissue is smaller than a square, where no square is tissue enough, or, for the second, where
    none holds 50 nuclei that count.
    """
    side = 1000.0 * math.sqrt(field_mm2)
    tissue_um2 = sum(polygon.area for polygon in tissue_um)
    if not len(points_um) or tissue_um2 < field_mm2 * 1e6:
        return None, None
    left, top, right, bottom = shapely.total_bounds(list(tissue_um))
    step = side / _STEPS
    columns, rows = (max(_STEPS, math.ceil(extent / step)) for extent in (right - left, bottom - top))
    place = np.floor((points_um - (left, top)) / step).astype(np.int64)
    inside = ((place >= 0) & (place < (columns, rows))).all(axis=1)
    flat, counted = place[:, 1] * columns + place[:, 0], inside & np.isfinite(areas_um2)
    shape = (rows, columns)
    number = _windows(np.bincount(flat[inside], minlength=rows * columns).reshape(shape))
    sized = _windows(np.bincount(flat[counted], minlength=rows * columns).reshape(shape))
    sums = _windows(np.bincount(flat[counted], areas_um2[counted], rows * columns).reshape(shape))
    cover = _windows(_tissue(tissue_um, (left, top), step, shape))
    enough = cover >= _LEAST_TISSUE * side * side
    density = np.where(enough, number / np.maximum(cover, 1.0), -1.0)
    mean = np.where(enough & (sized >= _LEAST_NUCLEI), sums / np.maximum(sized, 1), -1.0)
    return _best(density, (left, top), step, side), _best(mean, (left, top), step, side)


def _windows(cells: NDArray[np.generic]) -> Floats:
    """Sums over all windows of eight by eight cells."""
    padded = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1))
    padded[1:, 1:] = np.cumsum(np.cumsum(cells.astype(np.float64), axis=0), axis=1)
    n = _STEPS
    sums: Floats = padded[n:, n:] - padded[:-n, n:] - padded[n:, :-n] + padded[:-n, :-n]
    return sums


def _tissue(
    tissue_um: Sequence[shapely.Polygon], corner: tuple[float, float], step: float, shape: tuple[int, int]
) -> Floats:
    """Tissue area in um2 of each cell."""
    y, x = np.indices(shape).astype(np.float64)
    boxes = shapely.box(
        corner[0] + x * step, corner[1] + y * step, corner[0] + (x + 1) * step, corner[1] + (y + 1) * step
    )
    areas = np.zeros(shape)
    tree = shapely.STRtree(boxes.ravel())
    for polygon in tissue_um:
        near = tree.query(polygon)
        areas.ravel()[near] += shapely.area(shapely.intersection(boxes.ravel()[near], polygon))
    return areas


def _best(scores: Floats, corner: tuple[float, float], step: float, side: float) -> Field | None:
    if scores.max() < 0:
        return None
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    return Field(float(corner[0] + column * step), float(corner[1] + row * step), side)
