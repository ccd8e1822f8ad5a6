"""What a nucleus model is: an image in, seeds and dense maps out."""

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.channels import BARRIER, FOREGROUND, Channels

TOP_SIDE: Final = 5
"""Side of the square in which the top of a landscape, which becomes a seed, is the highest pixel."""
NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,59}"
"""Pattern of the names of weights: they are parts of file names, settings and pages."""


Part = tuple[int, int, int, int]
"""A part of an image: its first row and column, and the row and the column after its last."""


@dataclass(frozen=True)
class Prediction:
    """What a model sees in one image, or in a part of one, of shape (H, W).

    Attributes
    ----------
    seeds
        int32 (N, 2): one (y, x) per nucleus in pixels of the maps, ordered by y, then x.
    scores
        float32 (N,), 0 to 1: how sure the model is of each seed.
    maps
        The channels that the model's traits declare, in that order: uint8 (f H, f W), f the model's `upsampling`.
    network_s
        Seconds that a network's forward pass took, 0 for a model without one.
    """

    seeds: NDArray[np.int32]
    scores: NDArray[np.float32]
    maps: Channels
    network_s: float = 0.0

    def within(self, part: Part, upsampling: int) -> "Prediction":
        """What lies in a part of the image, counted from its first pixel."""
        top, left, bottom, right = (upsampling * value for value in part)
        inside = np.all((self.seeds >= (top, left)) & (self.seeds < (bottom, right)), axis=1)
        seeds = self.seeds[inside] - np.array([top, left], np.int32)
        maps = {name: image[top:bottom, left:right] for name, image in self.maps.items()}
        return replace(self, seeds=seeds, scores=self.scores[inside], maps=maps)


@dataclass(frozen=True)
class Traits:
    """What is known of a model before it is loaded.

    Attributes
    ----------
    mpp
        Micrometers per pixel of the images that the model expects: working pixels.
    radius
        Distance in working pixels beyond which nothing affects a pixel's result.
    stride
        Images must begin at a whole multiple of this many working pixels from the slide's corner.
    upsampling
        Pixels of the maps per working pixel, along each axis.
    licence
        Terms under which the model may be used.
    channels
        Names of the maps that it puts out, see :mod:`pathopipe.ops.channels`.
    """

    mpp: float
    radius: int
    stride: int = 1
    upsampling: int = 1
    licence: str = "Apache-2.0"
    channels: tuple[str, ...] = (FOREGROUND, BARRIER)


class NucleusModel(Protocol):
    """A detector of nuclei that works on any tile.

    What it says about a pixel, and whether that pixel is a seed, depends on nothing farther away than its radius:
    predicting on a tile with that halo and cropping is predicting on the whole slide.
    """

    @property
    def name(self) -> str:
        """The name that the settings and the manifest know the model by."""

    @property
    def sha256(self) -> str | None:
        """Digest of the weights; None for a model that has none."""

    @property
    def traits(self) -> Traits:
        """Resolution, radius, grid and channels."""

    def predict(self, rgb: NDArray[np.uint8], part: Part | None = None) -> Prediction:
        """Find the nuclei of a uint8 (H, W, 3) image. Thread-safe.

        Of a part, the result is what the whole image would give there, counted from its first pixel.
        """
