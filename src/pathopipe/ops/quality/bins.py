"""What is measured in each bin of a quality map: its color, and how much detail of three sizes it holds."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

PIXELS = 4
"""Pixels of about 1 µm along the side of a bin."""
CHANNELS = 6
"""Mean red, green and blue; mean square of the Laplacian of green, of pixels and of 2 x 2 pixels; share of clipped
pixels."""

Floats = NDArray[np.float32]
Plane = NDArray[np.uint8]


def measure_bins(rgb: NDArray[np.uint8]) -> Floats:
    """Measure bins of 4 x 4 pixels of about 1 µm.

    Parameters
    ----------
    rgb
        uint8 (4 (H + 2), 4 (W + 2), 3): the bins, with one more on each side, for what their border pixels lie next to.

    Returns
    -------
    float32 (H, W, 6), as `CHANNELS` lists.
    """
    out = np.empty((rgb.shape[0] // PIXELS - 2, rgb.shape[1] // PIXELS - 2, CHANNELS), np.float32)
    red, green, blue = (np.asarray(plane, np.uint8) for plane in cv2.split(rgb))
    # Four times their values, so that means of four pixels are whole numbers.
    pairs = cv2.resize(green.astype(np.int16) * 4, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    _sum_colors(red, green, blue, out)
    _sum_detail(_steps(green), PIXELS, out[..., 3])
    _sum_detail(_steps(pairs), PIXELS // 2, out[..., 4])
    out[..., 4] /= 16
    return out


def _steps(plane: NDArray[Any]) -> NDArray[np.int16]:
    """Laplacian of a plane (H, W)."""
    return np.asarray(cv2.Laplacian(plane, cv2.CV_16S, ksize=1), np.int16)


@kernel
def _sum_colors(red: Plane, green: Plane, blue: Plane, out: Floats) -> None:
    """Average the colors of each bin, and count its clipped pixels; planes have a bin more on each side."""
    width = red.shape[1]
    sums = np.empty((4, width), np.int32)
    for row in range(out.shape[0]):
        sums[:] = 0
        for y in range(4 * row + 4, 4 * row + 8):
            for x in range(width):
                sums[0, x] += red[y, x]
                sums[1, x] += green[y, x]
                sums[2, x] += blue[y, x]
                sums[3, x] += (red[y, x] <= 1) | (green[y, x] <= 1) | (blue[y, x] <= 1)
        for column in range(out.shape[1]):
            x = 4 * column + 4
            for channel in range(3):
                of_bin = sums[channel, x] + sums[channel, x + 1] + sums[channel, x + 2] + sums[channel, x + 3]
                out[row, column, channel] = of_bin / 16
            out[row, column, 5] = (sums[3, x] + sums[3, x + 1] + sums[3, x + 2] + sums[3, x + 3]) / 16


@kernel
def _sum_detail(steps: NDArray[np.int16], side: int, out: Floats) -> None:
    """Average the squares of a plane over bins of ``side`` pixels; the plane has a bin more on each side."""
    width = steps.shape[1]
    sums = np.empty(width, np.int32)
    for row in range(out.shape[0]):
        sums[:] = 0
        for y in range(side * (row + 1), side * (row + 2)):
            for x in range(width):
                step = np.int32(steps[y, x])
                sums[x] += step * step
        for column in range(out.shape[1]):
            total = 0.0
            for x in range(side * (column + 1), side * (column + 2)):
                total += sums[x]
            out[row, column] = total / (side * side)
