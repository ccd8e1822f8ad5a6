"""OME-TIFF and plain TIFF, read with tifffile and imagecodecs."""

import contextlib
import os
import threading
import xml.etree.ElementTree as ET
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import RGB, DecodeError, Level

_CACHED_SEGMENTS = 64
_MAX_SEGMENT_PIXELS = 100_000_000
_UM_PER_UNIT = {"µm": 1.0, "\u03bcm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
_BRIGHTFIELD_ONLY = "only single-plane 8-bit RGB brightfield images can be analyzed"


class TiffBackend:
    """Decodes tiles or strips one by one, and keeps the last ones."""

    def __init__(self, path: Path) -> None:
        try:
            self._tiff = tifffile.TiffFile(path)
            series = main_series(self._tiff)
            self._pages = [level.keyframe for level in series.levels]
        except (tifffile.TiffFileError, ValueError, IndexError, KeyError, TypeError) as error:
            if isinstance(error, SlideRejectedError):
                raise
            raise SlideRejectedError(f"the TIFF is damaged and cannot be opened ({error}); export it again") from error
        self.format = "ome-tiff" if self._tiff.is_ome else "tiff"
        self.levels = tuple(_level(page, self._pages[0]) for page in self._pages)
        self.mpp = _mpp(self._tiff, self._pages[0])
        self.bounds: tuple[int, int, int, int] | None = None
        self._file = path.open("rb")
        self._segments: OrderedDict[tuple[int, int], RGB] = OrderedDict()
        self._lock = threading.Lock()
        _check_segments(self._pages)

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        """Decode a rectangle of a level from the tiles or strips that it touches."""
        page = self._pages[level]
        across, tile_h, tile_w = _segment_layout(page)
        out = np.full((height, width, 3), 255, np.uint8)
        for ty in range(y // tile_h, (y + height - 1) // tile_h + 1):
            for tx in range(x // tile_w, (x + width - 1) // tile_w + 1):
                tile = self._segment(level, ty * across + tx)
                top, left = ty * tile_h, tx * tile_w
                y0, y1 = max(y, top), min(y + height, top + tile.shape[0])
                x0, x1 = max(x, left), min(x + width, left + tile.shape[1])
                out[y0 - y : y1 - y, x0 - x : x1 - x] = tile[y0 - top : y1 - top, x0 - left : x1 - left]
        return out

    def close(self) -> None:
        """Release the file."""
        self._file.close()
        self._tiff.close()

    def _segment(self, level: int, index: int) -> RGB:
        key = (level, index)
        with self._lock:
            if key in self._segments:
                self._segments.move_to_end(key)
                return self._segments[key]
        segment = self._decode(self._pages[level], index)
        with self._lock:
            self._segments[key] = segment
            while len(self._segments) > _CACHED_SEGMENTS:
                self._segments.popitem(last=False)
        return segment

    def _decode(self, page: Any, index: int) -> RGB:
        length = page.databytecounts[index]
        data = os.pread(self._file.fileno(), length, page.dataoffsets[index])
        if length and len(data) < length:
            raise DecodeError("the file ends early")
        try:
            decoded = page.decode(data or None, index, jpegtables=page.jpegtables)[0]
        except Exception as error:  # codecs raise classes of their own, without a common base
            raise DecodeError(str(error)) from error
        if decoded is None:  # a tile that the writer left out is background
            _, tile_h, tile_w = _segment_layout(page)
            return np.full((tile_h, tile_w, 3), 255, np.uint8)
        return np.ascontiguousarray(decoded[0, :, :, :3])


def check_brightfield(path: Path) -> None:
    """Reject a TIFF whose main image is not one plane of 8-bit RGB, in words."""
    try:
        with tifffile.TiffFile(path) as tiff:
            main_series(tiff)
    except (tifffile.TiffFileError, IndexError, KeyError, TypeError) as error:
        raise SlideRejectedError(f"the TIFF is damaged and cannot be opened ({error}); export it again") from error


def main_series(tiff: tifffile.TiffFile) -> Any:
    """Return the image series of a TIFF that holds one brightfield scene, else reject it."""
    series = [item for item in tiff.series if item.name not in {"Label", "Macro", "Thumbnail", "label", "macro"}]
    main = max(series, key=lambda item: item.shape[-2] * item.shape[-3] if len(item.shape) > 2 else 0)
    if tiff.is_ome and sum(_is_scene(item, main) for item in series) > 1:
        raise SlideRejectedError(f"the file holds several scenes: export each to its own file; {_BRIGHTFIELD_ONLY}")
    axes = dict(zip(main.axes, main.shape, strict=True))
    for axis, word in (("Z", "focal planes"), ("T", "time points"), ("C", "channels"), ("I", "pages"), ("Q", "planes")):
        if axes.get(axis, 1) > 1:
            raise SlideRejectedError(f"the file holds {axes[axis]} {word}: {_BRIGHTFIELD_ONLY}")
    page = main.keyframe
    if page.dtype != np.uint8 or page.samplesperpixel not in {3, 4} or page.planarconfig != 1:
        raise SlideRejectedError(
            f"the file holds {page.samplesperpixel} sample(s) of type {page.dtype} per pixel: {_BRIGHTFIELD_ONLY}"
        )
    return main


def _is_scene(item: Any, main: Any) -> bool:
    """Whether a series is a scene of its own rather than a small label or overview."""
    area, main_area = (int(np.prod(each.shape)) for each in (item, main))
    return area * 4 >= main_area


def _level(page: Any, base: Any) -> Level:
    downsample = base.imagewidth / page.imagewidth
    whole = max(1, round(downsample))
    near = abs(base.imagewidth / whole - page.imagewidth) < 1
    return Level(page.imagewidth, page.imagelength, float(whole) if near else downsample)


def _segment_layout(page: Any) -> tuple[int, int, int]:
    """Segments per row, and height and width of a segment."""
    if page.is_tiled:
        return -(-page.imagewidth // page.tilewidth), page.tilelength, page.tilewidth
    return 1, min(page.rowsperstrip, page.imagelength), page.imagewidth


def _check_segments(pages: list[Any]) -> None:
    _, height, width = _segment_layout(pages[0])
    if height * width > _MAX_SEGMENT_PIXELS:
        raise SlideRejectedError(
            f"the TIFF is stored in one piece of {width} x {height} pixels: convert it to a tiled TIFF"
        )


def _mpp(tiff: tifffile.TiffFile, page: Any) -> tuple[float, float] | None:
    return _ome_mpp(tiff.ome_metadata) if tiff.is_ome else _tag_mpp(page)


def _ome_mpp(xml: str | None) -> tuple[float, float] | None:
    with contextlib.suppress(ET.ParseError, KeyError, ValueError):
        for node in ET.fromstring(xml or "").iter():  # noqa: S314 (expat expands no external entities)
            if node.tag.endswith("Pixels"):
                x, y = (
                    float(node.attrib[f"PhysicalSize{axis}"]) * _UM_PER_UNIT[node.get(f"PhysicalSize{axis}Unit", "µm")]
                    for axis in "XY"
                )
                return x, y
    return None


def _tag_mpp(page: Any) -> tuple[float, float] | None:
    unit = {2: 25_400.0, 3: 10_000.0}.get(int(page.resolutionunit or 1))
    with contextlib.suppress(KeyError, ZeroDivisionError, TypeError):
        x, y = (page.tags[name].value for name in ("XResolution", "YResolution"))
        if unit and x[0] and y[0]:
            return unit * x[1] / x[0], unit * y[1] / y[0]
    return None
