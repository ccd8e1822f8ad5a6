"""The card of weights that say what a nucleus is."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field
from pydantic.dataclasses import dataclass

from pathopipe.models.architecture import CHECKED
from pathopipe.models.card import Entry, Name, Text
from pathopipe.models.types.architecture import TypeArchitecture

MPP: Final = 0.5
"""Micrometers per pixel of the images that the network expects."""


@dataclass(frozen=True, config=CHECKED)
class TypeCard:
    """What a user must know of weights, and what it takes to run them.

    Attributes
    ----------
    name, licence, data, training, figures
        As in `models.card.Card`.
    scope
        What it was learned on, and where that was not measured; pages show it.
    temperature
        What the rule's values are divided by before they are made probabilities (Guo et al. 2017).
    limit
        Largest squared distance, per number of the description, at which a nucleus is like those learned from.
    """

    KIND: ClassVar[str] = "types"

    name: Name
    licence: Text
    architecture: TypeArchitecture
    scope: Text = "nothing is stated of where it holds"
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    limit: Annotated[float, Field(gt=0, le=1e6)] = 1e6
    data: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    training: Mapping[Text, Entry] = Field(default_factory=dict)
    figures: Mapping[Text, Mapping[Text, float]] = Field(default_factory=dict)
