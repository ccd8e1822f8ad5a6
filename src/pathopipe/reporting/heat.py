"""The heat map of a grade as a picture over the slide's thumbnail."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pathopipe.reporting.pictures import Picture, png, two_sided
from pathopipe.results.heat_map import Square

_FULL: Final = 0.95
"""Share of squares that are not of the darkest colors: a single one would leave all others white."""


def influence_limit(squares: Sequence[Square]) -> float:
    """Return the absolute influence of the darkest color; 0 where there is nothing to show."""
    found = np.abs([square.influence for square in squares])
    if not found.any():
        return 0.0
    return float(np.quantile(found, _FULL)) or float(found.max())


def paint(squares: Sequence[Square], size: tuple[int, int], slide_px: tuple[float, float], limit: float) -> Picture:
    """Paint squares in the colors of their influence, transparent elsewhere.

    Parameters
    ----------
    size, slide_px
        Width and height of the picture, and of the slide in level-0 pixels.
    limit
        Absolute influence of the darkest color.
    """
    values, scale = np.full((size[1], size[0]), np.nan), (size[0] / slide_px[0], size[1] / slide_px[1])
    for square in squares:
        left, right = (round(x * scale[0]) for x in (square.x_px, square.x_px + square.width_px))
        top, bottom = (round(y * scale[1]) for y in (square.y_px, square.y_px + square.height_px))
        values[max(top, 0) : bottom, max(left, 0) : right] = square.influence
    return png(two_sided(values, limit))
