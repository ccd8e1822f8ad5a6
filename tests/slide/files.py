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
