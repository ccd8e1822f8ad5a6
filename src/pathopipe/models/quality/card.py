"""The card of the weights that tell artifacts."""

import itertools
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field
from pydantic.dataclasses import dataclass

from pathopipe.models.architecture import CHECKED
from pathopipe.models.card import Entry, Name, Text
from pathopipe.ops.quality.surroundings import FEATURES

CLASSES: Final = ("sound", "fold", "pen", "rim", "debris")
"""What a bin may be; a rim is that of an air bubble."""


@dataclass(frozen=True, config=CHECKED)
class QualityArchitecture:
    """A perceptron of two hidden layers: a value per class, and the logarithm of the blur in micrometers."""

    hidden: Annotated[tuple[int, int], Field(max_length=2)] = (64, 32)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all tensors."""
        sizes = (len(FEATURES), *self.hidden, len(CLASSES) + 1)
        found = dict[str, tuple[int, ...]]()
        for number, (before, after) in enumerate(itertools.pairwise(sizes)):
            found |= {f"weight_{number}": (after, before), f"bias_{number}": (after,)}
        return found


@dataclass(frozen=True, config=CHECKED)
class QualityCard:
    """What a user must know of weights, and what it takes to run them.

    Attributes
    ----------
    name, licence, data, training, figures
        As in `models.card.Card`.
    """

    KIND: ClassVar[str] = "quality"

    name: Name
    licence: Text
    architecture: QualityArchitecture
    data: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    training: Mapping[Text, Entry] = Field(default_factory=dict)
    figures: Mapping[Text, Mapping[Text, float]] = Field(default_factory=dict)
