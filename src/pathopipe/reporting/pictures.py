"""Pictures inside a page: encoded once, carried as text."""

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRANSPARENT = 0
COLOR_STEPS = 256


@dataclass(frozen=True)
class Picture:
    """An encoded image and its size in pixels."""

    data: bytes
    mime: str
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The picture as a ``data:`` address, so that a page needs no other file."""
        return f"data:{self.mime};base64,{base64.b64encode(self.data).decode('ascii')}"


def jpeg(rgb: NDArray[np.uint8], quality: int = 88) -> Picture:
    """Encode an ``(H, W, 3)`` RGB image as JPEG."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    return Picture(_encode(".jpg", rgb[..., ::-1], options), "image/jpeg", rgb.shape[1], rgb.shape[0])


def png(rgba: NDArray[np.uint8]) -> Picture:
    """Encode an ``(H, W, 4)`` RGBA image as PNG."""
    import cv2

    bgra = rgba[..., [2, 1, 0, 3]]
    return Picture(_encode(".png", bgra, [cv2.IMWRITE_PNG_COMPRESSION, 9]), "image/png", rgba.shape[1], rgba.shape[0])


def _encode(suffix: str, image: NDArray[np.uint8], options: list[int]) -> bytes:
    import cv2

    done, buffer = cv2.imencode(suffix, np.ascontiguousarray(image), options)
    if not done:
        raise RuntimeError(f"OpenCV could not encode a {suffix} image of shape {image.shape}.")
    return bytes(buffer)


def open_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG into an ``(H, W, 3)`` RGB image."""
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("the bytes are not a readable JPEG image")
    return np.asarray(image[..., ::-1], dtype=np.uint8)


def existing_jpeg(data: bytes) -> Picture:
    """Carry a JPEG file as it is."""
    height, width = open_jpeg(data).shape[:2]
    return Picture(data, "image/jpeg", width, height)


def shrunk(data: bytes, longest: int) -> Picture:
    """Encode a JPEG again, its longest side at most ``longest`` pixels; it's not decoded larger than that takes."""
    import cv2
    import simplejpeg

    height, width = simplejpeg.decode_jpeg_header(data)[:2]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = simplejpeg.decode_jpeg(data, "RGB", min_height=size[1], min_width=size[0])
    return jpeg(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), quality=80)


def color_table() -> NDArray[np.uint8]:
    """The ``(256, 3)`` RGB colors of viridis (van der Walt and Smith 2015), in order for every kind of color vision."""
    import cv2

    ramp = np.arange(COLOR_STEPS, dtype=np.uint8)[None, :]
    return np.ascontiguousarray(cv2.applyColorMap(ramp, cv2.COLORMAP_VIRIDIS)[0, :, ::-1], dtype=np.uint8)


def heat(values: NDArray[np.float64], maximum: float) -> NDArray[np.uint8]:
    """Color ``values`` from 0 to ``maximum`` as an RGBA image; NaN becomes transparent."""
    known = np.isfinite(values)
    share = np.where(known, values, 0.0) / maximum if maximum > 0 else np.zeros_like(values)
    colors = color_table()[np.clip(np.rint(share * (COLOR_STEPS - 1)), 0, COLOR_STEPS - 1).astype(np.intp)]
    alpha = np.where(known, 255, TRANSPARENT).astype(np.uint8)
    return np.dstack([colors, alpha])


_LOWEST, _HIGHEST = np.array([33.0, 102.0, 172.0]), np.array([178.0, 24.0, 43.0])
"""The ends of ColorBrewer's RdBu (Brewer 2003), told apart in all kinds of color vision."""


def two_sided(values: NDArray[np.float64], limit: float) -> NDArray[np.uint8]:
    """Color ``values`` by sign, from blue at ``-limit`` over white to red at ``limit``, as RGBA; NaN is transparent."""
    known = np.isfinite(values)
    share = np.clip(np.where(known, values, 0.0) / limit, -1.0, 1.0)[..., None]
    ends = np.where(share < 0, _LOWEST, _HIGHEST)
    colors = np.rint(255 + np.abs(share) * (ends - 255)).astype(np.uint8)
    alpha = np.where(known, 255, TRANSPARENT).astype(np.uint8)
    return np.concatenate([colors, alpha[..., None]], axis=-1)
