"""Slides of any size at the price of copying: the encoded tiles of a small one, again and again."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tifffile

from pathopipe.errors import RefusalError
from pathopipe.files import whole


def repeat_slide(source: Path, path: Path, across: int, down: int) -> None:
    """Write a pyramidal JPEG TIFF that shows another one ``across`` x ``down`` times.

    Parameters
    ----------
    source
        A slide of `write_slide` whose levels all consist of whole tiles.

    Raises
    ------
    RefusalError
        When a level of the source ends within a tile.
    """
    with tifffile.TiffFile(source) as tiff, source.open("rb") as stream:
        pages: list[Any] = list(tiff.pages)
        for page in pages:
            if page.imagewidth % page.tilewidth or page.imagelength % page.tilelength:
                raise RefusalError(f"{source}: its level of {page.imagewidth} pixels does not consist of whole tiles")
        size = sum(sum(page.databytecounts) for page in pages) * across * down
        with whole(path) as file, tifffile.TiffWriter(file, bigtiff=size > 3 * 10**9, byteorder="<") as writer:
            for page in pages:
                _write_level(writer, page, list(_tiles(stream.fileno(), page)), (across, down))


def _tiles(file: int, page: Any) -> Iterator[bytes]:
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        yield os.pread(file, length, offset)


def _write_level(writer: tifffile.TiffWriter, page: Any, tiles: list[bytes], times: tuple[int, int]) -> None:
    across, down = page.imagewidth // page.tilewidth, page.imagelength // page.tilelength
    order = (
        tiles[row % down * across + column % across]
        for row in range(down * times[1])
        for column in range(across * times[0])
    )
    writer.write(
        order,
        shape=(page.imagelength * times[1], page.imagewidth * times[0], 3),
        dtype=page.dtype,
        tile=(page.tilelength, page.tilewidth),
        photometric="ycbcr",
        subsampling=page.tags["YCbCrSubSampling"].value if "YCbCrSubSampling" in page.tags else (2, 2),
        compression="jpeg",
        subfiletype=page.subfiletype,
        resolution=tuple(a / b for a, b in (page.tags["XResolution"].value, page.tags["YResolution"].value)),
        resolutionunit="CENTIMETER",
        software="pathopipe synthetic",
        metadata=None,
    )
