"""What made a result: digests of inputs, versions, and what the run took."""

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


def _peak_memory_mb() -> float:
    """Most memory that this process held; Linux's `getrusage` counts the process that started it, too."""
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE):
            return int(found[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Stopwatch:
    """Measures a stage for ``run.json``: what differs from run to run and is not an input of anything."""

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
