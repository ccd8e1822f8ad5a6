"""Running the network of a quality map: small enough for NumPy."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.models.quality.card import CLASSES
from pathopipe.models.weights import Tensors

_AT_ONCE: Final = 4096
"""Bins whose values fit into a core's cache."""
_LAYERS: Final = 3

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Judgment:
    """What bins are, (classes, N) probabilities, and their blur in micrometers, (N,)."""

    probabilities: Floats
    blur_um: Floats


def judge(tensors: Tensors, features: Floats) -> Judgment:
    """Judge bins by their features (F, N), as `ops.quality.surroundings.describe` makes them."""
    out = np.empty((len(CLASSES) + 1, features.shape[1]), np.float32)
    for start in range(0, features.shape[1], _AT_ONCE):
        out[:, start : start + _AT_ONCE] = _run(tensors, features[:, start : start + _AT_ONCE])
    return Judgment(out[:-1], out[-1])


def _run(tensors: Tensors, values: Floats) -> Floats:
    for number in range(_LAYERS):
        values = tensors[f"weight_{number}"] @ values
        values += tensors[f"bias_{number}"][:, None]
        if number < _LAYERS - 1:
            np.maximum(values, 0, out=values)
    values[:-1] -= values[:-1].max(axis=0)
    np.clip(values[-1], -3, 3, out=values[-1])
    np.exp(values, out=values)
    values[:-1] /= values[:-1].sum(axis=0)
    return values
