"""A field of nuclei of many forms on a noisy image, for tests of what is measured on pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.runs import Runs
from pathopipe.ops.stain import Stains, optical_density
from pathopipe.ops.staining import planes_of
from tests.ops.strategies import runs_of_labels


@dataclass(frozen=True)
class MeasuredField:
    """Labels (H, W), their runs, the image (H, W, 3) and densities (5, H, W) of both stains and of the colors."""

    labels: NDArray[np.int32]
    runs: Runs
    rgb: NDArray[np.uint8]
    planes: NDArray[np.float32]

    @property
    def count(self) -> int:
        return len(self.runs)

    def is_inside(self, label: int, margin: int) -> bool:
        """Whether a nucleus lies so many pixels away from the border."""
        spans = self.runs.spans[self.runs.ends[label - 1] : self.runs.ends[label]]
        low, high = spans[:, :2].min(), np.array(self.labels.shape) - (spans[:, 0].max() + 1, spans[:, 2].max())
        return bool(min(low, high.min()) > margin)

    def values(self, plane: int, label: int) -> NDArray[np.float64]:
        """Values of a plane in a nucleus."""
        return self.planes[plane][self.labels == label].astype(np.float64)


def made(labels: NDArray[np.int32], rgb: NDArray[np.uint8], count: int | None = None) -> MeasuredField:
    """Complete a field."""
    runs = runs_of_labels(labels, int(labels.max()) if count is None else count)
    colors = np.moveaxis(optical_density(rgb), 2, 0)
    return MeasuredField(labels, runs, rgb, np.concatenate([planes_of(rgb, Stains()), colors]))


def field(side: int = 260, count: int = 40, seed: int = 0) -> MeasuredField:
    """Draw ellipses with dents on smoothed noise; some touch each other, some the border."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    found = 0
    for _ in range(20 * count):
        fresh = np.zeros(labels.shape, np.uint8)
        center = (int(rng.integers(0, side)), int(rng.integers(0, side)))
        axes = (int(rng.integers(3, 13)), int(rng.integers(3, 10)))
        cv2.ellipse(fresh, center, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        dent = (center[0] + axes[0], center[1])
        cv2.circle(fresh, dent, int(rng.integers(1, 5)), 0, -1)
        free = (fresh > 0) & (labels == 0)
        parts, marks = cv2.connectedComponents(free.astype(np.uint8), connectivity=4)
        if found < count and parts == 2 and (marks == 1).sum() > 20:
            found += 1
            labels[marks == 1] = found
    noise = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
    rgb = cv2.addWeighted(cv2.GaussianBlur(noise, (0, 0), 1.5), 2.0, noise, 0.1, -110)
    rgb[..., 1] = rgb[..., 1] // 2 + 20
    rgb[labels > 0] = rgb[labels > 0] // 2 + 40
    return made(labels, rgb)
