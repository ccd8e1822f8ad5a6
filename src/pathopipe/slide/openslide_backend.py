"""Slides that OpenSlide reads: SVS, NDPI, MRXS, SCN, VMS, BIF, DICOM, generic tiled TIFF and more."""

import contextlib
from pathlib import Path

import numpy as np
import openslide

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import RGB, DecodeError, Level, over_white


class OpenSlideBackend:
    """Reads through OpenSlide; its handles may be shared by threads."""

    def __init__(self, path: Path) -> None:
        try:
            self._slide = openslide.OpenSlide(path)
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise SlideRejectedError("OpenSlide does not read this variant of the format: export it anew") from error
        except openslide.OpenSlideError as error:
            raise DecodeError(str(error)) from error
        self.format = _property(self._slide, "vendor") or "openslide"
        self.levels = tuple(Level.of(*size, *self._slide.dimensions) for size in self._slide.level_dimensions)
        self.mpp = _mpp(self._slide)
        self.bounds = _bounds(self._slide)

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        """Decode a rectangle of a level; transparent pixels become white."""
        # What OpenSlide divides by, not our rounded ratio: else far from the origin pixels would be shifted.
        stated = self._slide.level_downsamples[level]
        location = (round(x * stated), round(y * stated))
        try:
            region = self._slide.read_region(location, level, (width, height))
        except openslide.OpenSlideError as error:
            raise DecodeError(str(error)) from error
        if region.getchannel("A").getextrema() == (255, 255):
            return np.asarray(region.convert("RGB"))
        return over_white(np.asarray(region))

    def close(self) -> None:
        """Release the file."""
        self._slide.close()


def _property(slide: openslide.OpenSlide, name: str) -> str:
    """Return a property that OpenSlide defines, empty where the file lacks it or it is no text."""
    with contextlib.suppress(KeyError, UnicodeError):
        return str(slide.properties[f"openslide.{name}"])
    return ""


def _mpp(slide: openslide.OpenSlide) -> tuple[float, float] | None:
    with contextlib.suppress(ValueError):
        return float(_property(slide, "mpp-x")), float(_property(slide, "mpp-y"))
    return None


def _bounds(slide: openslide.OpenSlide) -> tuple[int, int, int, int] | None:
    with contextlib.suppress(ValueError):
        x, y, width, height = (int(_property(slide, f"bounds-{name}")) for name in ("x", "y", "width", "height"))
        return x, y, width, height
    return None
