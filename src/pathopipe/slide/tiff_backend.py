"""OME-TIFF and plain TIFF, read with tifffile and imagecodecs."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import BLOCK, RGB, DecodeError, Level, over_white
from pathopipe.slide.cache import PixelCache
from pathopipe.slide.mosaic import mosaic
from pathopipe.slide.tiff_series import MAX_SEGMENT_PIXELS, decoding, main_series, mpp_of

_CACHE_BYTES = 64 << 20
_PREMULTIPLIED, _STRAIGHT = 1, 2


@dataclass(frozen=True)
class Page:
    """One level: its description, where its segments (tiles or strips) lie, and how they are laid out."""

    frame: Any
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    across: int
    down: int
    segment_h: int
    segment_w: int

    @property
    def planes(self) -> int:
        """Segments that make up one place: 1, or with planar storage one per sample."""
        return int(self.frame.samplesperpixel) if self.frame.planarconfig == 2 else 1


class TiffBackend:
    """Decodes tiles or strips one by one, and keeps the last ones.

    Attributes
    ----------
    pages
        How and where each level is stored.
    """

    def __init__(self, path: Path) -> None:
        with decoding():
            self._tiff = tifffile.TiffFile(path)
            try:
                self.pages = [_page(level) for level in main_series(self._tiff).levels]
                self.format = "ome-tiff" if self._tiff.is_ome else "tiff"
                self.levels = _levels([page.frame for page in self.pages])
                self.mpp = mpp_of(self._tiff, self.pages[0].frame)
            except BaseException:
                self._tiff.close()
                raise
        self.bounds: tuple[int, int, int, int] | None = None
        # A row of blocks of strips as wide as the image is kept, else each strip is decoded once per block.
        rows_of_strips = 2 * (BLOCK + self.pages[0].segment_h) * 3 * self.levels[0].width
        striped = self.pages[0].across == 1
        most = max(_CACHE_BYTES, rows_of_strips if striped else 0)
        self._cache = PixelCache(lambda _: most)
        self._file = path.open("rb")

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        """Decode a rectangle of a level from the tiles or strips that it touches."""
        page = self.pages[level]

        def segment(tx: int, ty: int) -> RGB:
            return self._cache.get(level, (tx, ty), partial(self._segment, page, ty * page.across + tx))

        return mosaic(range(x, x + width), range(y, y + height), page.segment_w, page.segment_h, segment)

    def close(self) -> None:
        """Release the file."""
        self._file.close()
        self._tiff.close()

    def _segment(self, page: Page, index: int) -> RGB:
        step = page.across * page.down
        with decoding():
            planes = [self._decode(page, index + plane * step) for plane in range(page.planes)]
            pixels = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
            return _without_alpha(pixels, page.frame.extrasamples)

    def _decode(self, page: Page, index: int) -> RGB:
        """Decode one segment, of shape (height, width, samples); one that the writer left out is white."""
        length = page.lengths[index]
        data = os.pread(self._file.fileno(), length, page.offsets[index])
        if len(data) < length:
            raise DecodeError("the file ends early")
        decoded = page.frame.decode(data, index, jpegtables=page.frame.jpegtables)[0] if data else None
        if decoded is None:
            samples = int(page.frame.samplesperpixel) // page.planes
            return np.full((page.segment_h, page.segment_w, samples), 255, np.uint8)
        return np.asarray(decoded[0])


def _without_alpha(pixels: RGB, extra: tuple[int, ...]) -> RGB:
    kind = int(extra[0]) if extra else 0
    if pixels.shape[2] == 4 and kind in {_PREMULTIPLIED, _STRAIGHT}:
        return over_white(pixels, premultiplied=kind == _PREMULTIPLIED)
    return np.ascontiguousarray(pixels[..., :3])


def _page(level: Any) -> Page:
    item, frame = level.pages[0], level.keyframe
    if frame.is_tiled:
        across = -(-frame.imagewidth // frame.tilewidth)
        segment_h, segment_w = frame.tilelength, frame.tilewidth
    else:
        across, segment_h, segment_w = 1, min(frame.rowsperstrip, frame.imagelength), frame.imagewidth
    if segment_h * segment_w > MAX_SEGMENT_PIXELS:
        raise SlideRejectedError(
            f"the TIFF is stored in one piece of {segment_w} x {segment_h} pixels: convert it to a tiled TIFF"
        )
    down = -(-frame.imagelength // segment_h)
    page = Page(
        frame, tuple(item.dataoffsets), tuple(item.databytecounts), across, down, int(segment_h), int(segment_w)
    )
    if min(len(page.offsets), len(page.lengths)) < across * down * page.planes:
        raise DecodeError("its directory lists fewer pieces than the image has")
    return page


def _levels(frames: list[Any]) -> tuple[Level, ...]:
    sizes = [(int(frame.imagewidth), int(frame.imagelength)) for frame in frames]
    if min(min(size) for size in sizes) < 1:
        raise DecodeError("an image has no pixels")
    return tuple(Level.of(*size, *sizes[0]) for size in sizes)
