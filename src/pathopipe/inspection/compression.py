"""Where on a slide the blocks of a strong JPEG compression show."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.quality.blockiness import blockiness
from pathopipe.slide import Slide
from pathopipe.units import Grid

SIDE: Final = 256
"""Bins of 8 µm along the side of the squares of which each is looked at in one place."""
_WINDOW: Final = 512
_LEAST: Final = 64
STRONG: Final = 0.35
"""Blocks as strong as this are those of a JPEG quality of 20 to 30."""

Mask = NDArray[np.bool_]


def strongly_compressed(slide: Slide, grid: Grid, tissue: Mask, workers: int) -> Mask:
    """Tell the squares with tissue, of 256 x 256 bins of 8 µm, in which blocks of 8 x 8 pixels show.

    Each square is looked at in one window of 512 x 512 pixels as they are stored, where its tissue is.

    Parameters
    ----------
    grid, tissue
        The grid of the tissue's bins, and its mask.
    """
    out = np.zeros(tuple(-(-side // SIDE) for side in tissue.shape), bool)
    places = [(int(row), int(column)) for row, column in np.argwhere(np.ones_like(out))]
    stored = slide.stored_grid

    def look(place: tuple[int, int]) -> bool:
        top, left = (SIDE * index for index in place)
        cells = np.argwhere(tissue[top : top + SIDE, left : left + SIDE])
        if not len(cells):
            return False
        # The middle one of the tissue's bins, row by row, is tissue.
        row, column = cells[len(cells) // 2]
        return _shows_blocks(slide, stored, (left + column + 0.5) * grid.factor_x, (top + row + 0.5) * grid.factor_y)

    with ThreadPoolExecutor(workers) as pool:
        for place, blocks in zip(places, pool.map(look, places), strict=True):
            out[place] = blocks
    return out


def _shows_blocks(slide: Slide, stored: Grid, x: float, y: float) -> bool:
    """Look at the window of the slide that holds a place; windows lie side by side, as blocks that are decoded do."""
    left, top = (
        int(min(value, size - 1)) // _WINDOW * _WINDOW for value, size in ((x, stored.width), (y, stored.height))
    )
    width, height = min(_WINDOW, stored.width - left), min(_WINDOW, stored.height - top)
    if min(width, height) < _LEAST:
        return False
    return blockiness(np.ascontiguousarray(slide.read(stored, left, top, width, height)[..., 1])) > STRONG
