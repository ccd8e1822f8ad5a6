"""Which outlines that a person gave can be nuclei of the slide, and whether the file is this slide's at all."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.annotations.own.base import Batch, Frame, Tally, unfit
from pathopipe.ops.regions import Bins, Mask
from pathopipe.results.outlines import LARGEST_UM
from pathopipe.units import Grid

_MOST_OUTSIDE: Final = 0.01
"""Share of outlines beyond the slide from which a file is that of another slide."""
_LEAST_IN_TISSUE: Final = 0.5


@dataclass
class Seen:
    """How many outlines there are, how many can't be nuclei of the slide, and where the first lies outside of it."""

    outlines: int = 0
    outside: int = 0
    large: int = 0
    beside: int = 0
    first_outside: tuple[float, float] | None = None


@dataclass
class Sieve:
    """Leaves out what can't be a nucleus of the slide; ``seen`` counts detections, then annotations."""

    grid: Grid
    mask: Mask
    bins: Bins
    tally: Tally
    seen: tuple[Seen, Seen] = field(default_factory=lambda: (Seen(), Seen()))

    def sift(self, batch: Batch) -> Batch:
        """Keep what lies in the tissue, in pixels of the grid."""
        grid = self.grid
        coords = batch.coords / (grid.factor_x, grid.factor_y)
        low, high = (reduce.reduceat(coords, batch.offsets[:-1]) for reduce in (np.minimum, np.maximum))
        outside = np.any((high <= 0) | (low >= (grid.width, grid.height)), axis=1)
        centers = np.ceil(high - 0.5) - np.ceil(low - 0.5)  # of pixels: so large it is on the grid
        large = ~outside & np.any(centers * (grid.mpp_x, grid.mpp_y) > LARGEST_UM, axis=1)
        beside = ~outside & ~large & ~self._in_tissue(batch)
        for seen, of in zip(self.seen, (~batch.drawn, batch.drawn), strict=True):
            seen.outlines += int(of.sum())
            self._note(seen, outside & of, large & of, beside & of, low)
        kept, lengths = ~(outside | large | beside), np.diff(batch.offsets)
        return Batch(
            coords[np.repeat(kept, lengths)],
            np.concatenate([[0], np.cumsum(lengths[kept])]),
            batch.numbers[kept],
            batch.types[kept],
            batch.drawn[kept],
        )

    def _in_tissue(self, batch: Batch) -> NDArray[np.bool_]:
        """Whether a point of each outline lies in tissue."""
        places = batch.coords / (self.bins.bin_px_x, self.bins.bin_px_y)
        column, row = np.clip(places, 0, (self.bins.width - 1, self.bins.height - 1)).astype(np.int64).T
        return np.logical_or.reduceat(self.mask[row, column], batch.offsets[:-1])

    def _note(self, seen: Seen, outside: Mask, large: Mask, beside: Mask, low: NDArray[np.float64]) -> None:
        if outside.any() and seen.first_outside is None:
            x, y = low[outside][0] * (self.grid.factor_x, self.grid.factor_y)
            seen.first_outside = (float(x), float(y))
        seen.outside += int(outside.sum())
        seen.large += int(large.sum())
        seen.beside += int(beside.sum())

    def settle(self) -> tuple[bool, Seen]:
        """Return whether annotations are the nuclei, and what was seen of these: only where nothing was detected.

        Beside detections, annotations of the size of regions are none that were given.
        """
        (seen, drawn), tally = self.seen, self.tally
        is_drawn = not seen.outlines
        if is_drawn:
            tally.add(tally.drawn)
            seen = drawn
        elif small := drawn.outlines - drawn.large:
            tally.found += small
            tally.left_out["are annotations beside detections"] += small
        tally.left_out["lie outside the slide"] += seen.outside
        tally.left_out["lie outside the tissue or the regions to analyze"] += seen.beside
        tally.left_out[f"are larger than {LARGEST_UM:g} µm"] += seen.large
        return is_drawn, seen


def check_place(seen: Seen, tally: Tally, column: str, frame: Frame, *, in_regions: bool) -> None:
    """Refuse the file of another slide."""
    total = seen.outlines
    if not tally.found:
        raise unfit(column, "holds no nuclei: export them again, or leave the cell empty to have nuclei found")
    if seen.first_outside and seen.outside > _MOST_OUTSIDE * total:
        x, y = seen.first_outside
        raise unfit(
            column,
            f"has {seen.outside:,} of {total:,} outlines outside the slide, which is {frame.width} x {frame.height} "
            f"pixels, the first at x {x:.0f}, y {y:.0f}: give the file of this slide, in its level-0 pixels",
        )
    within = total - seen.outside - seen.beside
    if total and not in_regions and within < _LEAST_IN_TISSUE * total:
        raise unfit(
            column,
            f"has only {within:,} of {total:,} outlines in the tissue: give the file of this slide, in its level-0 "
            "pixels",
        )
