"""Scenes as files: pyramidal, tiled JPEG TIFF, written in a stream.

Level 0 is rendered tile by tile; each smaller level is averaged from the level above as soon as a row of its tiles is
complete, encoded, and kept in a temporary file until the level's turn comes. Memory holds one row of tiles of each
smaller level (3 bytes per pixel) and one chunk of level 0.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile

from pathopipe.errors import RefusalError
from pathopipe.files import whole
from pathopipe.synthetic.pixels import render
from pathopipe.synthetic.scene import Scene

Image = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]

CHUNK_PX = 2048
_GLASS = 243
_CLASSIC_LIMIT = 4 * 10**9  # bytes of pixels beyond which the file's offsets get 64 bits


@dataclass
class _Level:
    """A level below the first: the row of tiles being filled, and the encoded tiles that are complete."""

    width: int
    height: int
    strip: Image
    spool: IO[bytes]
    sizes: list[int] = field(default_factory=list)
    filled: int = 0


@dataclass(frozen=True)
class _Pyramid:
    levels: list[_Level]
    downsample: int
    tile: int
    quality: int


def write_slide(
    scene: Scene,
    path: str | os.PathLike[str],
    *,
    levels: int = 3,
    downsample: int = 4,
    tile: int = 256,
    quality: int = 85,
    progress: Progress | None = None,
) -> None:
    """Write the scene as a tiled TIFF that OpenSlide opens (``generic-tiff``), with its mpp in the resolution tags.

    Parameters
    ----------
    levels
        Number of levels, the first included.
    downsample
        2 or 4: from each level to the next.
    tile
        Width and height of a tile in pixels, a multiple of 16 that the chunk of 2048 pixels holds without rest.
    quality
        Of the JPEG compression, 1 to 100.
    progress
        Called with the rows of tiles done and their total.

    The same scene gives the same bytes. The file appears when it is complete.
    """
    _check(scene, levels, downsample, tile, quality)
    target = Path(path)
    with ExitStack() as stack:
        pyramid = _Pyramid([], downsample, tile, quality)
        for width, height in _sizes(scene, levels, downsample)[1:]:
            strip = np.full((tile, _tiles(width, tile) * tile, 3), _GLASS, np.uint8)
            spool = stack.enter_context(tempfile.TemporaryFile(dir=target.parent))
            pyramid.levels.append(_Level(width, height, strip, spool))
        bigtiff = scene.width_px * scene.height_px * 3 > _CLASSIC_LIMIT
        file = stack.enter_context(whole(target))
        with tifffile.TiffWriter(file, bigtiff=bigtiff, byteorder="<") as tiff:
            _write_page(tiff, scene, pyramid, 0, _first_level(scene, pyramid, progress))
            for number, level in enumerate(pyramid.levels, start=1):
                _write_page(tiff, scene, pyramid, number, _spooled(level))


def _check(scene: Scene, levels: int, downsample: int, tile: int, quality: int) -> None:
    problems = []
    if tile < 16 or tile % 16 or CHUNK_PX % tile:
        problems.append(f"Synthetic slide: tiles can be 16, 32, 64 … 2048 pixels wide, not {tile}.")
    if downsample not in {2, 4}:
        problems.append(f"Synthetic slide: levels can be downsampled by 2 or 4, not {downsample}.")
    if not 1 <= quality <= 100:
        problems.append(f"Synthetic slide: the JPEG quality must lie between 1 and 100, not {quality}.")
    if levels < 1 or min(scene.width_px, scene.height_px) < downsample ** (levels - 1):
        problems.append(
            f"Synthetic slide: {scene.width_px} x {scene.height_px} pixels are too few for {levels} levels; choose "
            "fewer."
        )
    if problems:
        raise RefusalError(*problems)


def _sizes(scene: Scene, levels: int, downsample: int) -> list[tuple[int, int]]:
    """Return each level's width and height; a rest that fills no whole pixel is left out, as scanners do."""
    return [(scene.width_px // downsample**n, scene.height_px // downsample**n) for n in range(levels)]


def _tiles(length: int, tile: int) -> int:
    return -(-length // tile)


def _write_page(
    tiff: tifffile.TiffWriter, scene: Scene, pyramid: _Pyramid, number: int, tiles: Iterator[bytes]
) -> None:
    width, height = _sizes(scene, number + 1, pyramid.downsample)[number]
    per_cm = 1e4 / (scene.mpp * pyramid.downsample**number)
    tiff.write(
        tiles,
        shape=(height, width, 3),
        dtype=np.uint8,
        tile=(pyramid.tile, pyramid.tile),
        photometric="ycbcr",
        subsampling=(2, 2),
        compression="jpeg",
        subfiletype=1 if number else 0,
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
        software="pathopipe synthetic",
        metadata=None,
    )


def _encode(image: Image, quality: int) -> bytes:
    return bytes(
        imagecodecs.jpeg8_encode(image, level=quality, colorspace="RGB", outcolorspace="YCBCR", subsampling="420")
    )


def _first_level(scene: Scene, pyramid: _Pyramid, progress: Progress | None) -> Iterator[bytes]:
    """Yield the encoded tiles of level 0, and fill the smaller levels on the way."""
    tile = pyramid.tile
    rows = _tiles(scene.height_px, tile)
    for row in range(rows):
        for left in range(0, scene.width_px, CHUNK_PX):
            width = min(CHUNK_PX, _tiles(scene.width_px - left, tile) * tile)
            chunk = render(scene, left, row * tile, width, tile)
            _pour(pyramid, 0, chunk, left, row * tile)
            if left + width >= scene.width_px:
                # Before the row's last tiles are handed over: after the last one the writer asks for no more.
                _finish_row(pyramid, row + 1, rows, progress)
            for x in range(0, width, tile):
                yield _encode(np.ascontiguousarray(chunk[:, x : x + tile]), pyramid.quality)


def _finish_row(pyramid: _Pyramid, done: int, rows: int, progress: Progress | None) -> None:
    if done == rows:
        for number in range(len(pyramid.levels)):
            _flush(pyramid, number)
    if progress is not None:
        progress(done, rows)


def _pour(pyramid: _Pyramid, number: int, image: Image, left: int, top: int) -> None:
    """Average an image of one level into the next, whose strip is encoded when its last column of a row is filled."""
    if number == len(pyramid.levels):
        return
    level, factor = pyramid.levels[number], pyramid.downsample
    small = _shrink(image, factor)
    x, y = left // factor, top // factor % pyramid.tile
    width = min(small.shape[1], level.strip.shape[1] - x)
    level.strip[y : y + small.shape[0], x : x + width] = small[:, :width]
    level.filled = y + small.shape[0]
    if level.filled == pyramid.tile and x + small.shape[1] >= level.width:
        _flush(pyramid, number)


def _flush(pyramid: _Pyramid, number: int) -> None:
    """Encode the strip of a level, as far as it is filled, and pass it on to the next level."""
    level, tile = pyramid.levels[number], pyramid.tile
    if not level.filled or len(level.sizes) == _tiles(level.width, tile) * _tiles(level.height, tile):
        return
    top = len(level.sizes) // _tiles(level.width, tile) * tile
    for x in range(0, level.strip.shape[1], tile):
        encoded = _encode(np.ascontiguousarray(level.strip[:, x : x + tile]), pyramid.quality)
        level.sizes.append(level.spool.write(encoded))
    level.filled = 0
    _pour(pyramid, number + 1, level.strip, 0, top)


def _shrink(image: Image, factor: int) -> Image:
    """Return means of factor x factor pixels, rounded; the image's sides are multiples of it."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    sums = np.zeros((height, width, 3), np.uint16)
    for y in range(factor):
        for x in range(factor):
            sums += image[y::factor, x::factor]
    return ((sums + factor * factor // 2) // (factor * factor)).astype(np.uint8)


def _spooled(level: _Level) -> Iterator[bytes]:
    level.spool.seek(0)
    for size in level.sizes:
        yield level.spool.read(size)
