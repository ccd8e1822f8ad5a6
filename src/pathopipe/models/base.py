"""What a nucleus model is: an image in, seeds and dense maps out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """What a model sees in one image of shape (H, W).

    Attributes
    ----------
    seeds
        int32 (N, 2): one (y, x) per nucleus, ordered by y, then x.
    scores
        float32 (N,), 0 to 1: how sure the model is of each seed.
    maps
        uint8 (2, H, W): the foreground probability times 255, and the barrier (0 inside a nucleus, 255 between two).
    """

    seeds: NDArray[np.int32]
    scores: NDArray[np.float32]
    maps: NDArray[np.uint8]


class NucleusModel(Protocol):
    """A detector of nuclei that works on any tile.

    What it says about a pixel, and whether that pixel is a seed, depends on nothing further away than `radius`
    working pixels: predicting on a tile with that halo and cropping is predicting on the whole slide.
    """

    @property
    def name(self) -> str:
        """The name that the settings and the manifest know the model by."""

    @property
    def sha256(self) -> str | None:
        """Digest of the weights; None for a model that has none."""

    @property
    def mpp(self) -> float:
        """Micrometers per pixel of the images that the model expects."""

    @property
    def radius(self) -> int:
        """How far the model looks, in pixels."""

    def predict(self, rgb: NDArray[np.uint8]) -> Prediction:
        """Find the nuclei of a uint8 (H, W, 3) image. Thread-safe."""
