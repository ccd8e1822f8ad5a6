"""What a reader of slides must offer."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import SlideRejectedError

BLOCK = 512
"""Side of the squares in which levels are decoded, in pixels of the level.

Fixed, because what a reader returns near the border of a request may depend on the request.
"""

MAX_DAMAGED_SHARE = 0.1
"""Share of a level that may be damaged: beyond it a slide is rejected, below it the rest is analyzed."""

PIECE = 128
"""Side of the squares that are white where a block cannot be decoded, in pixels of the level."""

RGB = NDArray[np.uint8]
_MOST_SIDE_PX = 2_000_000


def check_size(width: int, height: int) -> None:
    """Reject an image without pixels, or of a size that no slide has, before anything is made for its size."""
    if min(width, height) < 1:
        raise SlideRejectedError("the image has no pixels: export it again")
    if max(width, height) > _MOST_SIDE_PX:
        raise SlideRejectedError(
            f"the file claims to hold {width:,} x {height:,} pixels, more than any slide has: copy or export it again"
        )


@dataclass(frozen=True)
class Level:
    """One resolution of a pyramid: its size in pixels, and how many level-0 pixels one of its pixels spans.

    ``scale`` is 1 where the file stores it; else it is decoded this many times smaller from a stored level.
    """

    width: int
    height: int
    downsample: float
    scale: int = 1

    @classmethod
    def of(cls, width: int, height: int, full_width: int, full_height: int) -> "Level":
        """Find the downsample from sizes that were rounded: 4 where the ratio is 4.0003 because rests were cut off."""
        stated = (full_width / width + full_height / height) / 2
        whole = max(1, round(stated))
        fits = all(abs(full / whole - part) <= 1 for full, part in ((full_width, width), (full_height, height)))
        return cls(width, height, float(whole) if fits and abs(stated - whole) < 0.03 * whole else stated)


class Backend(Protocol):
    """Decodes the pixels of one file format.

    Attributes
    ----------
    format
        Name of the format, e.g. ``aperio`` or ``ome-tiff``.
    levels
        From the largest to the smallest; level 0 defines the coordinates. Those of ``scale`` 1 are stored in the file.
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
            When the content there cannot be decoded.
        """

    def is_blank(self, level: int, x: range, y: range) -> bool:
        """Whether a rectangle of ``level`` is known to hold no pixels, without decoding it."""

    def close(self) -> None:
        """Release the file."""


class DecodeError(Exception):
    """A file could not be opened or decoded; whether the slide or the disk is to blame is decided by the caller."""


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Turn what libraries raise on damaged files into `DecodeError`; errors of the disk stay."""
    try:
        yield
    except (SlideRejectedError, DecodeError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise DecodeError(str(error)) from error
    except Exception as error:
        raise DecodeError(f"{error}" or type(error).__name__) from error


def over_white(rgba: RGB, premultiplied: bool = False) -> RGB:
    """Lay RGBA pixels of shape (H, W, 4) over white; ``premultiplied`` colors are weighted by alpha already."""
    alpha = rgba[..., 3]
    if alpha.size == 0 or alpha.min() == 255:
        return np.ascontiguousarray(rgba[..., :3])
    weight = alpha[..., None].astype(np.uint16)
    if premultiplied:
        return np.asarray(np.minimum(rgba[..., :3] + (255 - weight), 255), np.uint8)
    return np.asarray((rgba[..., :3] * weight + 255 * (255 - weight) + 127) // 255, np.uint8)
