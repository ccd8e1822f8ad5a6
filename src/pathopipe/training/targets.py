"""What a network is to learn from a label image."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.channels import DISTANCE, FOREGROUND

LEARNED: Final = (FOREGROUND, DISTANCE)
"""Channels that a network learns, in the order of the targets."""


def targets(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Make the targets of a label image (H, W), 0 background.

    Returns
    -------
    uint8 (H, W, 2), as in `LEARNED`: 255 inside of nuclei; and the distance of each pixel of a nucleus from its edge,
    relative to the largest one in this nucleus, times 255. Where two nuclei touch, the distance falls to its least
    between them.
    """
    flat = np.ascontiguousarray(labels, np.int32)
    inside = np.zeros(flat.shape, np.uint8)
    _mark_inner(flat, inside)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # A pixel of the rim lies half a pixel from the edge, as does one that is all of a nucleus' width.
    depth = np.where(flat > 0, depth + np.float32(0.5), np.float32(0))
    largest = np.full(int(flat.max(initial=0)) + 1, 0.5, np.float32)
    np.maximum.at(largest, flat.ravel(), depth.ravel())
    relative = np.rint(255 * depth / largest[flat]).astype(np.uint8)
    return np.stack([np.where(flat > 0, 255, 0).astype(np.uint8), relative], axis=2)


@kernel
def _mark_inner(labels: NDArray[np.int32], inside: NDArray[np.uint8]) -> None:
    """Mark the pixels whose four neighbors, as far as the image goes, have their own label."""
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            own = labels[y, x]
            inside[y, x] = (
                own > 0
                and labels[max(y - 1, 0), x] == own
                and labels[min(y + 1, height - 1), x] == own
                and labels[y, max(x - 1, 0)] == own
                and labels[y, min(x + 1, width - 1)] == own
            )
