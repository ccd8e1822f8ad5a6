"""All nuclei of a slide, gathered a part of the tables at a time, and packed leaf by leaf."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.simplify import simplify_rings
from pathopipe.units import Grid
from pathopipe.viewer.decimals import from_codes, to_codes
from pathopipe.viewer.packing import Block, packed, steps, zigzag
from pathopipe.viewer.quadtree import Leaf, leaves

DEVIATION_UM: Final = 0.3
"""How far an outline may lie from the one in the table."""
FINE: Final = 2
"""Steps of an outline per working pixel: `segment` puts points on corners and in the middle of edges."""
_AT_BORDER: Final = 128
_SHOWN: Final = (0.02, 0.98)
"""Quantiles of a measure that get the first and the last color."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """Some rows of the tables, in their order.

    Attributes
    ----------
    x_px, y_px
        Centroids (n,) in level-0 pixels.
    coords, offsets
        Outlines as `results.outlines.unpack_outlines` gives them: (M, 2) in working pixels, and bounds (n + 1,).
    types
        Places (n,) of types; -1 where it is not known.
    at_border
        Whether each (n,) may be cut off.
    measures
        (m, n), nan where one is missing.
    """

    x_px: Floats
    y_px: Floats
    coords: Floats
    offsets: NDArray[np.int64]
    types: Floats
    at_border: NDArray[np.bool_]
    measures: Floats


@dataclass(frozen=True)
class Nuclei:
    """What the viewer keeps of all nuclei: (n,) whole pixels and kinds, (m, n) measures, and the steps of outlines.

    ``kinds`` is 1 plus the place of the type, 0 where there is none, and 128 more at a border. ``points`` (K, 2) are
    those of one outline after another, ``ends`` (n + 1,) where each begins: the first as steps from the centroid, each
    other as steps from the one before.
    """

    x: NDArray[np.uint32]
    y: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    codes: NDArray[np.uint16]
    points: NDArray[np.uint16]
    ends: NDArray[np.int64]
    rounded_um: float = 0.0
    """How far points were moved to lie on the steps: 0 for outlines that `segment` drew itself."""

    def leaves(self) -> list[Leaf]:
        """Nuclei that lie near each other."""
        return leaves(self.x, self.y)

    def base(self, number: int, leaf: Leaf) -> Block:
        """Numbers, places and kinds of the nuclei of a leaf."""
        rows, (left, top, *_) = leaf.rows, leaf.bounds
        places = (self.x[rows] - np.uint32(left)), (self.y[rows] - np.uint32(top))
        return Block(f"v-n{number}", packed([steps(rows), *places, self.kinds[rows]]))

    def measure(self, number: int, leaf: Leaf, measure: int) -> Block:
        """One measure of the nuclei of a leaf."""
        return Block(f"v-m{measure}-{number}", packed([self.codes[measure, leaf.rows]]))

    def outlines(self, number: int, leaf: Leaf) -> Block:
        """Outlines of the nuclei of a leaf: how many points each has, and their steps."""
        starts, counts = self.ends[leaf.rows], np.diff(self.ends)[leaf.rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        points = self.points[np.repeat(starts, counts) + within]
        return Block(f"v-o{number}", packed([counts.astype(np.uint16), points[:, 0].copy(), points[:, 1].copy()]))

    def range_of(self, measure: int) -> tuple[float, float] | None:
        """Values that get the first and the last color; None where the measure is missing everywhere."""
        values = from_codes(self.codes[measure])
        known = values[np.isfinite(values)]
        low, high = np.quantile(known, _SHOWN).tolist() if len(known) else (np.nan, np.nan)
        return (low, high) if len(known) else None


def gather(parts: Iterable[Part], grid: Grid, measures: int) -> Nuclei:
    """Gather all nuclei; of a part nothing is kept but what is packed of it later."""
    kept = [_kept(part, grid) for part in parts]
    if not kept:
        nothing = np.empty(0, np.uint32)
        unmeasured, undrawn = np.empty((measures, 0), np.uint16), np.empty((0, 2), np.uint16)
        return Nuclei(nothing, nothing, nothing.astype(np.uint8), unmeasured, undrawn, np.zeros(1, np.int64))
    x, y, kinds, codes, points, counts, rounded = zip(*kept, strict=True)
    ends = np.concatenate([[0], np.cumsum(np.concatenate(counts), dtype=np.int64)])
    stacked = np.concatenate(codes, axis=1), np.concatenate(points)
    return Nuclei(np.concatenate(x), np.concatenate(y), np.concatenate(kinds), *stacked, ends, max(rounded))


def _kept(part: Part, grid: Grid) -> tuple[Any, ...]:
    x, y = (np.maximum(np.rint(values), 0).astype(np.uint32) for values in (part.x_px, part.y_px))
    kinds = (part.types + 1).astype(np.uint8) | np.where(part.at_border, _AT_BORDER, 0).astype(np.uint8)
    few, ends = simplify_rings(part.coords, part.offsets, DEVIATION_UM / max(grid.mpp_x, grid.mpp_y))
    places = np.rint(few * FINE).astype(np.int64)
    off = np.hypot(*((few - places / FINE) * (grid.mpp_x, grid.mpp_y)).T).max(initial=0.0)
    unit = grid.factor_x / FINE, grid.factor_y / FINE
    centers = np.column_stack([np.floor(x / unit[0]), np.floor(y / unit[1])]).astype(np.int64)
    moved = np.diff(places, axis=0, prepend=0)
    first = ends[:-1][np.diff(ends) > 0]
    moved[first] = (places[ends[:-1]] - centers)[np.diff(ends) > 0]
    return x, y, kinds, to_codes(part.measures), zigzag(moved), np.diff(ends), float(off)
