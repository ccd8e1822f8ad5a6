"""Fields of view as PNG or JPEG."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import RGB, Level

MAX_PIXELS = 200_000_000


class ImageBackend:
    """Holds one decoded image; its resolution tags are ignored, because cameras and exports write any number there."""

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
        with Image.open(path) as image:
            _check(image)
            transparent = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
            if transparent:
                white = Image.new("RGBA", image.size, "white")
                white.alpha_composite(image.convert("RGBA"))
                return np.asarray(white.convert("RGB"))
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        if isinstance(error, SlideRejectedError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise SlideRejectedError(f"the image is damaged and cannot be decoded ({error}); export it again") from error


def _check(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise SlideRejectedError(
            f"an image of {image.width} x {image.height} pixels is too large for PNG or JPEG: convert it to tiled TIFF"
        )
    if getattr(image, "n_frames", 1) > 1:
        raise SlideRejectedError("the image has several frames, expected one brightfield image: export one frame")
    if image.mode not in {"RGB", "RGBA", "P", "PA"}:
        raise SlideRejectedError(
            f"the image is not 8-bit RGB color (mode {image.mode}): only brightfield color images can be analyzed"
        )
