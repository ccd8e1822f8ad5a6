"""The weights of quality maps that come with this package."""

from typing import TYPE_CHECKING, Final

from pathopipe.models.shelf import Shelf

if TYPE_CHECKING:
    from pathopipe.models.quality.card import QualityCard
    from pathopipe.models.weights import Loaded

NAME: Final = "quality"
SHIPPED: Final = {NAME: "696ca7efdb357fa4e44ebd0172ad36a2d8a7d6e8923d23616c2108f85b26aabc"}
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
