"""Small networks with weights from a seed, and files of them."""

from pathlib import Path

import numpy as np

from pathopipe.models.architecture import Architecture
from pathopipe.models.card import Card
from pathopipe.models.seeds import SeedRule
from pathopipe.models.weights import Tensors, Weights, read_weights, save_weights

SMALL = Architecture((8, 12, 16), (1, 1, 1), (1, 0))


def tensors(architecture: Architecture = SMALL, seed: int = 0) -> Tensors:
    """Weights that keep signals at about the same size; the statistics of normalization are none of 0 and 1."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in architecture.shapes().items():
        if name.endswith("running_var"):
            made[name] = rng.uniform(0.5, 2, shape).astype(np.float32)
        elif len(shape) == 4:
            made[name] = (rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
        else:
            made[name] = rng.normal(0.5 if name.endswith("1.weight") else 0, 0.3, shape).astype(np.float32)
    return made


def card(name: str = "tiny", architecture: Architecture = SMALL, licence: str = "CC0") -> Card:
    return Card(name, licence, architecture, SeedRule(), data=("nothing",), training={"seed": 0})


def write(path: Path, name: str = "tiny", architecture: Architecture = SMALL, seed: int = 0) -> Weights:
    save_weights(path, card(name, architecture), tensors(architecture, seed))
    return read_weights(path)
