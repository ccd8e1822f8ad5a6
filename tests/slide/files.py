"""Slides and images of many kinds, written small."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

RGB = NDArray[np.uint8]
APERIO = "Aperio Image Library v12.0.15 \r\n{w}x{h} [0,0 {w}x{h}] (256x256) J2K/KDU Q=70|AppMag = 20{mpp}"


def scene(height: int = 700, width: int = 900, seed: int = 0) -> RGB:
    """A smooth colored pattern, so that lossy compression stays close to it."""
    import cv2

    rng = np.random.default_rng(seed)
    coarse = rng.integers(90, 250, (height // 24 + 2, width // 24 + 2, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def tissue(height: int = 700, width: int = 900, seed: int = 0) -> RGB:
    """Purple and pink on white: what a stained section looks like to a color check."""
    import cv2

    rng = np.random.default_rng(seed)
    share = cv2.resize(
        rng.random((height // 24 + 2, width // 24 + 2, 2)), (width, height), interpolation=cv2.INTER_CUBIC
    )
    optical = np.clip(share - 0.25, 0, 1) @ np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    return np.asarray(np.rint(245 * np.exp(-optical)), np.uint8)


def shrink(image: RGB, factor: int) -> RGB:
    """Means of squares; rests are left out."""
    h, w = image.shape[0] // factor, image.shape[1] // factor
    cut = image[: h * factor, : w * factor].reshape(h, factor, w, factor, 3)
    return (cut.mean(axis=(1, 3)) + 0.5).astype(np.uint8)


def write_svs(path: Path, image: RGB, mpp: float | None = 0.5, **options: Any) -> None:
    """An Aperio SVS: level 0, a stripped thumbnail, a level of downsample 4."""
    options = {"tile": (256, 256), "photometric": "rgb", "metadata": None} | options
    text = APERIO.format(w=image.shape[1], h=image.shape[0], mpp="" if mpp is None else f"|MPP = {mpp}")
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(image, description=text, **options)
        tiff.write(shrink(image, 8), description=text, photometric="rgb", metadata=None)
        tiff.write(shrink(image, 4), description=text, **options)


def write_ome(
    path: Path,
    image: NDArray[Any],
    levels: tuple[int, ...] = (),
    big: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """An OME-TIFF whose smaller levels are in SubIFDs."""
    entries = {
        "axes": "YXS",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.26,
        "PhysicalSizeYUnit": "µm",
    } | (metadata or {})
    options = {"tile": (128, 128), "photometric": "rgb"} | options
    with tifffile.TiffWriter(path, ome=True, **(big or {})) as tiff:
        tiff.write(image, subifds=len(levels), metadata=entries, **options)
        for factor in levels:
            tiff.write(shrink(image, factor), subfiletype=1, metadata=None, **options)


def write_jpeg_tiles(
    path: Path,
    image: RGB,
    *,
    tile: int,
    photometric: str = "ycbcr",
    tables: bool = True,
    jfif: bool = False,
    subsampling: str = "444",
) -> None:
    """A TIFF of JPEG tiles without markers of their own that name the colors, except JFIF's where ``jfif``.

    With ``tables``, the tables are stored once, beside abbreviated tiles.
    """
    down, across = -(-image.shape[0] // tile), -(-image.shape[1] // tile)
    padding = ((0, down * tile - image.shape[0]), (0, across * tile - image.shape[1]), (0, 0))
    padded = np.pad(image, padding, mode="edge")
    streams, shared = [], b""
    for top in range(0, down * tile, tile):
        for left in range(0, across * tile, tile):
            stream, shared = _jpeg(padded[top : top + tile, left : left + tile], photometric, tables, jfif, subsampling)
            streams.append(stream)
    tifffile.imwrite(
        path,
        iter(streams),
        shape=image.shape,
        dtype=np.uint8,
        tile=(tile, tile),
        photometric=photometric,
        compression="jpeg",
        compressionargs={"outcolorspace": photometric},
        jpegtables=shared if tables else None,
        subfiletype=0,
        metadata=None,
    )


def _jpeg(pixels: RGB, photometric: str, split: bool, jfif: bool, subsampling: str) -> tuple[bytes, bytes]:
    """Return a stream and its tables; the stream lacks these where ``split``."""
    import imagecodecs

    options = {"level": 95, "colorspace": "RGB", "outcolorspace": photometric.upper(), "subsampling": subsampling}
    data = imagecodecs.jpeg8_encode(np.ascontiguousarray(pixels), **options)
    # Components are numbered, as in Aperio's files: libjpeg would know RGB by its letters.
    for letter, number in zip(b"RGB", (1, 2, 3), strict=True):
        data = _renamed(data, letter, number)
    rest, tables, at = [b"\xff\xd8"], [b"\xff\xd8"], 2
    if jfif:
        rest.append(b"\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] in {0xDB, 0xC4}:
            (tables if split else rest).append(data[at:end])
        elif data[at + 1] == 0xC0:
            rest.append(data[at:end])
        at = end
    return b"".join(rest) + data[at:], b"".join(tables) + b"\xff\xd9"


def _renamed(data: bytes, letter: int, number: int) -> bytes:
    """Give another name to a component of a baseline JPEG, in the headers of its frame and its scan."""
    content = bytearray(data)
    frame, scan = data.index(b"\xff\xc0") + 10, data.index(b"\xff\xda") + 5
    for place in (*range(frame, frame + 9, 3), *range(scan, scan + 6, 2)):
        if content[place] == letter:
            content[place] = number
    return bytes(content)
