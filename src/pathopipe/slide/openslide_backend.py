"""Slides that OpenSlide reads: SVS, NDPI, MRXS, SCN, VMS, BIF, DICOM, generic tiled TIFF and more."""

import contextlib
import threading
from pathlib import Path

import numpy as np
import openslide
from PIL import Image

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import RGB, DecodeError, Level, over_white


class OpenSlideBackend:
    """Reads through OpenSlide, with one handle that threads share.

    After its first error a handle fails at everything. Hence a region that fails is tried again with a handle of its
    own, which alone tells whether the region is damaged, and the shared one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._slide = openslide.OpenSlide(path)
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise SlideRejectedError("OpenSlide does not read this variant of the format: export it again") from error
        except openslide.OpenSlideError as error:
            raise DecodeError(str(error)) from error
        self.format = _property(self._slide, "vendor") or "openslide"
        self.levels = tuple(Level.of(*size, *self._slide.dimensions) for size in self._slide.level_dimensions)
        # What OpenSlide divides by, not our rounded ratio: else far from the origin pixels would be shifted.
        self._stated = tuple(self._slide.level_downsamples)
        self.mpp = _mpp(self._slide)
        self.bounds = _bounds(self._slide)

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        """Decode a rectangle of a level; transparent pixels become white."""
        location = (round(x * self._stated[level]), round(y * self._stated[level]))
        shared = self._slide
        try:
            return _to_rgb(shared.read_region(location, level, (width, height)))
        except openslide.OpenSlideError:
            pass
        try:
            self._replace(shared)
            with openslide.OpenSlide(self._path) as own:
                return _to_rgb(own.read_region(location, level, (width, height)))
        except openslide.OpenSlideError as error:
            raise DecodeError(str(error)) from error

    def is_blank(self, level: int, x: range, y: range) -> bool:  # noqa: ARG002 (as backends do)
        """OpenSlide does not tell what was left out."""
        return False

    def close(self) -> None:
        """Release the file."""
        self._slide.close()

    def _replace(self, failed: openslide.OpenSlide) -> None:
        """Open another handle for all threads, unless one of them did; the last that uses ``failed`` lets it go."""
        with self._lock:
            if self._slide is failed:
                self._slide = openslide.OpenSlide(self._path)


def _to_rgb(region: Image.Image) -> RGB:
    if region.getchannel("A").getextrema() == (255, 255):
        return np.asarray(region.convert("RGB"))
    return over_white(np.asarray(region))


def _property(slide: openslide.OpenSlide, name: str) -> str:
    """Return a property that OpenSlide defines, empty where the file lacks it or it is not text."""
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
