"""Lengths that cannot be mixed up: micrometers per pixel, and the working grid that a slide is analyzed on."""

import math
from dataclasses import dataclass
from typing import Final

MIN_MPP = 0.05
MAX_MPP = 2.0
SNAP_TOLERANCE = 0.03

CHUNK: Final = 256
"""Side of the chunks of the stored maps in working pixels; tiles hold whole chunks."""
WORKING_MPP: Final = (0.1, 2)
"""Finest and coarsest working resolution in micrometers per pixel."""
MAX_HALO: Final = 512
"""Working pixels that may be read around a tile: the largest radius of a model."""


@dataclass(frozen=True)
class Mpp:
    """Micrometers per pixel along x and y, and where the numbers came from (``sheet`` or ``metadata``)."""

    x: float
    y: float
    source: str

    @property
    def mean(self) -> float:
        """The mean of both axes."""
        return (self.x + self.y) / 2

    @property
    def plausible(self) -> bool:
        """Whether both values lie within what a light microscope's scanner produces."""
        return all(MIN_MPP <= value <= MAX_MPP for value in (self.x, self.y))


@dataclass(frozen=True)
class Grid:
    """The working grid of a slide: pixel j of it covers the level-0 pixels from ``j * factor`` to ``(j + 1) * factor``.

    Attributes
    ----------
    width, height
        Size in working pixels; the last column and row may be covered by the slide only in part.
    factor_x, factor_y
        Level-0 pixels per working pixel.
    mpp_x, mpp_y
        Micrometers per working pixel.
    """

    width: int
    height: int
    factor_x: float
    factor_y: float
    mpp_x: float
    mpp_y: float

    @property
    def pixel_um2(self) -> float:
        """Area of a working pixel in square micrometers."""
        return self.mpp_x * self.mpp_y

    def refined(self, times: int) -> "Grid":
        """Return the grid that has ``times`` x ``times`` pixels in each of this one's."""
        return Grid(
            self.width * times,
            self.height * times,
            self.factor_x / times,
            self.factor_y / times,
            self.mpp_x / times,
            self.mpp_y / times,
        )

    @classmethod
    def at(cls, mpp: float, slide_mpp: Mpp, width_px: int, height_px: int, *, covering: bool = False) -> "Grid":
        """Lay the grid of about ``mpp`` micrometers per pixel over ``width_px`` x ``height_px`` level-0 pixels."""
        fx, fy = snap(mpp / slide_mpp.x), snap(mpp / slide_mpp.y)
        # A last pixel that the slide covers by less than half is left out, unless the grid has to cover all of it.
        fit = math.ceil if covering else round
        width, height = max(1, fit(width_px / fx)), max(1, fit(height_px / fy))
        return cls(width, height, fx, fy, slide_mpp.x * fx, slide_mpp.y * fy)


def snap(factor: float) -> float:
    """Return the nearest whole factor where it is within 3%, else ``factor``.

    A scan at 0.499 mpp read for a 0.5 mpp model would otherwise be blurred in beats,
    for a difference that no model sees.
    """
    whole = float(max(1, round(factor)))
    return whole if abs(factor - whole) <= SNAP_TOLERANCE * whole else factor
