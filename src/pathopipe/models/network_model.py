"""A trained network as a nucleus model: an image in, seeds and maps on a finer grid out."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathopipe.models.architecture import UPSAMPLING
from pathopipe.models.base import Part, Prediction, Traits
from pathopipe.models.card import Card
from pathopipe.models.engine import Engine, any_size
from pathopipe.models.seeds import named, pick, with_barrier


@dataclass(frozen=True)
class NetworkModel:
    """Finds nuclei by a network and the rule that its weights came with."""

    card: Card
    sha256: str
    engine: Engine

    @property
    def name(self) -> str:
        """Name of the weights."""
        return self.card.name

    @property
    def traits(self) -> Traits:
        """Resolution, radius, grid and channels."""
        return self.card.traits

    def predict(self, rgb: NDArray[np.uint8], part: Part | None = None) -> Prediction:
        """Find the nuclei of a uint8 (H, W, 3) image that begins at a whole stride of the slide, or of a part of it."""
        height, width = rgb.shape[:2]
        top, left, bottom, right = part or (0, 0, height, width)
        reach = self.card.rule.working_radius
        y0, x0 = max(0, top - reach), max(0, left - reach)
        around = y0, x0, min(height, bottom + reach), min(width, right + reach)
        began = time.perf_counter()
        stacked = any_size(self.engine, self.card.architecture)(rgb, around)
        network_s = time.perf_counter() - began
        maps = named(stacked, self.card.architecture)
        seeds, scores = pick(maps, self.card.rule)
        found = Prediction(seeds, scores, with_barrier(maps), network_s)
        return found.within((top - y0, left - x0, bottom - y0, right - x0), UPSAMPLING)
