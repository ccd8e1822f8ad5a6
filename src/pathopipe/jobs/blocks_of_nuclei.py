"""Blocks of nuclei: outlines, and what is measured of some of them in a window that shows them all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.border import Border
from pathopipe.ops.measures import MARGIN_UM, measure_outlines, measure_pixels
from pathopipe.ops.normalization import normalized
from pathopipe.ops.stain import Stains
from pathopipe.ops.texture import coarsening
from pathopipe.provenance import Stopwatch
from pathopipe.results.schemas.features import AT_BORDER, GROUPS
from pathopipe.slide import Slide
from pathopipe.units import Grid

ROW: Final = "row"
"""What of a measured block says which row of the table a nucleus is."""
_BLOCK: Final = 2048
"""Side in pixels that are measured. The larger a block, the less of what is read around it is read twice."""
_ENOUGH_BLOCKS: Final = 16
"""Of a slide with fewer, blocks are half as wide, so that each thread gets some."""
_FROM_PIXELS: Final = tuple(
    column for group, columns in GROUPS.items() if group not in {"distances", "neighborhood"} for column in columns
)
_PACKED: Final = {"float64": "wide", "float32": "narrow"}

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Members = NDArray[np.int64]


@dataclass(frozen=True)
class Rings:
    """Outlines on the working grid: points (M, 2) as x, y of all rings in turn; ring i ends at ``offsets[i + 1]``."""

    coords: Floats
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, members: Members) -> "Rings":
        """Return some of them."""
        starts, lengths = self.offsets[members], np.diff(self.offsets)[members]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Rings(self.coords[rows], offsets)


@dataclass(frozen=True)
class View:
    """What every block needs; shared by threads. Outlines lie on ``grid``, pixels are read on ``fine``.

    ``stains`` are the slide's; ``target`` is what pixels are normalized to first, None where they are not.
    """

    slide: Slide
    grid: Grid
    fine: Grid
    stains: Stains
    target: Stains | None
    border: Border
    groups: frozenset[str]
    watch: Stopwatch

    @property
    def ratio(self) -> tuple[float, float]:
        """Pixels of ``fine`` along one of ``grid``, x and y."""
        return self.grid.factor_x / self.fine.factor_x, self.grid.factor_y / self.fine.factor_y

    @property
    def side(self) -> int:
        """Side of a block in pixels of ``fine``."""
        return _BLOCK if self.fine.width * self.fine.height >= _ENOUGH_BLOCKS * _BLOCK**2 else _BLOCK // 2

    def measure(self, block: tuple[Rings, Members, int]) -> Columns:
        """Measure some nuclei, the first of which is that of a row, in a window that shows all of them whole.

        Returns
        -------
        ``row`` int64 (n,) in the table, ``at_border`` int8 (n,), and the measures in the order of the table: ``wide``
        float64 (K, n) and ``narrow`` float32 (L, n).
        """
        rings = block[0].take(block[1])
        with self.watch.spending("outlines"):
            found = measure_outlines(rings.coords, rings.offsets, (self.grid.mpp_x, self.grid.mpp_y), self.groups)
        coords = rings.coords * self.ratio
        x, y, width, height = self._window(coords)
        with self.watch.spending("reading"):
            rgb = self.slide.read(self.fine, x, y, width, height)
        mpp = (self.fine.mpp_x, self.fine.mpp_y)
        with self.watch.spending("pixels"):
            if self.target is not None:
                rgb = normalized(rgb, self.stains, self.target)
            stains = self.target or self.stains
            found |= measure_pixels(rgb, coords - (x, y), rings.offsets, mpp, stains, self.groups)
        none = np.full(len(rings), np.nan)
        parts = {kind: [found.get(c.name, none) for c in _FROM_PIXELS if c.kind == kind] for kind in _PACKED}
        packed = {name: np.stack(parts[kind]).astype(kind) for kind, name in _PACKED.items()}
        at_border = self.border.touched_by(rings.coords, rings.offsets)
        where: Columns = {ROW: block[1] + block[2], AT_BORDER.name: at_border.astype(np.int8)}
        return where | packed

    def _window(self, coords: Floats) -> tuple[int, int, int, int]:
        """Return x, y, width and height of what has to be read around outlines, as far as the slide goes."""
        margin = (MARGIN_UM / self.fine.mpp_x + 1, MARGIN_UM / self.fine.mpp_y + 1)
        step = coarsening(min(self.fine.mpp_x, self.fine.mpp_y))
        least, most = (np.array([of(coords[:, 0]), of(coords[:, 1])]) for of in (np.min, np.max))
        low = np.floor((least - margin) / step).astype(np.int64) * step
        high = np.ceil(most + margin).astype(np.int64)
        x0, y0 = (int(value) for value in np.maximum(low, 0))
        x1, y1 = min(int(high[0]), self.fine.width), min(int(high[1]), self.fine.height)
        return x0, y0, max(x1 - x0, 1), max(y1 - y0, 1)


def unpacked(piece: Mapping[str, NDArray[Any]]) -> Columns:
    """Name the columns of what `View.measure` returned."""
    found: Columns = {AT_BORDER.name: piece[AT_BORDER.name]}
    for kind, name in _PACKED.items():
        columns = [column.name for column in _FROM_PIXELS if column.kind == kind]
        found |= dict(zip(columns, piece[name], strict=True))
    return found
