"""JSON documents of the results: manifests, grades, descriptions."""

import contextlib
import json
from pathlib import Path
from typing import Any

from pathopipe.errors import ArtifactError, cause
from pathopipe.files import write_whole
from pathopipe.pipeline import STAGES
from pathopipe.record import MANIFEST
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


def read_manifests(folder: Path) -> dict[str, dict[str, Any]]:
    """Manifests of a slide's stages, of those that have one that can be read, by stage, in order."""
    found = {}
    for stage in STAGES:
        with contextlib.suppress(ArtifactError):
            found[stage] = read_json(folder / stage / MANIFEST)
    return found


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
