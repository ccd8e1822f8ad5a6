"""Fields of view as PNG or JPEG."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import RGB, DecodeError, Level, over_white

MAX_PIXELS = 178_000_000
"""Beyond this Pillow suspects an attack; 13,000 pixels a side are a TIFF's business."""
_STRIP_ROWS = 256
_MODES = {"1": "black and white", "L": "gray", "LA": "gray", "I": "gray", "I;16": "16-bit gray", "F": "gray"}


class ImageBackend:
    """Holds one decoded image.

    Its resolution tags are ignored, because cameras and exports write any number there. So is an EXIF orientation:
    coordinates are those of the pixels as stored. Transparent pixels become white.
    """

    def __init__(self, path: Path) -> None:
        self._pixels = _decode(path)
        self.format = "image"
        self.levels: tuple[Level, ...] = (Level(self._pixels.shape[1], self._pixels.shape[0], 1.0),)
        self.mpp: tuple[float, float] | None = None
        self.bounds: tuple[int, int, int, int] | None = None

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:  # noqa: ARG002 (there is one level)
        """Return a rectangle of the image."""
        return self._pixels[y : y + height, x : x + width]

    def close(self) -> None:
        """Nothing is held open."""


def _decode(path: Path) -> RGB:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, odd EXIF entries: nothing that a user can act on
            _check_depth(path)
            with Image.open(path) as image:
                _check(image)
                return _to_rgb(image)
    except Image.DecompressionBombError:
        raise _too_large() from None
    except (SlideRejectedError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise DecodeError(str(error)) from error
    except Exception as error:
        raise DecodeError(str(error)) from error


def _to_rgb(image: Image.Image) -> RGB:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return np.asarray(image.convert("RGB"))
    image.load()
    out = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height)))
        strip.info.update(image.info)
        out[top : top + _STRIP_ROWS] = over_white(np.asarray(strip.convert("RGBA")))
    return out


def _check_depth(path: Path) -> None:
    """Reject a PNG of 16 bits per sample, which Pillow would cut down in silence."""
    with path.open("rb") as stream:
        head = stream.read(29)
    if head.startswith(b"\x89PNG") and len(head) == 29 and head[24] == 16:
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
