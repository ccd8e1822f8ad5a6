"""The nucleus models by name. Light: what runs a model is imported when it is made."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pathopipe.models.base import NucleusModel, Traits
from pathopipe.models.engine import Precision
from pathopipe.models.engines import Device
from pathopipe.models.shelf import Shelf
from pathopipe.ops.stain import Stains

if TYPE_CHECKING:
    from pathopipe.models.card import Card

CLASSICAL: Final = Traits(mpp=0.5, radius=88)
SHIPPED: Final = {
    "open": "e2e65a72b197c95e45b58030e39bd375018bc46cf3f9cc24623743c79b9dc6f8",
    "research": "6ae7306b39fbc1d0f3517370f0c6e9aa2fdf215670da8499337d44fb2384c5c8",
}
"""Weights in this package, and the SHA-256 of their files."""


def _card() -> "type[Card]":
    from pathopipe.models.card import Card

    return Card


_SHELF: Final = Shelf("detect.model", "nucleus model", ("classical",), SHIPPED, _card)


def find(model: str, folder: Path | None = None) -> Traits:
    """Look up a model by name, or by the path of its weights; ``folder`` holds adopted weights.

    Raises
    ------
    RefusalError
        If there is no such model, or its weights can't be used.
    """
    return CLASSICAL if model == "classical" else _SHELF.card(model, folder).traits


is_name, adopt, weights_of = _SHELF.is_name, _SHELF.adopt, _SHELF.weights
"""See `Shelf`."""


def create(
    model: str,
    stains: Stains,
    folder: Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    workers: int = 1,
) -> NucleusModel:
    """Make a model for a slide of these stains, to be called by up to ``workers`` threads.

    Raises
    ------
    RefusalError
        If there is no such model, or its weights can't be used.
    """
    if model == "classical":
        from pathopipe.models.classical import ClassicalModel

        return ClassicalModel(stains)
    from pathopipe.models.engines import make_engine
    from pathopipe.models.network_model import NetworkModel

    weights = weights_of(model, folder)
    return NetworkModel(weights.card, weights.sha256, make_engine(weights, device, precision, workers))
