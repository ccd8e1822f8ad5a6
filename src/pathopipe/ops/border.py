"""Which outlines touch the border of the slide, or of the tissue that was analyzed."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.regions import Bins
from pathopipe.units import Grid

_BESIDE: Final = 0.75
"""Pixels from a point of an outline to where there has to be tissue, on all four sides."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Border:
    """The grid of outlines, and the bins of the slide that are tissue: ``mask`` (rows, columns)."""

    grid: Grid
    bins: Bins
    mask: Mask

    def touched_by(self, coords: Floats, offsets: Counts) -> Mask:
        """Say which outlines touch the border.

        Parameters
        ----------
        coords, offsets
            Points (M, 2) as x, y on the grid of all rings in turn, and (n + 1,) bounds, n > 0.
        """
        low, high = (of.reduceat(coords, offsets[:-1]) for of in (np.minimum, np.maximum))
        touches: Mask = np.asarray(np.any((low <= 0) | (high >= (self.grid.width, self.grid.height)), axis=1))
        # Points are looked at only where not all bins around the outline are tissue.
        doubtful = ~touches & ~self._all_tissue(self._bins_of(low - _BESIDE), self._bins_of(high + _BESIDE))
        if doubtful.any():
            lengths = np.diff(offsets)
            points = coords[np.repeat(doubtful, lengths)]
            starts = np.cumsum([0, *lengths[doubtful][:-1]])
            touches[doubtful] = ~np.logical_and.reduceat(self._amid_tissue(points), starts)
        return touches

    @cached_property
    def _counts(self) -> Counts:
        """Bins of tissue above and to the left of each corner of bins."""
        return np.asarray(np.pad(self.mask, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1))

    def _all_tissue(self, first: Counts, last: Counts) -> Mask:
        """Say which rectangles of bins, from the first (n, 2) to the last, are all tissue."""
        inside = self._on_slide(first) & self._on_slide(last)
        (x0, y0), (x1, y1), of = first[inside].T, last[inside].T + 1, self._counts
        tissue = of[y1, x1] - of[y0, x1] - of[y1, x0] + of[y0, x0]
        inside[inside] = tissue == (y1 - y0) * (x1 - x0)
        return inside

    def _amid_tissue(self, points: Floats) -> Mask:
        """Say which points (m, 2) have tissue on all sides."""
        beside = np.array([(-_BESIDE, 0), (_BESIDE, 0), (0, -_BESIDE), (0, _BESIDE)])
        bins = self._bins_of((points[:, None] + beside).reshape(-1, 2))
        inside = self._on_slide(bins)
        inside[inside] = self.mask[bins[inside, 1], bins[inside, 0]]
        return np.asarray(inside.reshape(-1, 4).all(axis=1))

    def _bins_of(self, points: Floats) -> Counts:
        """Column and row of the bin that each point lies in."""
        on_slide = points * (self.grid.factor_x, self.grid.factor_y)
        return np.floor(on_slide / (self.bins.bin_px_x, self.bins.bin_px_y)).astype(np.int64)

    def _on_slide(self, bins: Counts) -> Mask:
        return np.asarray((bins >= 0).all(axis=1) & (bins < (self.bins.width, self.bins.height)).all(axis=1))
