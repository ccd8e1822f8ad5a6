"""Small annotated fields with discs for nuclei."""

import cv2
import numpy as np

from pathopipe.training.augment import Field
from pathopipe.training.examples import Example
from pathopipe.training.targets import targets
from pathopipe.units import Grid, Mpp


def discs(seed: int, side: int = 160, count: int = 14) -> tuple[np.ndarray, np.ndarray]:
    """Purple discs on pink, and their labels."""
    rng = np.random.default_rng(seed)
    rgb, labels = np.full((side, side, 3), (235, 190, 215), np.uint8), np.zeros((side, side), np.int32)
    for label, (x, y) in enumerate(rng.integers(12, side - 12, (count, 2)).tolist(), 1):
        radius = int(rng.integers(7, 12))
        cv2.circle(rgb, (x, y), radius, (90, 50, 130), -1)
        cv2.circle(labels, (x, y), radius, label, -1)
    return rgb, labels


def field(seed: int = 0, mpp: float = 0.25, share: float = 1.0) -> Field:
    rgb, labels = discs(seed)
    learned = np.dstack([targets(labels), np.full(labels.shape, 255, np.uint8)])
    return Field(f"f{seed}", rgb, mpp, learned, mpp, share)


def example(seed: int = 0, group: str | None = None, points: bool = False, mpp: float = 0.25) -> Example:
    rgb, labels = discs(seed)
    grid = Grid.at(0.5, Mpp(mpp, mpp, "sheet"), rgb.shape[1], rgb.shape[0])
    working = cv2.resize(rgb, (grid.width, grid.height), interpolation=cv2.INTER_AREA)
    centers = np.array(
        [[np.mean(axis) + 0.5 for axis in np.nonzero(labels == label)[::-1]] for label in np.unique(labels[labels > 0])]
    )
    return Example(
        f"e{seed}",
        group or f"e{seed}",
        1.0,
        rgb,
        mpp,
        None if points else labels,
        centers if points else None,
        working,
        grid,
    )
