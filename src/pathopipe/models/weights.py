"""Trained weights on disk: one safetensors file that carries its own card. Nothing is ever unpickled."""

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, Generic, NoReturn, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from pathopipe.config import reported
from pathopipe.errors import RefusalError
from pathopipe.files import write_whole
from pathopipe.models.card import Card

_KEY: Final = "pathopipe"
_FORMAT: Final = 1
_LARGEST_HEADER: Final = 4_000_000
_PICKLES: Final = (b"\x80", b"PK\x03\x04")


Tensors = Mapping[str, NDArray[np.float32]]


class Shaped(Protocol):
    """The shape of a network."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all tensors."""


class AnyCard(Protocol):
    """What the cards of all kinds of weights have: a kind, a name, and the shape of the network."""

    KIND: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """Name in reports and manifests."""

    @property
    def architecture(self) -> Shaped:
        """Shape of the network."""


CardT = TypeVar("CardT", bound=AnyCard)


@dataclass(frozen=True)
class Loaded(Generic[CardT]):
    """A card, the SHA-256 of the file, and the tensors by name."""

    card: CardT
    sha256: str
    tensors: Tensors


Weights = Loaded[Card]
"""Weights of a nucleus network, batch normalization apart."""


def save_weights(path: Path, card: AnyCard, tensors: Tensors) -> None:
    """Write weights; a half-written file never shows. The same weights give the same bytes."""
    from safetensors.numpy import save

    # Cards of nucleus networks were there first, and name no kind.
    kind = {} if card.KIND == Card.KIND else {"kind": card.KIND}
    text = json.dumps(asdict(card) | kind | {"format": _FORMAT}, sort_keys=True)
    ordered = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    write_whole(path, save(ordered, metadata={_KEY: text}))


def read_card(path: Path) -> Card:
    """Read the card of the weights of a nucleus network; raises as `read_card_of` does."""
    return read_card_of(path, Card)


def read_weights(path: Path) -> Weights:
    """Read the weights of a nucleus network; raises as `read_weights_of` does."""
    return read_weights_of(path, Card)


def read_card_of(path: Path, kind: type[CardT]) -> CardT:
    """Read the card of a weights file, of this kind, not its tensors.

    Raises
    ------
    RefusalError
        When the file is missing, a pickle, not safetensors, or not of this program, when its card is invalid or that of
        another kind, or when its tensors differ from what the card says.
    """
    with _opened(path) as stream:
        return _read_card(stream, path, kind)[0]


def read_weights_of(path: Path, kind: type[CardT]) -> Loaded[CardT]:
    """Read a weights file of this kind.

    Raises
    ------
    RefusalError
        As for :func:`read_card_of`, or when tensors are damaged, or hold numbers that a network can't.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    with _opened(path) as stream:
        card, size = _read_card(stream, path, kind)
        stream.seek(0)
        content = stream.read(size + 1)
    try:
        tensors = load(content)
    except (SafetensorError, ValueError) as error:
        raise _refusal(path, f"is damaged ({error}): copy or download it again") from error
    _check_numbers(tensors, path)
    return Loaded(card, hashlib.sha256(content).hexdigest(), tensors)


def _opened(path: Path) -> BinaryIO:
    """Open a file; a pipe would be waited on forever, a device might never end."""
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return path.open("rb")
    except OSError as error:
        raise _refusal(path, f"cannot be read ({error.strerror}): correct the path of the weights") from error
    except ValueError as error:
        raise _refusal(path, f"cannot be read ({error}): correct the path of the weights") from error
    raise _refusal(path, "is not a file: give the path of a weights file")


def _read_card(stream: BinaryIO, path: Path, kind: type[CardT]) -> tuple[CardT, int]:
    """Return the card and the size in bytes of the file that it describes."""
    start = stream.read(8)
    size = int.from_bytes(start, "little")
    # A safetensors file begins with the size of its header, which may look like a pickle where it is small.
    if size > _LARGEST_HEADER and start.startswith(_PICKLES):
        raise _refusal(path, "is a pickle, which could run code: give weights as safetensors")
    header = _parse(stream.read(size) if size <= _LARGEST_HEADER else b"", path, kind)
    metadata = header.pop("__metadata__", None)
    card = _parse_card(metadata.get(_KEY) if isinstance(metadata, dict) else None, path, kind)
    wanted = card.architecture.shapes()
    _check_shapes(header, wanted, path)
    whole = 8 + size + 4 * sum(map(prod, wanted.values()))
    if (found := os.fstat(stream.fileno()).st_size) != whole:
        raise _refusal(path, f"is damaged ({found:,} bytes, not {whole:,}): copy or download it again")
    return card, whole


def _parse_card(text: object, path: Path, kind: type[CardT]) -> CardT:
    values = _parse(text if isinstance(text, str) else "", path, kind)
    version = values.pop("format", None)
    if type(version) is not int or version < _FORMAT:
        raise _refusal(path, _foreign(kind))
    if version > _FORMAT:
        raise _refusal(path, "holds weights of a newer version of pathopipe: update it")
    if (other := values.pop("kind", Card.KIND)) != kind.KIND:
        known = f"'{other}'" if isinstance(other, str) and re.fullmatch("[a-z]{1,20}", other) else "something else"
        raise _refusal(path, f"holds weights for {known}: give weights that 'pathopipe train {kind.KIND}' wrote")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values))
    except ValidationError as error:
        problem = reported(error.errors()[0])
        raise _refusal(path, f"has an invalid card: {problem}: train the weights again") from None


def _foreign(kind: type[CardT]) -> str:
    return f"is not a weights file of pathopipe: give one that 'pathopipe train {kind.KIND}' wrote"


def _parse(text: str | bytes, path: Path, kind: type[CardT]) -> dict[str, Any]:
    """Read JSON that no two readers can interpret differently."""
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        json.dumps(content, ensure_ascii=False).encode()  # halves of a pair of surrogates are not text
        if isinstance(content, dict):
            return content
    raise _refusal(path, _foreign(kind))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _check_shapes(header: dict[str, Any], wanted: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Check that the tensors are those that the card describes, before they are read."""
    for name in sorted({*header, *wanted}):
        entry, shape = header.get(name), list(wanted.get(name, ()))
        if (
            name not in wanted
            or not isinstance(entry, dict)
            or (entry.get("dtype"), entry.get("shape")) != ("F32", shape)
        ):
            raise _refusal(path, f"holds weights that do not fit their card, the first that differs is {name[:80]!r}")


def _check_numbers(tensors: Tensors, path: Path) -> None:
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise _refusal(path, "holds weights that are not finite: train them again")
        if name.endswith("running_var") and tensor.min() < 0:
            raise _refusal(path, "holds a variance below zero: train them again")


def _refusal(path: Path, message: str) -> RefusalError:
    return RefusalError(message, path=path, called="the weights' file")
