"""The models that say what nuclei are, by name. Light: what runs a model is imported when it is made."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pathopipe.models.engine import Precision
from pathopipe.models.shelf import Shelf

if TYPE_CHECKING:
    from pathopipe.models.types.card import TypeCard
    from pathopipe.models.types.model import TypeModel

NONE: Final = "none"
"""The model that says of no nucleus what it is."""
SHIPPED: Final = {"breast": "365e4c609813350138ee2d8c45e1eef8900046955975881fea4b6a11f6d5e415"}
"""Weights in this package, and the SHA-256 of their files."""


def _card() -> "type[TypeCard]":
    from pathopipe.models.types.card import TypeCard

    return TypeCard


_SHELF: Final = Shelf("types.model", "model of types", (NONE,), SHIPPED, _card)


def find(model: str, folder: Path | None = None) -> "TypeCard | None":
    """Look up a model by name, or by the path of its weights; ``folder`` holds adopted weights. None for `NONE`.

    Raises
    ------
    RefusalError
        If there is no such model, or its weights can't be used.
    """
    return None if model == NONE else _SHELF.card(model, folder)


is_name, adopt, weights_of = _SHELF.is_name, _SHELF.adopt, _SHELF.weights
"""See `Shelf`."""


def create(
    model: str, folder: Path | None = None, precision: Precision = "auto", workers: int = 1
) -> "TypeModel | None":
    """Make a model, to be called by up to ``workers`` threads; None for `NONE`.

    Raises
    ------
    RefusalError
        If there is no such model, or its weights can't be used.
    """
    if model == NONE:
        return None
    from pathopipe.models.types.graph import compile_description
    from pathopipe.models.types.model import TypeModel

    weights = weights_of(model, folder)
    describe = compile_description(weights.tensors, precision, workers)
    return TypeModel(weights.card, weights.sha256, weights.tensors, describe)
