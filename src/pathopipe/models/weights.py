"""Trained weights on disk: one safetensors file that carries its own card. Nothing is ever unpickled."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import RefusalError
from pathopipe.models.architecture import UPSAMPLING, Architecture
from pathopipe.models.base import Traits
from pathopipe.models.seeds import SeedRule

_KEY: Final = "pathopipe"
_FORMAT: Final = 1
_LARGEST_HEADER: Final = 10_000_000
_PICKLES: Final = (b"\x80", b"PK\x03\x04")

Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
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
    """

    name: str
    licence: str
    architecture: Architecture
    rule: SeedRule
    mpp: float = 0.5
    data: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def traits(self) -> Traits:
        """Resolution, radius and grid of the model."""
        radius = self.architecture.radius + self.rule.working_radius
        return Traits(self.mpp, radius, self.architecture.stride, UPSAMPLING, self.licence)


@dataclass(frozen=True)
class Weights:
    """A card, the SHA-256 of the file, and the tensors by name, batch normalization apart."""

    card: Card
    sha256: str
    tensors: Tensors


def save_weights(path: Path, card: Card, tensors: Tensors) -> None:
    """Write weights; a half-written file never shows. The same weights give the same bytes."""
    from safetensors.numpy import save

    text = json.dumps(asdict(card) | {"format": _FORMAT}, sort_keys=True)
    draft = path.with_name(f"{path.name}.tmp")
    ordered = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    draft.write_bytes(save(ordered, metadata={_KEY: text}))
    draft.replace(path)


def read_card(path: Path) -> Card:
    """Read the card of a weights file, not its tensors.

    Raises
    ------
    RefusalError
        When the file is missing, a pickle, no safetensors, or not of this program.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
            size = int.from_bytes(start, "little")
            # A safetensors file begins with the size of its header, which may look like a pickle where it is small.
            if size > _LARGEST_HEADER and start.startswith(_PICKLES):
                raise RefusalError(f"{path}: is a pickle, which could run code: give weights as safetensors")
            header = stream.read(size) if 2 <= size <= _LARGEST_HEADER else b""
    except OSError as error:
        raise RefusalError(f"{path}: the weights cannot be read ({error.strerror}): correct the path") from error
    return _parse(header, path)


def read_weights(path: Path) -> Weights:
    """Read a weights file.

    Raises
    ------
    RefusalError
        As for :func:`read_card`, or when tensors are missing, damaged, or of other shapes than the card says.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    card = read_card(path)
    content = path.read_bytes()
    try:
        tensors = load(content)
    except (SafetensorError, ValueError) as error:
        raise RefusalError(f"{path}: the weights are damaged ({error}): copy or download them again") from error
    _check(tensors, card, path)
    return Weights(card, hashlib.sha256(content).hexdigest(), tensors)


def _parse(header: bytes, path: Path) -> Card:
    try:
        text = json.loads(header)["__metadata__"][_KEY]
        values = json.loads(text)
        if values.pop("format") != _FORMAT:
            raise RefusalError(f"{path}: the weights are of a newer version of pathopipe: update it")
        shape = values.pop("architecture")
        architecture = Architecture(**{name: tuple(value) for name, value in shape.items()})
        rule = SeedRule(**values.pop("rule"))
        values["data"] = tuple(values["data"])
        return Card(architecture=architecture, rule=rule, **values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, RefusalError):
            raise
        raise RefusalError(
            f"{path}: is no weights file of pathopipe: give one that 'pathopipe train nuclei' wrote"
        ) from error


def _check(tensors: Tensors, card: Card, path: Path) -> None:
    wanted = card.architecture.shapes()
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != wanted:
        odd = min(set(found.items()) ^ set(wanted.items()))[0]
        raise RefusalError(f"{path}: the weights do not fit their card, the first that differs is '{odd}'")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise RefusalError(f"{path}: the weights hold numbers that are not finite: train them again")
