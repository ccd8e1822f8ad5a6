"""A trained network as a nucleus model: an image in, seeds and maps on a finer grid out."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathopipe.models.base import Prediction, Traits
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

    def predict(self, rgb: NDArray[np.uint8]) -> Prediction:
        """Find the nuclei of a uint8 (H, W, 3) image that begins at a whole stride of the slide."""
        began = time.perf_counter()
        stacked = any_size(self.engine, self.card.architecture)(rgb)
        network_s = time.perf_counter() - began
        maps = named(stacked, self.card.architecture)
        seeds, scores = pick(maps, self.card.rule)
        return Prediction(seeds, scores, with_barrier(maps), network_s)
