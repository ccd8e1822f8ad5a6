"""The nucleus models by name. Light: a model's own module is imported when it is made."""

from dataclasses import dataclass

from pathopipe.errors import RefusalError
from pathopipe.models.base import NucleusModel
from pathopipe.ops.stain import Stains


@dataclass(frozen=True)
class Traits:
    """What is known of a model without loading it: how far it looks in pixels, and of how many micrometers each."""

    radius: int
    mpp: float


_MODELS = {"classical": Traits(radius=88, mpp=0.5)}


def create(name: str, stains: Stains) -> NucleusModel:
    """Make the model of this name for a slide of these stains.

    Raises
    ------
    RefusalError
        If there is no such model.
    """
    from pathopipe.models.classical import ClassicalModel

    find(name)
    return ClassicalModel(stains)


def find(name: str) -> Traits:
    """Look up a model.

    Raises
    ------
    RefusalError
        If there is no such model.
    """
    if name not in _MODELS:
        raise RefusalError(f"detect.model: there is no nucleus model '{name}': choose one of {', '.join(_MODELS)}")
    return _MODELS[name]
