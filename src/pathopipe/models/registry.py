"""The nucleus models by name. Light: a model's own module is imported when it is made."""

from pathopipe.errors import RefusalError
from pathopipe.models.base import NucleusModel
from pathopipe.ops.stain import Stains

_RADII = {"classical": 88}


def create(name: str, stains: Stains) -> NucleusModel:
    """Make the model of this name for a slide of these stains.

    Raises
    ------
    RefusalError
        If there is no such model.
    """
    from pathopipe.models.classical import ClassicalModel

    radius(name)
    return ClassicalModel(stains)


def radius(name: str) -> int:
    """How far the model of this name looks, in pixels of its working resolution.

    Raises
    ------
    RefusalError
        If there is no such model.
    """
    if name not in _RADII:
        raise RefusalError(
            f"detect.model: there is no nucleus model '{name}': choose one of {', '.join(sorted(_RADII))}"
        )
    return _RADII[name]
