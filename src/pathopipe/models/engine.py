"""A network that is ready to run: a function from an image to its maps."""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.models.architecture import UPSAMPLING, Architecture

Precision = Literal["auto", "float32", "bfloat16"]
Maps = NDArray[np.uint8]
Engine = Callable[[NDArray[np.uint8]], Maps]
"""A uint8 (H, W, 3) image, sides of whole strides, to uint8 (C, 2 H, 2 W): its channels, in their order, times 255."""


def whole_strides(rgb: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """Continue an image (H, W, 3) to the right and below by its last pixels, until its sides are whole strides."""
    height, width = rgb.shape[:2]
    return np.asarray(cv2.copyMakeBorder(rgb, 0, -height % stride, 0, -width % stride, cv2.BORDER_REPLICATE))


def any_size(engine: Engine, architecture: Architecture) -> Engine:
    """Let an engine take images of any size."""

    def run(rgb: NDArray[np.uint8]) -> Maps:
        maps = engine(whole_strides(rgb, architecture.stride))
        return np.ascontiguousarray(maps[:, : UPSAMPLING * rgb.shape[0], : UPSAMPLING * rgb.shape[1]])

    return run
