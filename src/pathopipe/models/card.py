"""The card of weights (Mitchell et al. 2019): what it holds, which is checked."""

import re
import unicodedata
from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from pathopipe.models.architecture import CHECKED, UPSAMPLING, Architecture
from pathopipe.models.base import NAME, Traits
from pathopipe.models.seeds import SeedRule, channels_of
from pathopipe.ops.channels import BARRIER, DISTANCE, FOREGROUND
from pathopipe.units import MAX_HALO, WORKING_MPP

_UNSEEN: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of invisible characters that may have an effect: escapes, marks of direction, ends of line."""


def _check_text(text: str) -> str:
    if any(unicodedata.category(letter) in _UNSEEN for letter in text):
        raise ValueError("should be text of one line, without control characters")
    return text


def _check_entry(entry: object) -> object:
    if isinstance(entry, str):
        return _check_text(entry)
    if entry is None or isinstance(entry, int) or (isinstance(entry, float) and isfinite(entry)):
        return entry
    raise ValueError("should be text, a finite number, true, false or null")


def _check_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise ValueError("should be 1 to 60 letters, digits, '_' and '-', not starting with '-'")
    return name


Text = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_check_text)]
Name = Annotated[str, AfterValidator(_check_name)]
Entry = Annotated[Any, AfterValidator(_check_entry)]


@dataclass(frozen=True, config=CHECKED)
class Card:
    """What a user must know of weights, and what it takes to run them.

    Attributes
    ----------
    name, licence
        Name in reports and manifests; terms under which the weights may be used.
    mpp
        Micrometers per pixel of the images that the network expects.
    data
        What it was trained on: one line per set, with source and licence.
    figures
        What was measured, on what: lines of a table by name of the set.

    Raises
    ------
    ValueError
        When a value is of another type, out of range, or holds what is not to be shown: weights come from anybody.
    """

    KIND: ClassVar[str] = "nuclei"

    name: Name
    licence: Text
    architecture: Architecture
    rule: SeedRule
    mpp: Annotated[float, Field(ge=WORKING_MPP[0], le=WORKING_MPP[1])] = 0.5
    data: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    training: Mapping[Text, Entry] = Field(default_factory=dict)
    figures: Mapping[Text, Mapping[Text, float]] = Field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.architecture.channels
        if missing := [name for name in (FOREGROUND, DISTANCE) if name not in names]:
            raise ValueError(f"should have a channel '{missing[0]}', not only {', '.join(names)}")
        if BARRIER in names:
            raise ValueError(f"should have no channel '{BARRIER}': it is computed from '{DISTANCE}'")
        if self.traits.radius > MAX_HALO:
            raise ValueError(f"should have a radius of at most {MAX_HALO} pixels, not {self.traits.radius}")

    @property
    def traits(self) -> Traits:
        """Resolution, radius, grid and channels of the model."""
        shape = self.architecture
        radius = shape.radius + self.rule.working_radius
        return Traits(self.mpp, radius, shape.stride, UPSAMPLING, self.licence, channels_of(shape))
