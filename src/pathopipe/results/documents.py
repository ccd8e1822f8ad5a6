"""JSON documents of the results: manifests, grades, descriptions."""

import functools
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pathopipe.errors import ArtifactError, cause
from pathopipe.files import write_whole
from pathopipe.results.names import called


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON artifact.

    Raises
    ------
    ArtifactError
        When it is missing or no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise damaged(path) from error
    if not isinstance(content, dict):
        raise damaged(path)
    return content


def fits(content: dict[str, Any], kind: type) -> bool:
    """Whether a document has the entries of a `TypedDict`, of the right types; it may have more."""
    try:
        _adapter(kind).validate_python(content, strict=True)
    except ValidationError:
        return False
    return True


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
