"""Fields of view as PNG or JPEG."""

import contextlib
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import jpeg
from pathopipe.slide.backend import RGB, DecodeError, Level, decoding, over_white

MAX_PIXELS: Final = 178_000_000
"""Beyond this Pillow suspects an attack; 13,000 pixels a side are a TIFF's business."""
_STRIP_ROWS: Final = 256
IMAGE_MAGIC: Final = (b"\x89PNG", b"\xff\xd8\xff")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD: Final = 29
_PNG_BYTES, _JPEG_BYTES = (
    8,
    4,
)  # per pixel while it is decoded: Pillow's own form beside the pixels; the file beside them
_MODES: Final = {"1": "black and white", "L": "gray", "LA": "gray", "I": "gray", "I;16": "16-bit gray", "F": "gray"}


class ImageBackend:
    """Holds one decoded image, which is decoded when a part of it is first read.

    Its resolution tags are ignored, because cameras and exports write any number there. So is an EXIF orientation:
    coordinates are those of the pixels as stored. Transparent pixels become white. As neither format tells where damage
    begins, nothing of a damaged image can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.format = "image"
        self.levels: tuple[Level, ...] = (Level(*image_size(path), 1.0),)
        self.mpp: tuple[float, float] | None = None
        self.bounds: tuple[int, int, int, int] | None = None
        self._lock = threading.Lock()
        self._pixels: RGB | None = None
        self._failed: DecodeError | None = None

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:  # noqa: ARG002 (there is one level)
        """Return a rectangle of the image."""
        return self._all()[y : y + height, x : x + width]

    def is_blank(self, level: int, x: range, y: range) -> bool:  # noqa: ARG002 (as backends do)
        """Nothing is left out."""
        return False

    def close(self) -> None:
        """Nothing is held open."""

    def _all(self) -> RGB:
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if self._pixels is None:
                try:
                    self._pixels = _decode(self._path)
                except DecodeError as error:
                    self._failed = error
                    raise
            return self._pixels


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of a PNG or JPEG, from its header.

    Raises
    ------
    SlideRejectedError
        When it is not one image of 8-bit color, or too large.
    DecodeError
        When the header is damaged.
    """
    with _opened(path) as image:
        return image.width, image.height


def held_mb(path: Path) -> int:
    """Megabytes that reading a PNG or JPEG takes, by its header; 0 for what is neither, or can't be read at all."""
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_PNG))
        if not start.startswith(IMAGE_MAGIC):
            return 0
        width, height = image_size(path)
    except (OSError, SlideRejectedError, DecodeError):
        return 0
    return width * height * (_PNG_BYTES if start == _PNG else _JPEG_BYTES) // 1_000_000


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image that can be used by Pillow, and say what its errors mean; those of disk and memory stay."""
    with decoding(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large images, odd EXIF entries: nothing that a user can act on
        _check_depth(path)
        try:
            image = Image.open(path)
        except Image.DecompressionBombError:
            raise _too_large() from None
        with image:
            _check(image)
            yield image


def _decode(path: Path) -> RGB:
    """Decode all of an image, or nothing where a part of it is damaged."""
    with _opened(path) as image:
        if image.format == "JPEG":
            return jpeg.decode(*jpeg.complete(path.read_bytes()))
        _check_sums(path)
        return _to_rgb(image)


def _to_rgb(image: Image.Image) -> RGB:
    """Turn an image into RGB strip by strip: as a whole, Pillow would hold it three times."""
    transparent = "A" in image.getbands() or "transparency" in image.info
    image.load()
    out = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height)))
        strip.info.update(image.info)
        pixels = np.asarray(strip.convert("RGBA" if transparent else "RGB"))
        out[top : top + _STRIP_ROWS] = over_white(pixels) if transparent else pixels
    return out


def _check_sums(path: Path) -> None:
    """Compare the checksums of a PNG, which Pillow does not do for the pixels."""
    with path.open("rb") as file:
        file.seek(len(_PNG))
        kind = b""
        while kind != b"IEND":
            head = file.read(8)
            length, kind = int.from_bytes(head[:4]), head[4:]
            content, stated = file.read(length), file.read(4)
            if len(stated) < 4 or zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(stated):
                raise DecodeError("a checksum of the PNG is wrong")


def _check_depth(path: Path) -> None:
    """Reject a PNG of 16 bits per sample, which Pillow would cut down in silence."""
    with path.open("rb") as stream:
        head = stream.read(_PNG_HEAD)
    if head.startswith(_PNG) and len(head) == _PNG_HEAD and head[24] == 16:
        raise SlideRejectedError(
            "the image has 16 bits per sample: only 8-bit RGB color of brightfield can be analyzed"
        )


def _check(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()
    if getattr(image, "n_frames", 1) > 1:
        raise SlideRejectedError("the image has several frames, expected one brightfield image: export one frame")
    if image.mode not in {"RGB", "RGBA", "P", "PA"}:
        raise SlideRejectedError(
            f"the image is {_MODES.get(image.mode, image.mode)}: only 8-bit RGB color of brightfield can be analyzed; "
            "export it as RGB"
        )


def _too_large() -> SlideRejectedError:
    return SlideRejectedError(
        f"the image has more than {MAX_PIXELS / 1e6:.0f} million pixels, too many for PNG or JPEG: "
        "convert it to a tiled TIFF"
    )
