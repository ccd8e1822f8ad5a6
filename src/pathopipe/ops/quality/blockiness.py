"""How far the blocks of a strong JPEG compression show."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_BLOCK: Final = 8
_FLOOR: Final = 3.0
"""Gray levels that are added to both means: steps that are smaller than these are seen by nobody."""

Plane = NDArray[np.uint8]


def blockiness(gray: Plane) -> float:
    """Return by how much steps between neighbors are larger at the borders of blocks of 8 x 8 pixels than within them.

    0 where no blocks show; after Wang, Sheikh and Bovik (2002), who compare the same two means. Where the grid of
    blocks begins is found by trying: a part of an image may begin anywhere in it.

    Parameters
    ----------
    gray
        uint8 (H, W), pixels as they are stored; at least 16 in each direction.
    """
    return min(_excess(gray), _excess(np.ascontiguousarray(gray.T)))


def _excess(gray: Plane) -> float:
    """Of steps along rows."""
    steps = cv2.reduce(cv2.absdiff(gray[:, 1:], gray[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)[0]
    whole = steps[: len(steps) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).mean(axis=0)
    return float((whole.max() + _FLOOR) / (np.sort(whole)[:-1].mean() + _FLOOR) - 1)
