"""Whether an image is a smaller version of another one: judged by what it shows, not by what the file says."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import RGB, DecodeError
from pathopipe.slide.mosaic import mosaic
from pathopipe.slide.pieces import Pieces

_PATCH: Final = 32
_POOLED: Final = 8
_PLACES: Final = ((0.5, 0.5), (0.25, 0.3), (0.75, 0.7), (0.3, 0.75), (0.7, 0.25))
_LARGEST_PIECE: Final = 1 << 22
_MOST_PIECES: Final = 64
# Means of 8 x 8 pixels of a level differ at each place by 0.2 to 0.7 gray levels from the level above where it was made
# by averaging, by up to 5.6 where one pixel of 16 was kept (CMU-1 and OS-1); in another image, at the place that
# differs most, by 13.7 or more, if it is only turned, or has its colors exchanged.
_MOST_DIFFERENCE: Final = 10.0


def shows_the_same(above: Pieces, small: Pieces, factor: float, file: int) -> bool:
    """Compare a few places of an image with those of another one that is ``factor`` times larger.

    Places that can't be decoded don't count. Where pieces are so large, or the images so different in size, that
    comparing them would take long, the answer is no: the smaller one is not worth it.
    """
    if max(_area(above), _area(small)) > _LARGEST_PIECE:
        return False
    return all(difference < _MOST_DIFFERENCE for difference in _differences(above, small, factor, file))


def _area(pieces: Pieces) -> int:
    return pieces.layout.piece_w * pieces.layout.piece_h


def _differences(above: Pieces, small: Pieces, factor: float, file: int) -> Iterator[float]:
    """Mean difference in gray levels at each place."""
    # What is beyond the larger image is filling.
    sizes = [min(own, round(full / factor)) for own, full in zip(_size(small), _size(above), strict=True)]
    side = min(_PATCH, *sizes) // _POOLED * _POOLED
    for across, down in _PLACES:
        x, y = (int(share * (size - side)) for share, size in zip((across, down), sizes, strict=True))
        try:
            patch = _pooled(small, (x, y, x + side, y + side), side // _POOLED, file)
            corners = tuple(round(place * factor) for place in (x, y, x + side, y + side))
            whole = _pooled(above, corners, side // _POOLED, file)
        except (DecodeError, SlideRejectedError):
            continue
        yield float(np.abs(patch - whole).mean())


def _size(pieces: Pieces) -> tuple[int, int]:
    return pieces.layout.width, pieces.layout.height


def _pooled(pieces: Pieces, corners: tuple[int, ...], parts: int, file: int) -> NDArray[np.float64]:
    """Means (parts, parts, 3) of a rectangle, given by left, top, right and bottom, cut into equal parts."""
    layout = pieces.layout
    left, top, right, bottom = corners
    right, bottom = min(right, layout.width), min(bottom, layout.height)
    touched = (right - left) // layout.piece_w * ((bottom - top) // layout.piece_h)
    columns, rows = range(left, right), range(top, bottom)
    if touched > _MOST_PIECES or min(len(columns), len(rows)) < parts or not layout.is_whole(columns, rows):
        raise DecodeError("too much to compare, or not all of it is there")

    def piece(column: int, row: int) -> RGB:
        return pieces.decode(file, column, row, 1)

    pixels = mosaic(columns, rows, layout.piece_w, layout.piece_h, piece)
    return _means(pixels, parts)


def _means(pixels: RGB, parts: int) -> NDArray[np.float64]:
    height, width = pixels.shape[:2]
    rows, columns = (np.linspace(0, side, parts + 1).astype(int) for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.float64), rows[:-1], axis=0), columns[:-1], axis=1)
    return np.asarray(sums / (np.diff(rows)[:, None] * np.diff(columns))[..., None], np.float64)
