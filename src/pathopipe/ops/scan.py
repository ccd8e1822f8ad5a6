"""What a scanner and its compression leave in an image: noise, the blocks of JPEG, sharpness."""

from collections.abc import Iterable, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

RGB = NDArray[np.uint8]
Floats = NDArray[np.float32]

_BLOCK: Final = 16
_SMOOTHEST: Final = 10.0
_FEWEST: Final = 16
_JPEG: Final = 8
# The response of the mask below to noise of standard deviation 1 has a mean absolute value of 6 sqrt(2 / pi).
_RESPONSE: Final = 6.0 * np.sqrt(2.0 / np.pi)
_MASK: Final = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def noise(windows: Iterable[RGB]) -> float | None:
    """Standard deviation of the noise of green, in gray levels, after Immerkær 1996.

    His mask responds to noise and to fine structure. So it is applied to squares of 16 pixels, and the square counts
    that a tenth of all are smoother than. Squares that hold a clipped value (0 or 255) are left out: there is no noise.

    Parameters
    ----------
    windows
        uint8 (H, W, 3) each, at the slide's own resolution.

    Returns
    -------
    None where fewer than 16 squares are left.
    """
    found = np.concatenate([np.empty(0, np.float32), *(_squares(window[..., 1]) for window in windows)])
    return float(np.percentile(found, _SMOOTHEST)) if len(found) >= _FEWEST else None


def _squares(green: NDArray[np.uint8]) -> Floats:
    """Noise of each square of a plane (H, W) that holds no clipped value."""
    response = np.abs(cv2.filter2D(green.astype(np.float32), -1, _MASK)[1:-1, 1:-1])
    clipped = ((green == 0) | (green == 255))[1:-1, 1:-1]
    rows, columns = (length // _BLOCK for length in response.shape)
    shape = (rows, _BLOCK, columns, _BLOCK)
    cut = np.s_[: rows * _BLOCK, : columns * _BLOCK]
    sound = ~clipped[cut].reshape(shape).any(axis=(1, 3))
    means = response[cut].reshape(shape).mean(axis=(1, 3), dtype=np.float64) / _RESPONSE
    return np.asarray(means[sound], np.float32)


def blockiness(windows: Sequence[RGB]) -> float | None:
    """How much more green steps at the borders of blocks of 8 pixels than within: 0 without JPEG's blocks.

    The mean absolute second difference across borders, over that within blocks, minus 1 (after Fan and de Queiroz
    2003). Borders are looked for at all eight offsets, and those count where steps are largest: a crop or an export
    moves them. The corners of all windows must lie at the same offset, on whole multiples of 8 pixels of one grid.

    Parameters
    ----------
    windows
        uint8 (H, W, 3) each, at the slide's own resolution.

    Returns
    -------
    Mean of rows and columns; None where nothing is large enough, or all of it is of one color.
    """
    parts = [_excess([np.swapaxes(one[..., 1], 0, axis) for one in windows]) for axis in (0, 1)]
    known = [part for part in parts if part is not None]
    return sum(known) / len(known) if known else None


def _excess(planes: Iterable[NDArray[np.uint8]]) -> float | None:
    """Blockiness of planes (H, W) along their first axis."""
    sums, counts = np.zeros(_JPEG), np.zeros(_JPEG)
    for plane in planes:
        if len(plane) < 4:
            continue
        steps = np.diff(plane.astype(np.int32), axis=0)
        # The step between two rows, less the mean of the steps beside it: a slope is no border.
        across = np.abs(2 * steps[1:-1] - steps[:-2] - steps[2:]).sum(axis=1)
        offsets = (np.arange(len(across)) + 2) % _JPEG
        sums += np.bincount(offsets, across, minlength=_JPEG)
        counts += np.bincount(offsets, minlength=_JPEG) * plane.shape[1]
    if not counts.all():
        return None
    means = sums / counts
    largest = int(means.argmax())
    # Second differences overlap: the offsets next to a border see it, too.
    within = float(np.mean([means[(largest + step) % _JPEG] for step in range(2, _JPEG - 1)]))
    return float(means[largest]) / within - 1.0 if within else None


def middle_sharpness(values: Sequence[float]) -> float | None:
    """Median of the sharpness of windows (`tissue.sharpness`); None where most show nothing to judge by."""
    middle = float(np.median(values)) if len(values) else float("inf")
    return middle if np.isfinite(middle) else None
