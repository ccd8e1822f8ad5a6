"""JPEG tiles of a TIFF, decoded at their size, a half, a quarter or an eighth of it.

When it scales, the decoder leaves out the higher frequencies of each block of 8 x 8 pixels, which costs less than
decoding them and averaging. A scaled block covers exactly the pixels that it was made of, so nothing is shifted.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathopipe.slide.backend import RGB, DecodeError

SCALES = (2, 4, 8)
Places = NDArray[np.int64]

_JPEG = 7
_RGB, _YCBCR = 2, 6
_PHOTOMETRIC = {_RGB: b"\0", _YCBCR: b"\1"}  # as Adobe's marker numbers them
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0"
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SCAN = 0xDA
_APP0, _APP14 = 0xE0, 0xEE
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive; the others are no sums of 8 x 8 cosines, or exotic
_HARMLESS = "extraneous bytes"  # between segments, as some writers leave them
_OTHER_FRAMES = set(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class JpegTiles:
    """Where the JPEG tiles of a level lie, and what makes complete images of them.

    Attributes
    ----------
    width, height
        Of the level in pixels.
    offsets, lengths
        Where each tile lies in the file, row by row.
    head
        What a complete JPEG begins with: the tables that all tiles share, and where ``colors_known`` the colors.
    colors_known
        Whether ``head`` says what the colors mean, against what the tiles' own markers may say.
    """

    width: int
    height: int
    tile_w: int
    tile_h: int
    offsets: Places
    lengths: Places
    head: bytes
    colors_known: bool

    @classmethod
    def of(cls, page: Any, offsets: Sequence[int], lengths: Sequence[int], by_tags: bool) -> "JpegTiles | None":
        """Describe a page of tifffile; None where its tiles cannot be decoded at a fraction of their size.

        Parameters
        ----------
        by_tags
            Whether the full-size reader takes the colors from the TIFF's tags alone, as OpenSlide does. tifffile trusts
            the tiles' own markers, except for RGB without a JFIF header.
        """
        photometric = int(page.photometric)
        if not _usable(page) or photometric not in _PHOTOMETRIC:
            return None
        colors_known = by_tags or not (photometric == _YCBCR or page.is_jfif)
        tiles = cls(
            width=int(page.imagewidth),
            height=int(page.imagelength),
            tile_w=int(page.tilewidth),
            tile_h=int(page.tilelength),
            offsets=np.array(offsets, np.int64),  # instead of an object for each tile
            lengths=np.array(lengths, np.int64),
            head=_head(page.jpegtables or _SOI, _ADOBE + _PHOTOMETRIC[photometric] if colors_known else b""),
            colors_known=colors_known,
        )
        return tiles if min(len(offsets), len(lengths)) >= tiles.across * -(-tiles.height // tiles.tile_h) else None

    @property
    def across(self) -> int:
        """Tiles in a row."""
        return -(-self.width // self.tile_w)

    def decode(self, file: int, tx: int, ty: int, scale: int) -> RGB:
        """Decode the tile of column ``tx`` and row ``ty`` from an open file; one that the writer left out is white.

        Returns
        -------
        RGB of shape (tile_h / scale, tile_w / scale, 3), at the level's right and lower border possibly smaller.

        Raises
        ------
        DecodeError
            When the tile is damaged, as far as the decoder notices it, or lacks its end.
        """
        if self.lengths[ty * self.across + tx] == 0:
            return np.full((self.tile_h // scale, self.tile_w // scale, 3), 255, np.uint8)
        stream, width, height = self.stream(file, tx, ty)
        return _scaled(stream, -(-width // scale), -(-height // scale))

    def stream(self, file: int, tx: int, ty: int) -> tuple[bytes, int, int]:
        """Read a tile as a whole JPEG that can be scaled, and its width and height in pixels.

        Raises
        ------
        DecodeError
            When its header is damaged or of another kind, or its end is missing.
        """
        index = ty * self.across + tx
        data = os.pread(file, self.lengths[index], self.offsets[index])
        if len(data) < self.lengths[index]:
            raise DecodeError("the file ends early")
        stream, width, height = self._complete(data)
        inside_w = min(self.tile_w, self.width - tx * self.tile_w)
        inside_h = min(self.tile_h, self.height - ty * self.tile_h)
        if not (inside_w <= width <= self.tile_w and inside_h <= height <= self.tile_h):
            raise DecodeError(f"a tile has {width} x {height} pixels")
        return stream, width, height

    def _complete(self, data: bytes) -> tuple[bytes, int, int]:
        """Add to a tile what it shares with the others."""
        segments, scan = _segments(data)
        if data.rfind(_EOI, scan) < 0:
            raise DecodeError("a tile lacks its end")
        frames = [segment for marker, segment in segments if marker in _FRAMES]
        if len(frames) != 1 or len(frames[0]) < 10 or (frames[0][4], frames[0][9]) != (8, 3):
            raise DecodeError("a tile is no JPEG of three colors of 8 bits")
        kept = _colorless(segments) if self.colors_known else [segment for _, segment in segments]
        stream = b"".join([self.head, *kept, data[scan:]])
        return stream, int.from_bytes(frames[0][7:9]), int.from_bytes(frames[0][5:7])


def _head(tables: bytes, colors: bytes) -> bytes:
    segments, _ = _segments(tables)
    kept = _colorless(segments) if colors else [segment for _, segment in segments]
    return b"".join([_SOI, colors, *kept])


def _colorless(segments: list[tuple[int, bytes]]) -> list[bytes]:
    """Leave out the markers that say what the colors mean."""
    return [segment for marker, segment in segments if marker not in {_APP0, _APP14}]


def _usable(page: Any) -> bool:
    return bool(
        page.is_tiled
        and page.compression == _JPEG
        and page.planarconfig == 1
        and page.bitspersample == 8
        and page.samplesperpixel == 3
        and page.fillorder == 1
        and page.imagedepth == page.tiledepth == 1
        and page.tilewidth % 16 == page.tilelength % 16 == 0
        and min(page.tilewidth, page.tilelength, page.imagewidth, page.imagelength) > 0
    )


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Return the marker segments before the first scan, each as marker and bytes, and where the scan starts."""
    if data[:2] != _SOI:
        raise DecodeError("a tile is no JPEG")
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        length = 0 if marker in _WITHOUT_LENGTH else int.from_bytes(data[at + 2 : at + 4])
        if marker in _OTHER_FRAMES:
            raise DecodeError(f"a tile is a JPEG of kind {marker - 0xC0}")
        segments.append((marker, data[at : at + 2 + length]))
        at += 2 + length
    return segments, at


def _scaled(stream: bytes, width: int, height: int) -> RGB:
    """Decode a JPEG at the smallest scale that gives so many pixels; what its decoder warns of is damage."""
    import simplejpeg

    decode = partial(simplejpeg.decode_jpeg, stream, "RGB", min_width=width, min_height=height, min_factor=1)
    try:
        try:
            decoded = decode(strict=True)
        except ValueError as error:
            if _HARMLESS not in str(error):
                raise
            decoded = decode(strict=False)
    except ValueError as error:
        raise DecodeError(f"a tile cannot be decoded ({error})") from error
    if decoded.shape != (height, width, 3):
        raise DecodeError("a tile cannot be decoded")
    return np.asarray(decoded, np.uint8)
