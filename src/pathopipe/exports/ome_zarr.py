"""OME-Zarr 0.5: a label image of the nuclei, as a pyramid, on the grid on which they were outlined.

The value of a pixel is the number of its nucleus plus one, and 0 where there is none.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.exports.columns import OUTLINE
from pathopipe.exports.format import Format
from pathopipe.exports.selection import Selection
from pathopipe.ops.raster import rasterize
from pathopipe.results.outlines import unpack_outlines
from pathopipe.results.reader import SlideResults
from pathopipe.results.schemas.features import NUCLEUS_ID
from pathopipe.results.tables import numbers
from pathopipe.units import Grid

if TYPE_CHECKING:
    import zarr

_SIDE: Final = 1024
"""Of chunks, in pixels."""
_HELD: Final = 32
"""Chunks of 4 MB that are being painted."""
Labels = NDArray[np.int32]
_Place = tuple[int, int]


def write(selection: Selection, out: Path) -> int:
    """Write the labels of one slide into a folder; returns how many nuclei there are."""
    import zarr

    (slide,) = selection.slides
    grid = Grid(**slide.manifest("segment")["grid"])
    root = zarr.create_group(out, zarr_format=3, overwrite=True)
    shapes = [*_shapes(grid)]
    levels = [
        root.create_array(
            str(level), shape=shape, chunks=(_SIDE, _SIDE), dtype="int32", fill_value=0, dimension_names=("y", "x")
        )
        for level, shape in enumerate(shapes)
    ]
    painted = _Painted(levels[0])
    count = 0
    for batch in selection.nuclei([NUCLEUS_ID, OUTLINE]):
        path = slide.file("segment", "nuclei.parquet")
        coords, offsets = unpack_outlines(path, batch.column(OUTLINE.name), grid)
        painted.add(coords, offsets, numbers(batch.column(NUCLEUS_ID.name)).astype(np.int32) + 1)
        count += len(batch)
    painted.flush()
    for finer, coarser in pairwise(levels):
        _halve(finer, coarser)
    root.attrs["ome"] = _described(slide, grid, len(shapes))
    return count


def _shapes(grid: Grid) -> Iterator[_Place]:
    """Rows and columns of the levels, each of half the resolution, down to one that is a single chunk."""
    height, width = grid.height, grid.width
    yield height, width
    while max(height, width) > _SIDE:
        height, width = -(-height // 2), -(-width // 2)
        yield height, width


def _described(slide: SlideResults, grid: Grid, levels: int) -> dict[str, Any]:
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = [{"path": str(level), "coordinateTransformations": _placed(grid, 2**level)} for level in range(levels)]
    scales = {"name": slide.id, "axes": axes, "datasets": datasets, "type": "nearest"}
    return {"version": "0.5", "multiscales": [scales], "image-label": {"version": "0.5"}}


def _placed(grid: Grid, factor: int) -> list[dict[str, Any]]:
    """Say where the centers of pixels lie in um: of a coarser level each is the first of those that it stands for."""
    first = [0.5 * grid.mpp_y, 0.5 * grid.mpp_x]
    return [
        {"type": "scale", "scale": [grid.mpp_y * factor, grid.mpp_x * factor]},
        {"type": "translation", "translation": first},
    ]


class _Painted:
    """The finest level while nuclei are painted into it, of which some chunks are held."""

    def __init__(self, level: "zarr.Array[Any]") -> None:
        self._level = level
        self._held = OrderedDict[_Place, Labels]()

    def add(self, coords: NDArray[np.float64], offsets: NDArray[np.int64], labels: Labels) -> None:
        """Paint rings, which are given as for `rasterize`; what is painted already stays."""
        low, high = (cut.reduceat(coords, offsets[:-1]) // _SIDE for cut in (np.minimum, np.maximum))
        for place in sorted({*_places(low, high)}):
            rows = np.flatnonzero((low <= place[::-1]).all(axis=1) & (high >= place[::-1]).all(axis=1))
            self._paint(place, *_some(coords, offsets, rows), labels[rows])

    def _paint(self, place: _Place, coords: NDArray[np.float64], offsets: NDArray[np.int64], labels: Labels) -> None:
        chunk = self._chunk(place)
        found = rasterize(coords, offsets, chunk.shape, (place[0] * _SIDE, place[1] * _SIDE))
        new = (found > 0) & (chunk == 0)
        chunk[new] = labels[found[new] - 1]

    def _chunk(self, place: _Place) -> Labels:
        if place not in self._held:
            self._held[place] = np.array(self._level[_window(place)], np.int32)
        self._held.move_to_end(place)
        if len(self._held) > _HELD:
            oldest, chunk = self._held.popitem(last=False)
            self._level[_window(oldest)] = chunk
        return self._held[place]

    def flush(self) -> None:
        """Write the chunks that are held."""
        for place, chunk in self._held.items():
            self._level[_window(place)] = chunk


def _window(place: _Place) -> tuple[slice, slice]:
    row, column = (number * _SIDE for number in place)
    return slice(row, row + _SIDE), slice(column, column + _SIDE)


def _places(low: NDArray[np.float64], high: NDArray[np.float64]) -> Iterator[_Place]:
    """Rows and columns of the chunks that boxes touch, which are given as chunks, x before y."""
    for left, top, right, bottom in np.unique(np.hstack([low, high]), axis=0).astype(int).tolist():
        yield from (
            (row, column) for row in range(max(top, 0), bottom + 1) for column in range(max(left, 0), right + 1)
        )


def _some(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points and bounds of some of the rings."""
    counts = np.diff(offsets)[rows]
    ends = np.concatenate([[0], np.cumsum(counts)])
    places = np.repeat(offsets[rows] - ends[:-1], counts) + np.arange(ends[-1])
    return coords[places], ends


def _halve(finer: "zarr.Array[Any]", coarser: "zarr.Array[Any]") -> None:
    """Take every second pixel of every second row."""
    for row in range(0, coarser.shape[0], _SIDE):
        for column in range(0, coarser.shape[1], _SIDE):
            part = np.asarray(finer[2 * row : 2 * (row + _SIDE) : 2, 2 * column : 2 * (column + _SIDE) : 2])
            if part.any():
                coarser[row : row + _SIDE, column : column + _SIDE] = part


FORMAT: Final = Format((".ome.zarr",), write, joins=False)
