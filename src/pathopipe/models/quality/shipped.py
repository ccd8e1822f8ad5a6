"""The weights of quality maps that come with this package."""

from typing import TYPE_CHECKING, Final

from pathopipe.models.shelf import Shelf

if TYPE_CHECKING:
    from pathopipe.models.quality.card import QualityCard
    from pathopipe.models.weights import Loaded

NAME: Final = "quality"
SHIPPED: Final = {NAME: "213cde8ed09e12c6d411cef0c4df7bde3e4505d0ffe6d96a6b2e304d5b1ebb48"}
"""Weights in this package, and the SHA-256 of their file."""


def _card() -> "type[QualityCard]":
    from pathopipe.models.quality.card import QualityCard

    return QualityCard


_SHELF: Final = Shelf("quality", "model of quality maps", (), SHIPPED, _card)


def load() -> "Loaded[QualityCard]":
    """Read the weights.

    Raises
    ------
    RefusalError
        When the package's file is damaged.
    """
    return _SHELF.weights(NAME)
