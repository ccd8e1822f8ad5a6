"""Slides that OpenSlide reads: SVS, NDPI, MRXS, SCN, VMS, BIF, DICOM, generic tiled TIFF and more."""

import contextlib
from pathlib import Path

import numpy as np
import openslide

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import RGB, DecodeError, Level


class OpenSlideBackend:
    """Reads through OpenSlide; its handles may be shared by threads."""

    def __init__(self, path: Path) -> None:
        try:
            self._slide = openslide.OpenSlide(path)
        except openslide.OpenSlideError as error:
            raise SlideRejectedError(f"the file is damaged and cannot be opened ({error}); export it again") from error
        properties = self._slide.properties
        self.format = str(properties.get("openslide.vendor", "openslide"))
        self.levels = _levels(self._slide)
        self.mpp = _mpp(dict(properties))
        self.bounds = _bounds(dict(properties))

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        """Decode a rectangle of a level; transparent pixels become white."""
        downsample = self.levels[level].downsample
        location = (round(x * downsample), round(y * downsample))
        try:
            rgba = np.asarray(self._slide.read_region(location, level, (width, height)))
        except openslide.OpenSlideError as error:
            raise DecodeError(str(error)) from error
        return _over_white(rgba)

    def close(self) -> None:
        """Release the file."""
        self._slide.close()


def _over_white(rgba: RGB) -> RGB:
    alpha = rgba[..., 3]
    if alpha.min() == 255:
        return np.ascontiguousarray(rgba[..., :3])
    weight = alpha[..., None].astype(np.uint16)
    return ((rgba[..., :3] * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def _levels(slide: openslide.OpenSlide) -> tuple[Level, ...]:
    width0, height0 = slide.dimensions
    return tuple(
        Level(width, height, _downsample(width0, height0, width, height, stated))
        for (width, height), stated in zip(slide.level_dimensions, slide.level_downsamples, strict=True)
    )


def _downsample(width0: int, height0: int, width: int, height: int, stated: float) -> float:
    """Undo the rounding of level sizes: OpenSlide states 4.0003 where 4 was meant."""
    whole = max(1, round(stated))
    fits = all(abs(full / whole - part) < 1 for full, part in ((width0, width), (height0, height)))
    return float(whole) if fits else stated


def _mpp(properties: dict[str, str]) -> tuple[float, float] | None:
    with contextlib.suppress(KeyError, ValueError):
        return float(properties["openslide.mpp-x"]), float(properties["openslide.mpp-y"])
    return None


def _bounds(properties: dict[str, str]) -> tuple[int, int, int, int] | None:
    with contextlib.suppress(KeyError, ValueError):
        x, y, width, height = (int(properties[f"openslide.bounds-{name}"]) for name in ("x", "y", "width", "height"))
        return x, y, width, height
    return None
