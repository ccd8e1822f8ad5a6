"""What a reader of slides must offer."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK = 512
"""Side of the squares in which levels are decoded, in pixels of the level.

Fixed, because what a reader returns near the border of a request may depend on the request.
"""

RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Level:
    """One resolution of a pyramid: its size in pixels, and how many level-0 pixels one of its pixels spans."""

    width: int
    height: int
    downsample: float


class Backend(Protocol):
    """Decodes the pixels of one file format.

    Attributes
    ----------
    format
        Name of the format, e.g. ``aperio`` or ``ome-tiff``.
    levels
        From the largest to the smallest; level 0 defines the coordinates.
    mpp
        Micrometers per level-0 pixel along x and y as the file states them, or None.
    bounds
        x, y, width and height in level-0 pixels of the region that the scanner filled, where the file states it.
    """

    format: str
    levels: tuple[Level, ...]
    mpp: tuple[float, float] | None
    bounds: tuple[int, int, int, int] | None

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        """Decode a rectangle that lies within ``level`` and starts at a multiple of ``BLOCK``, in pixels of the level.

        Returns
        -------
        RGB of shape (height, width, 3); what the scanner left out is white.

        Raises
        ------
        DecodeError
            When the file's content there is damaged.
        """

    def close(self) -> None:
        """Release the file."""


class DecodeError(Exception):
    """Pixels could not be decoded; whether the slide or the disk is to blame is decided by `Slide`."""
