"""The weights of quality maps that come with this package."""

from typing import TYPE_CHECKING, Final

from pathopipe.models.shelf import Shelf

if TYPE_CHECKING:
    from pathopipe.models.quality.card import QualityCard
    from pathopipe.models.weights import Loaded

NAME: Final = "quality"
SHIPPED: Final = {NAME: "98f8bd15373fabbc93fdfadcd384349dd2907d6097295a185dc4c3064c30bba4"}
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
