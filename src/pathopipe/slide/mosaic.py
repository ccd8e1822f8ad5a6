"""Putting a rectangle together from the pieces that it touches."""

from collections.abc import Callable

import numpy as np

from pathopipe.slide.backend import RGB


def mosaic(x: range, y: range, piece_w: int, piece_h: int, piece: Callable[[int, int], RGB]) -> RGB:
    """Copy the pixels ``x`` by ``y`` out of a grid of pieces of ``piece_w`` by ``piece_h`` pixels.

    Parameters
    ----------
    piece
        Returns the piece of a column and row of the grid, of shape (height, width, 3); it may be smaller than the
        others.

    Returns
    -------
    RGB of shape (len(y), len(x), 3); what no piece covers is white.
    """
    out = np.empty((len(y), len(x), 3), np.uint8)
    for row in range(y.start // piece_h, (y.stop - 1) // piece_h + 1):
        for column in range(x.start // piece_w, (x.stop - 1) // piece_w + 1):
            top, left = row * piece_h, column * piece_w
            y0, y1 = max(y.start, top), min(y.stop, top + piece_h)
            x0, x1 = max(x.start, left), min(x.stop, left + piece_w)
            target = out[y0 - y.start : y1 - y.start, x0 - x.start : x1 - x.start]
            pixels = piece(column, row)[y0 - top : y1 - top, x0 - left : x1 - left]
            if pixels.shape != target.shape:
                target[:] = 255
            target[: pixels.shape[0], : pixels.shape[1]] = pixels
    return out
