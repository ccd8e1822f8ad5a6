"""JSON documents of the results: manifests, grades, descriptions."""

import contextlib
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from pathopipe.errors import ArtifactError, PathopipeError, cause
from pathopipe.files import write_whole
from pathopipe.results.names import called

DocumentT = TypeVar("DocumentT")
_MOST_BYTES: Final = 128 * 2**20
_MOST_VALUES: Final = 4_000_000
"""In Python, a value takes a hundred bytes and more."""
_NO_FLOAT: Final = re.compile(rb"[eE]\+?\d{3}|\d{309}")
_SURROGATE: Final = re.compile(rb"\\u[dD]")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say that an artifact is damaged, whatever error a library raises in the block, which only reads it.

    Raises
    ------
    ArtifactError
        When it is missing or damaged.
    """
    try:
        yield
    except (PathopipeError, MemoryError):
        raise
    except OSError as error:
        # Arrow says so, without a number, of pages that cannot be unpacked, too.
        gone = error.errno and not isinstance(error, IsADirectoryError)
        raise (unreadable(path, error) if gone else damaged(path)) from error
    except Exception as error:
        raise damaged(path) from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON artifact.

    Raises
    ------
    ArtifactError
        When it is missing, is not a JSON object, or larger than any that the program writes.
    """
    with reading(path):
        content = _parse(path)
    if not isinstance(content, dict):
        raise damaged(path)
    return content


def _parse(path: Path) -> Any:
    """Parse JSON that can be written again: without invalid numbers and invalid text."""
    with path.open("rb") as stream:
        text = stream.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES or text.count(b",") > _MOST_VALUES:
        raise ValueError("too large")
    content = json.loads(text, parse_constant=_refuse)
    if _NO_FLOAT.search(text) or _SURROGATE.search(text):
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return content


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def fits(content: dict[str, Any], kind: type) -> bool:
    """Whether a document has the entries of a `TypedDict`, of the right types; it may have more."""
    try:
        _adapter(kind).validate_python(content, strict=True)
    except ValidationError:
        return False
    return True


def read_as(path: Path, kind: type[DocumentT]) -> DocumentT:
    """Read a JSON artifact that has the entries of a `TypedDict`; raises as `read_json` does."""
    content = read_json(path)
    if not fits(content, kind):
        raise damaged(path)
    return cast("DocumentT", content)


def write_json(path: Path, content: dict[str, Any], root: Path | None = None) -> None:
    """Write JSON with sorted keys: the same content gives the same bytes; a half-written file never shows.

    Below the root, by default the file's own folder, no symbolic link is followed.
    """
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_whole(path, f"{text}\n".encode(), root)


def unreadable(path: Path, error: OSError) -> ArtifactError:
    """Say that an artifact could not be read."""
    return ArtifactError(f"cannot be read ({cause(error)}): run the stage that writes it", path, called(path))


def damaged(path: Path) -> ArtifactError:
    """Say that an artifact is not what its stage wrote."""
    return ArtifactError("is damaged: delete it and run again", path, called(path))


@functools.cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
