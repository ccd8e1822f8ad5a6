"""Looking at all tissue of a slide for its quality map, some rows of blocks at a time, so that memory stays flat."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pathopipe.ops.quality.bins import CHANNELS, PIXELS, measure_bins
from pathopipe.ops.quality.surroundings import HALO, describe
from pathopipe.slide import Slide
from pathopipe.units import Grid

IN_CELL: Final = 2
"""Bins along the side of a bin of the tissue."""
_SIDE: Final = 256
_GLASS: Final = (246.0, 246.0, 246.0, 0.0, 0.0, 0.0)

Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Place = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """What a block of 256 x 256 bins of 4 µm looks like; all is 0 outside of tissue.

    Attributes
    ----------
    row, column
        Its first bin.
    labels, blur
        (h, w).
    colors
        (h / 2, w / 2, 3): the mean color of every second bin of every second row.
    """

    row: int
    column: int
    labels: Labels
    blur: Labels
    colors: Labels


Look = Callable[[Floats, Floats], tuple[Labels, Labels]]
"""What makes labels and blur (N,) of features (F, N) and shares of clipped pixels (N,)."""


@dataclass(frozen=True)
class _Blocks:
    """The slide in blocks of 256 x 256 bins; ``tissue`` is a mask on a grid half as fine."""

    slide: Slide
    fine: Grid
    tissue: Mask

    @property
    def size(self) -> Place:
        """Height and width in bins."""
        return self.tissue.shape[0] * IN_CELL, self.tissue.shape[1] * IN_CELL

    def in_row(self, row: int) -> list[Place]:
        """Blocks of a row that hold tissue."""
        columns = range(math.ceil(self.size[1] / _SIDE))
        return [(row, column) for column in columns if self.within((row, column)).any()]

    def within(self, place: Place) -> Mask:
        """Tissue of a block, (h, w) bins."""
        step = _SIDE // IN_CELL
        row, column = (step * index for index in place)
        return self.tissue[row : row + step, column : column + step].repeat(IN_CELL, axis=0).repeat(IN_CELL, axis=1)

    def measure(self, place: Place) -> NDArray[np.float16]:
        """Measure the bins of a block, (h, w, 6); squares as their roots, which fit."""
        (height, width), (top, left) = self.size, (_SIDE * index for index in place)
        rows, columns = min(_SIDE, height - top), min(_SIDE, width - left)
        x, y = PIXELS * (left - 1), PIXELS * (top - 1)
        rgb = self.slide.read(self.fine, x, y, PIXELS * (columns + 2), PIXELS * (rows + 2))
        found = measure_bins(rgb)
        np.sqrt(found[..., 3:5], out=found[..., 3:5])
        return found.astype(np.float16)


def survey(slide: Slide, grid: Grid, tissue: Mask, look: Look, workers: int) -> Iterator[Part]:
    """Look at all tissue.

    Parameters
    ----------
    grid, tissue
        The grid of the tissue's bins, of 8 µm, and its mask.
    look
        Judges bins by their features; called by several threads.
    """
    blocks = _Blocks(slide, grid.refined(IN_CELL * PIXELS), tissue)
    measured = dict[Place, NDArray[np.float16]]()
    rows = math.ceil(blocks.size[0] / _SIDE)

    def judge(place: Place) -> Part:
        inside = blocks.within(place)
        described = describe(_window(measured, place, blocks.size))[:, : inside.shape[0], : inside.shape[1]]
        clipped = measured[place][..., 5].astype(np.float32)
        labels, blur = np.zeros((2, *inside.shape), np.uint8)
        labels[inside], blur[inside] = look(np.ascontiguousarray(described[:, inside]), clipped[inside])
        colors = np.where(inside[::2, ::2, None], measured[place][::2, ::2, :3], 0).astype(np.uint8)
        return Part(place[0] * _SIDE, place[1] * _SIDE, labels, blur, colors)

    # A block has a thread; threads of their own would make small products of matrices wait for each other.
    with threadpool_limits(1), ThreadPoolExecutor(workers) as pool:
        for row in range(rows):
            wanted = [place for near in (row, row + 1) for place in blocks.in_row(near) if place not in measured]
            measured.update(zip(wanted, pool.map(blocks.measure, wanted), strict=True))
            yield from pool.map(judge, blocks.in_row(row))
            for place in [place for place in measured if place[0] < row]:
                del measured[place]


def _window(measured: dict[Place, NDArray[np.float16]], place: Place, size: Place) -> Floats:
    """Put a block and its surroundings together, (384, 384, 6): glass where nothing was measured, mirrored beyond."""
    spans, pads = [], []
    for index, length in zip(place, size, strict=True):
        first, last = _SIDE * index - HALO, _SIDE * (index + 1) + HALO
        spans.append((max(0, first), min(length, last)))
        pads.append((max(0, -first), max(0, last - length)))
    (top, bottom), (left, right) = spans
    out = np.empty((bottom - top, right - left, CHANNELS), np.float32)
    out[:] = _GLASS
    for row in range(top // _SIDE, math.ceil(bottom / _SIDE)):
        for column in range(left // _SIDE, math.ceil(right / _SIDE)):
            if (block := measured.get((row, column))) is not None:
                _paste(out, block, row * _SIDE - top, column * _SIDE - left)
    out[..., 3:5] **= 2
    return np.pad(out, (*pads, (0, 0)), mode="symmetric") if np.any(pads) else out


def _paste(out: Floats, block: NDArray[np.float16], top: int, left: int) -> None:
    """Copy what of a block lies within the window; its corner may lie outside."""
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(out.shape[0], top + block.shape[0]), min(out.shape[1], left + block.shape[1])
    out[y0:y1, x0:x1] = block[y0 - top : y1 - top, x0 - left : x1 - left]
