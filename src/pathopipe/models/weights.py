"""Trained weights on disk: one safetensors file that carries its own card. Nothing is ever unpickled."""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from pathopipe.config import reported
from pathopipe.errors import RefusalError
from pathopipe.files import write_whole
from pathopipe.models.card import Card

_KEY: Final = "pathopipe"
_FORMAT: Final = 1
_LARGEST_HEADER: Final = 400_000
_FOREIGN: Final = "is not a weights file of pathopipe: give one that 'pathopipe train nuclei' wrote"
_PICKLES: Final = (b"\x80", b"PK\x03\x04")


Tensors = Mapping[str, NDArray[np.float32]]


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
    ordered = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    write_whole(path, save(ordered, metadata={_KEY: text}))


def read_card(path: Path) -> Card:
    """Read the card of a weights file, not its tensors.

    Raises
    ------
    RefusalError
        When the file is missing, a pickle, not safetensors, or not of this program, when its card is invalid, or when
        its tensors differ from what the card says.
    """
    with _opened(path) as stream:
        return _read_card(stream, path)[0]


def read_weights(path: Path) -> Weights:
    """Read a weights file.

    Raises
    ------
    RefusalError
        As for :func:`read_card`, or when tensors are damaged, or hold numbers that a network can't.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    with _opened(path) as stream:
        card, size = _read_card(stream, path)
        stream.seek(0)
        content = stream.read(size + 1)
    try:
        tensors = load(content)
    except (SafetensorError, ValueError) as error:
        raise _refusal(path, f"is damaged ({error}): copy or download it again") from error
    _check_numbers(tensors, path)
    return Weights(card, hashlib.sha256(content).hexdigest(), tensors)


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


def _read_card(stream: BinaryIO, path: Path) -> tuple[Card, int]:
    """Return the card and the size in bytes of the file that it describes."""
    start = stream.read(8)
    size = int.from_bytes(start, "little")
    # A safetensors file begins with the size of its header, which may look like a pickle where it is small.
    if size > _LARGEST_HEADER and start.startswith(_PICKLES):
        raise _refusal(path, "is a pickle, which could run code: give weights as safetensors")
    header = _parse(stream.read(size) if size <= _LARGEST_HEADER else b"", path)
    metadata = header.pop("__metadata__", None)
    card = _parse_card(metadata.get(_KEY) if isinstance(metadata, dict) else None, path)
    wanted = card.architecture.shapes()
    _check_shapes(header, wanted, path)
    whole = 8 + size + 4 * sum(map(prod, wanted.values()))
    if (found := os.fstat(stream.fileno()).st_size) != whole:
        raise _refusal(path, f"is damaged ({found:,} bytes, not {whole:,}): copy or download it again")
    return card, whole


def _parse_card(text: object, path: Path) -> Card:
    values = _parse(text if isinstance(text, str) else "", path)
    version = values.pop("format", None)
    if type(version) is not int or version < _FORMAT:
        raise _refusal(path, _FOREIGN)
    if version > _FORMAT:
        raise _refusal(path, "holds weights of a newer version of pathopipe: update it")
    try:
        return _CARD.validate_json(json.dumps(values))
    except ValidationError as error:
        problem = reported(error.errors()[0])
        raise _refusal(path, f"has an invalid card: {problem}: train the weights again") from None


def _parse(text: str | bytes, path: Path) -> dict[str, Any]:
    """Read JSON that no two readers can interpret differently."""
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        json.dumps(content, ensure_ascii=False).encode()  # halves of a pair of surrogates are not text
        if isinstance(content, dict):
            return content
    raise _refusal(path, _FOREIGN)


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


_CARD: Final = TypeAdapter(Card)
