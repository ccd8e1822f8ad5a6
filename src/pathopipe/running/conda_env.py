"""The environment of `--sdm conda`: the one that is shipped, with pathopipe from where this one came from.

An index has only what was released. This pathopipe may be a clone's, or a wheel's that somebody carried here.
"""

import hashlib
import json
import re
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pathopipe.files import write_whole
from pathopipe.provenance import sha256, workflow_folder
from pathopipe.results.names import CONDA_ENV


def write_conda_env(results: Path) -> None:
    """Write the environment's file to the results folder, where it is not there yet."""
    file, content = results / CONDA_ENV, conda_env().encode()
    try:
        if file.read_bytes() == content:
            return
    except OSError:
        pass
    write_whole(file, content, results)


def conda_env() -> str:
    """Content of the environment's file."""
    shipped = (workflow_folder() / "envs" / "pathopipe.yaml").read_text(encoding="utf-8")
    requirement, digest = source()
    changed, count = re.subn(r"pathopipe==\S+", lambda _: json.dumps(requirement), shipped)
    if count != 1:
        raise ValueError("envs/pathopipe.yaml asks for pathopipe once")
    return f"{changed}# Created again when this changes: {digest}\n" if digest else changed


def source() -> tuple[str, str]:
    """Where pip finds this pathopipe, and a digest of what it finds there; empty where the version says it all."""
    clone = workflow_folder()
    if (clone / "pyproject.toml").is_file():
        return f"pathopipe @ {clone.as_uri()}", _digest(clone)
    package = metadata.distribution("pathopipe")
    url = json.loads(package.read_text("direct_url.json") or "{}").get("url", "")
    wheel = Path(unquote(urlsplit(url).path))
    if url.startswith("file:") and wheel.is_file():
        return f"pathopipe @ {wheel.as_uri()}", sha256(wheel)[:16]
    return f"pathopipe=={package.version}", ""


def _digest(clone: Path) -> str:
    digest = hashlib.sha256((clone / "pyproject.toml").read_bytes())
    for file in sorted((clone / "src").rglob("*.py")):
        digest.update(f"{file.relative_to(clone)}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
