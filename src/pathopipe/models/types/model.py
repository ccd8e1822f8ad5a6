"""A model that says what nuclei are: an image and places in, a probability of each type out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathopipe.models.engine import whole_strides
from pathopipe.models.types.architecture import STRIDE, STRIDE_OUT
from pathopipe.models.types.card import TypeCard
from pathopipe.models.types.graph import Describe
from pathopipe.models.weights import Tensors

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TypeModel:
    """Describes nuclei by a network, and tells their types by a linear rule on the descriptions."""

    card: TypeCard
    sha256: str
    tensors: Tensors
    describe: Describe

    @property
    def classes(self) -> tuple[str, ...]:
        """The types that it tells apart."""
        return self.card.architecture.classes

    def describe_at(self, rgb: NDArray[np.uint8], points: NDArray[np.float64]) -> Floats:
        """Describe places in an image.

        Parameters
        ----------
        rgb
            uint8 (H, W, 3) at the model's resolution, beginning at a whole stride of the slide.
        points
            float (N, 2): x, y in its pixels, whose first spans 0 to 1.

        Returns
        -------
        float32 (N, D), interpolated between the four nearest places that the network describes. Thread-safe.
        """
        whole = np.ascontiguousarray(whole_strides(rgb, STRIDE))
        return interpolated(self.describe(whole), points / STRIDE_OUT)

    def probabilities(self, described: Floats) -> Floats:
        """Probability of each of the classes, float32 (N, K), from descriptions (N, D)."""
        values = described.astype(np.float64) @ self.tensors["rule.weight"].T.astype(np.float64)
        return softmax((values + self.tensors["rule.bias"]) / self.card.temperature)

    def is_known(self, described: Floats) -> NDArray[np.bool_]:
        """Whether each of (N, D) descriptions lies near those that were learned from (Lee et al. 2018)."""
        apart = (described - self.tensors["known.mean"]).astype(np.float64) @ self.tensors["known.whiten"]
        return np.asarray((apart**2).mean(axis=1) <= self.card.limit)


def softmax(values: NDArray[np.float64]) -> Floats:
    """Make values (N, K) positive and of sum 1."""
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def interpolated(maps: Floats, points: NDArray[np.float64]) -> Floats:
    """Values (N, D) of maps (D, H, W) at x, y in their pixels, between the centers of four of them."""
    height, width = maps.shape[1:]
    x, y = (np.clip(points[:, axis] - 0.5, 0, size - 1) for axis, size in ((0, width), (1, height)))
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left).astype(np.float32), (y - top).astype(np.float32)
    upper = maps[:, top, left] * (1 - across) + maps[:, top, right] * across
    lower = maps[:, below, left] * (1 - across) + maps[:, below, right] * across
    return np.ascontiguousarray((upper * (1 - down) + lower * down).T)
