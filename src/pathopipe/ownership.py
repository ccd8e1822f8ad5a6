"""One run at a time on a results folder, on whatever machine: an owner file with host, process and heartbeat."""

import contextlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pathopipe.errors import RefusalError

_BEAT_S = 20.0
_DEAD_AFTER_S = 300.0
_INHERITED = "PATHOPIPE_OWNS"


@contextlib.contextmanager
def owning(results: Path) -> Iterator[None]:
    """Own a results folder while the block runs; child processes may `claim` it too.

    Raises
    ------
    RefusalError
        When another living run owns it. A dead owner's folder is taken over.
    """
    claim(results)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(_file(results), stop), daemon=True)
    beat.start()
    os.environ[_INHERITED] = str(results.resolve())
    try:
        yield
    finally:
        os.environ.pop(_INHERITED, None)
        stop.set()
        release(results)


def claim(results: Path) -> None:
    """Become the owner, unless the parent process is.

    Raises
    ------
    RefusalError
        When another living run owns the folder.
    """
    if os.environ.get(_INHERITED) == str(results.resolve()):
        return
    file = _file(results)
    file.parent.mkdir(parents=True, exist_ok=True)
    owner = json.dumps({"host": platform.node(), "process": os.getpid(), "born": _born(os.getpid())})
    for _ in range(3):
        try:
            with file.open("x", encoding="utf-8") as stream:
                stream.write(owner)
        except FileExistsError:
            _dismiss_dead(file, results)
        else:
            return
    raise RefusalError(f"{results}: another run is starting on this results folder: wait for it")


def release(results: Path) -> None:
    """Give the folder up, unless the parent process owns it."""
    if os.environ.get(_INHERITED) != str(results.resolve()):
        _file(results).unlink(missing_ok=True)


def _file(results: Path) -> Path:
    return results / ".pathopipe" / "owner.json"


def _dismiss_dead(file: Path, results: Path) -> None:
    """Remove the file of an owner that is dead; refuse when it lives."""
    try:
        owner = json.loads(file.read_text(encoding="utf-8"))
        host, process, born = owner["host"], owner["process"], owner["born"]
        silent = time.time() - file.stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        host, process, born, silent = "?", 0, None, _DEAD_AFTER_S if _is_old(file) else 0.0
    alive = _born(process) == born if host == platform.node() else silent < _DEAD_AFTER_S
    if alive:
        raise RefusalError(
            f"{results}: process {process} on {host} is working on this results folder: wait for it, or use another"
        )
    file.unlink(missing_ok=True)


def _is_old(file: Path) -> bool:
    """Whether a file that says nothing (its writer was killed, or is writing) has been there for a while."""
    with contextlib.suppress(OSError):
        return time.time() - file.stat().st_mtime > 2
    return True


def _born(process: int) -> str | None:
    """When a process of this machine started, None when there is none: numbers of processes are used again."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]
    if Path("/proc/self").exists():
        return None
    with contextlib.suppress(OSError):
        os.kill(process, 0)
        return "unknown"
    return None


def _beat(file: Path, stop: threading.Event) -> None:
    while not stop.wait(_BEAT_S):
        with contextlib.suppress(OSError):
            os.utime(file)
