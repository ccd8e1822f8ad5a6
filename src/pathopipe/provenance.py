"""What made a result: digests of inputs, versions, and the fingerprint of the code that ran."""

import ast
import contextlib
import functools
import hashlib
import os
import platform
import re
import resource
import sys
import threading
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent
_COUNTED = ("slide", "models", "ops", "reporting", "jit", "units")
_LIBRARIES = (
    "numpy",
    "opencv-python-headless",
    "openslide-bin",
    "openvino",
    "pyarrow",
    "scipy",
    "shapely",
    "simplejpeg",
    "tifffile",
    "zarr",
)


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_version = functools.cache(metadata.version)


def versions() -> dict[str, str]:
    """Versions of pathopipe, Python and the libraries that touch the numbers."""
    libraries = {name: _version(name) for name in _LIBRARIES}
    return {"pathopipe": _version("pathopipe"), "python": platform.python_version(), **libraries}


def requirements() -> list[str]:
    """Pins of pathopipe and of all that it needs, as they are installed, in the form that pip reads."""
    from packaging.requirements import Requirement

    found, waiting = dict[str, str](), ["pathopipe"]
    while waiting:
        try:
            package = metadata.distribution(waiting.pop())
        except metadata.PackageNotFoundError:  # of another source, such as conda: its parts have other names there
            continue
        key = re.sub(r"[-_.]+", "-", package.name).lower()
        if key not in found:
            found[key] = package.version
            needed = [Requirement(text) for text in package.requires or ()]
            waiting += [item.name for item in needed if item.marker is None or item.marker.evaluate({"extra": ""})]
    return [f"{name}=={found[name]}" for name in sorted(found)]


def workflow_folder() -> Path:
    """Where the Snakefile is: in the installed package, else in the clone that the package was installed from."""
    places = (_ROOT / "_workflow", _ROOT.parents[1])
    return next(place for place in places if (place / "Snakefile").is_file())


@functools.cache
def fingerprint(stage: str) -> str:
    """Fingerprint of the code that a stage runs: its module and what it imports, directly or not, of `_COUNTED`.

    Taken from the syntax trees without docstrings, so that comments and layout don't count, and from the text of
    templates. Shared plumbing (artifacts, stages.base) is covered by the contract version.
    """
    digest = hashlib.sha256()
    for file in _reachable(_ROOT / "stages" / f"{stage}.py"):
        digest.update(f"{file.relative_to(_ROOT)}\n".encode())
        digest.update(_essence(file).encode())
    return digest.hexdigest()[:16]


def _reachable(start: Path) -> list[Path]:
    found, waiting = set[Path](), [start]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting.extend(_read(file)[1])
    if any(file.parent.name == "reporting" for file in found):
        found.update(file for file in (_ROOT / "reporting" / "templates").rglob("*") if file.is_file())
    return sorted(found)


def _essence(file: Path) -> str:
    return _read(file)[0] if file.suffix == ".py" else file.read_text(encoding="utf-8")


@functools.cache
def _read(file: Path) -> tuple[str, tuple[Path, ...]]:
    """Return a module's syntax tree as text, without docstrings, and the counted modules that it imports."""
    tree = ast.parse(file.read_bytes())
    names = list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [item for item in node.body if not _is_text(item)] or [ast.Pass()]
    return ast.dump(tree, annotate_fields=False), tuple(path for name in names if (path := _module_file(name)))


def _is_text(item: ast.stmt) -> bool:
    """Whether a statement is a docstring: of a module, class, function or attribute."""
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)


def _module_file(name: str) -> Path | None:
    package, *rest = name.split(".")
    if package != "pathopipe" or not rest or rest[0] not in _COUNTED:
        return None
    place = _ROOT.joinpath(*rest)
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def _peak_memory_mb() -> float:
    """Most memory that this process held; Linux's `getrusage` counts the process that started it, too."""
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE):
            return int(found[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Stopwatch:
    """Measures a stage for ``run.json``: what differs from run to run and is no input of anything."""

    def __init__(self) -> None:
        self._started = time.time()
        self._clock = time.perf_counter()
        self._processor = time.process_time()
        self._spent = dict[str, float]()
        self._lock = threading.Lock()

    def spend(self, on: str, seconds: float) -> None:
        """Note that a thread spent so long on something; may be called by any thread."""
        with self._lock:
            self._spent[on] = self._spent.get(on, 0.0) + seconds

    @contextlib.contextmanager
    def spending(self, on: str) -> Iterator[None]:
        """Note what a thread spends on something while the block runs."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spend(on, time.perf_counter() - began)

    def record(self, workers: int) -> dict[str, Any]:
        """Seconds, CPU seconds, what threads spent seconds on, peak memory in MB, host, process and time of start."""
        return {
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self._started)),
            "seconds": round(time.perf_counter() - self._clock, 3),
            "spent": {name: round(seconds, 3) for name, seconds in sorted(self._spent.items())},
            "cpu_seconds": round(time.process_time() - self._processor, 3),
            "peak_memory_mb": round(_peak_memory_mb(), 1),
            "host": platform.node(),
            "process": os.getpid(),
            "workers": workers,
        }
