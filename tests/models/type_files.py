"""Networks that describe nuclei, with weights from a seed, and files of them."""

from pathlib import Path

import numpy as np

from pathopipe.models.types.architecture import TypeArchitecture
from pathopipe.models.types.card import TypeCard
from pathopipe.models.weights import Loaded, Tensors, read_weights_of, save_weights

THREE = TypeArchitecture(("epithelial", "inflammatory", "stromal"))


def tensors(architecture: TypeArchitecture = THREE, seed: int = 0) -> Tensors:
    """Weights that keep signals at about the same size."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in architecture.shapes().items():
        spread = np.sqrt(2 / np.prod(shape[1:])) if len(shape) == 4 else 0.3
        made[name] = rng.normal(0, spread, shape).astype(np.float32)
    return made


def card(name: str = "tiny", architecture: TypeArchitecture = THREE, **changes: float) -> TypeCard:
    return TypeCard(name, "CC0", architecture, data=("nothing",), training={"seed": 0}, **changes)


def write(path: Path, name: str = "tiny", seed: int = 0, **changes: float) -> Loaded[TypeCard]:
    save_weights(path, card(name, **changes), tensors(seed=seed))
    return read_weights_of(path, TypeCard)
