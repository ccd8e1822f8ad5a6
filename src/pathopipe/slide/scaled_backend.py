"""The JPEG tiles of a TIFF straight from the file, at full size and, as levels that it does not have, at a fraction."""

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import tifffile

from pathopipe.slide.backend import RGB, Backend, DecodeError, Level
from pathopipe.slide.cache import PixelCache
from pathopipe.slide.jpeg_tiles import SCALES, JpegTiles
from pathopipe.slide.mosaic import mosaic
from pathopipe.slide.openslide_backend import OpenSlideBackend
from pathopipe.slide.tiff_backend import TiffBackend
from pathopipe.slide.tiff_series import decoding

_CACHE_BYTES = 16 << 20
_COVERED = {"aperio", "generic-tiff"}
_CLEARLY = 1.1
"""A level that is less than this finer than the next stored one is not worth decoding it from a larger one."""


class ScaledBackend:
    """Decodes JPEG tiles itself, and adds levels of ``scale`` 2, 4 and 8 between the stored ones of another backend.

    Stored levels come out as the other backend reads them, to the byte, in less time. A slide of 0.25 mpp with levels
    1, 4 and 16 is read at 0.5 mpp without decoding and averaging all of its pixels. Tolerance: a value differs from the
    mean of the stored pixels that it spans by less than 1 gray level on average, and 999 of 1000 by at most 10; nothing
    is shifted. Rows and columns that do not fill a pixel at the right and lower border are left out.

    Parameters
    ----------
    inner
        Reads the stored levels that do not consist of such tiles.
    path
        The file.
    tiles
        For each level of ``inner`` its JPEG tiles, or None where it has none that can be decoded here.
    """

    def __init__(self, inner: Backend, path: Path, tiles: Sequence[JpegTiles | None]) -> None:
        self._inner = inner
        self._tiles = tuple(tiles)
        self.format = inner.format
        self.mpp = inner.mpp
        self.bounds = inner.bounds
        levels = sorted(_levels(inner.levels, self._tiles), key=lambda item: item[1].downsample)
        self._stored = tuple(number for number, _ in levels)
        self.levels = tuple(level for _, level in levels)
        self._cache = PixelCache(lambda _: _CACHE_BYTES)
        self._file = path.open("rb")

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        """Decode a rectangle of a level: from the tiles, or as the file's reader does."""
        number, scale = self._stored[level], self.levels[level].scale
        tiles = self._tiles[number]
        if tiles is None:
            return self._inner.read(number, x, y, width, height)

        def tile(tx: int, ty: int) -> RGB:
            decode = partial(tiles.decode, self._file.fileno(), tx, ty, scale)
            return self._cache.get(level, (tx, ty), decode)

        columns, rows = range(x, x + width), range(y, y + height)
        return mosaic(columns, rows, tiles.tile_w // scale, tiles.tile_h // scale, tile)

    def close(self) -> None:
        """Release the file."""
        self._file.close()
        self._inner.close()


def with_scaled_levels(inner: Backend, path: Path) -> Backend:
    """Wrap a backend of a TIFF in a `ScaledBackend` if levels of it consist of JPEG tiles; else return it as it is."""
    with contextlib.suppress(DecodeError):
        tiles = _tiles(inner, path)
        if any(tiles):
            return ScaledBackend(inner, path, tiles)
    return inner


def _levels(stored: tuple[Level, ...], tiles: Sequence[JpegTiles | None]) -> list[tuple[int, Level]]:
    """The stored levels and the scaled ones, each with the number of the stored one that it is read from."""
    levels = list(enumerate(stored))
    for number, level in enumerate(stored):
        next_one = min((other.downsample for other in stored if other.downsample > level.downsample), default=None)
        for scale in SCALES if tiles[number] else ():
            downsample = level.downsample * scale
            if next_one is None or downsample * _CLEARLY < next_one:
                size = max(1, level.width // scale), max(1, level.height // scale)
                levels.append((number, Level(*size, downsample, scale)))
    return levels


def _tiles(inner: Backend, path: Path) -> list[JpegTiles | None]:
    found: list[JpegTiles | None] = [None] * len(inner.levels)
    if isinstance(inner, TiffBackend):
        found = [JpegTiles.of(page.frame, page.offsets, page.lengths, by_tags=False) for page in inner.pages]
    elif isinstance(inner, OpenSlideBackend) and inner.format in _COVERED:
        with decoding(), tifffile.TiffFile(path) as tiff:
            pages = [page for page in cast("Any", tiff.pages) if page.is_tiled]
            found = [_openslide_tiles(pages, number, level) for number, level in enumerate(inner.levels)]
    return [tiles if tiles and _scalable(tiles, path) else None for tiles in found]


def _openslide_tiles(pages: list[Any], number: int, level: Level) -> JpegTiles | None:
    """Find the page that OpenSlide reads a level from: the only tiled one of its size."""
    same = [page for page in pages if (page.imagewidth, page.imagelength) == (level.width, level.height)]
    if len(same) != 1:
        return None
    tiles = JpegTiles.of(same[0], same[0].dataoffsets, same[0].databytecounts, by_tags=True)
    # In a smaller level of Aperio's, OpenSlide draws a tile that was left out from the larger level.
    return None if tiles and number > 0 and 0 in tiles.lengths else tiles


def _scalable(tiles: JpegTiles, path: Path) -> bool:
    """Whether the first tile is of the usual kind of JPEG, without oddities: the files' readers know other kinds."""
    first = next((index for index, length in enumerate(tiles.lengths) if length), None)
    if first is None:
        return False
    with contextlib.suppress(DecodeError), path.open("rb") as file:
        tiles.decode(file.fileno(), first % tiles.across, first // tiles.across, SCALES[-1])
        return True
    return False
