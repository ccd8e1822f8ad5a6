"""What color an ink has, by the light that it takes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

INKS: Final[Mapping[str, tuple[float, float, float]]] = MappingProxyType(
    {
        "blue": (1.1, 0.75, 0.2),
        "green": (1.0, 0.35, 0.8),
        "red": (0.1, 1.0, 0.8),
        "black": (1.0, 1.0, 1.0),
        "violet": (0.7, 1.0, 0.15),
        "turquoise": (1.0, 0.25, 0.3),
    }
)
"""Optical density of inks for red, green and blue, relative to their strength."""


def ink_of(density: NDArray[np.float32]) -> str:
    """Name the ink whose density, (3,), points in the most similar direction."""
    values = np.array(list(INKS.values()))
    return list(INKS)[int(np.argmax(values @ density / np.linalg.norm(values, axis=1)))]
