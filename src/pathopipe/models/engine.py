"""A network that is ready to run: a function from an image to its maps."""

from collections.abc import Callable
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.models.architecture import UPSAMPLING, Architecture
from pathopipe.models.base import Part

Precision = Literal["auto", "float32", "bfloat16"]
Maps = NDArray[np.uint8]
Look = Callable[[NDArray[np.uint8]], Maps]
"""A uint8 (H, W, 3) image to uint8 (C, 2 H, 2 W): a network's channels, in their order, times 255."""


class Engine(Protocol):
    """Runs a network on images whose sides are whole strides, as `Look` says."""

    def __call__(self, rgb: NDArray[np.uint8], part: Part | None = None) -> Maps:
        """Compute the maps of an image, or those of a part that lies on whole strides.

        Nearer to the border of a part than the architecture's ``up_radius`` they may differ from those of the whole.
        """


def whole_strides(rgb: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """Continue an image (H, W, 3) to the right and below by its last pixels, until its sides are whole strides."""
    height, width = rgb.shape[:2]
    return np.asarray(cv2.copyMakeBorder(rgb, 0, -height % stride, 0, -width % stride, cv2.BORDER_REPLICATE))


def any_size(engine: Engine, architecture: Architecture) -> Engine:
    """Let an engine take images of any size, and give any part as the whole image would."""

    def run(rgb: NDArray[np.uint8], part: Part | None = None) -> Maps:
        whole = whole_strides(rgb, architecture.stride)
        top, left, bottom, right = part or (0, 0, *rgb.shape[:2])
        around = _around((top, left, bottom, right), whole.shape, architecture)
        rows = slice(UPSAMPLING * (top - around[0]), UPSAMPLING * (bottom - around[0]))
        columns = slice(UPSAMPLING * (left - around[1]), UPSAMPLING * (right - around[1]))
        return np.ascontiguousarray(engine(whole, around)[:, rows, columns])

    return run


def _around(part: Part, shape: tuple[int, ...], architecture: Architecture) -> Part:
    """What of an image an engine must compute so that a part is right."""
    margin, stride = architecture.up_radius, architecture.stride
    top, left = (max(0, first - margin) // stride * stride for first in part[:2])
    bottom, right = (
        min(side, -(-(last + margin) // stride) * stride) for last, side in zip(part[2:], shape, strict=False)
    )
    return top, left, bottom, right
