"""One run at a time on a results folder, on whatever machine: an owner file with host, processes and heartbeat."""

import contextlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pathopipe.errors import RefusalError

_BEAT_S = 20.0
_DEAD_AFTER_S = 300.0
_INHERITED = "PATHOPIPE_OWNS"
_ENDED = {"Z", "X"}  # killed, but not yet taken note of by its parent
_beats: dict[Path, threading.Event] = {}


@contextlib.contextmanager
def owning(results: Path) -> Iterator[None]:
    """Own a results folder while the block runs; child processes may `claim` it too.

    Raises
    ------
    RefusalError
        When another living run owns it. A dead owner's folder is taken over.
    """
    claim(results)
    os.environ[_INHERITED] = str(results.resolve())
    try:
        yield
    finally:
        os.environ.pop(_INHERITED, None)
        release(results)


def claim(results: Path) -> None:
    """Become the owner until `release`, unless the parent process is.

    Raises
    ------
    RefusalError
        When another living run owns the folder.
    """
    if os.environ.get(_INHERITED) == str(results.resolve()):
        return
    file = _file(results)
    file.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(3):
        try:
            with file.open("x", encoding="utf-8") as stream:
                stream.write(_owner(os.getpid()))
        except FileExistsError:
            _dismiss_dead(file, results)
        else:
            _start_beat(file)
            return
    raise RefusalError(f"{results}: another run is starting on this results folder: wait for it")


def adopt(results: Path, process: int) -> None:
    """Name a child process as owner too: while it lives, the folder is in use, even if this process is killed."""
    file = _file(results)
    draft = file.with_name(f"owner.{os.getpid()}.tmp")
    draft.write_text(_owner(os.getpid(), process), encoding="utf-8")
    draft.replace(file)


def release(results: Path) -> None:
    """Give the folder up, unless the parent process owns it."""
    if os.environ.get(_INHERITED) == str(results.resolve()):
        return
    file = _file(results)
    if stop := _beats.pop(file, None):
        stop.set()
        file.unlink(missing_ok=True)


def _file(results: Path) -> Path:
    return results.absolute() / ".pathopipe" / "owner.json"


def _owner(*processes: int) -> str:
    return json.dumps({"host": platform.node(), "processes": {str(number): _born(number) for number in processes}})


def _dismiss_dead(file: Path, results: Path) -> None:
    """Remove the file of an owner that is dead; refuse when it lives."""
    try:
        text = file.read_text(encoding="utf-8")
        silent = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return
    living = _living(text, silent)
    if living:
        raise RefusalError(f"{results}: {living} is working on this results folder: wait for it, or use another")
    # Under another name first: two that find the same dead owner must not remove each other's claim.
    taken = file.with_name(f"owner.{os.getpid()}.dead")
    with contextlib.suppress(FileNotFoundError):
        file.rename(taken)
        if taken.read_text(encoding="utf-8") != text:
            with contextlib.suppress(FileExistsError):
                os.link(taken, file)
        taken.unlink()


def _living(text: str, silent: float) -> str | None:
    """Who of the owners lives, in words; an owner elsewhere lives while its heart beats."""
    try:
        owner: dict[str, Any] = json.loads(text)
        host, processes = str(owner["host"]), dict(owner["processes"])
    except (ValueError, KeyError, TypeError):
        return "a run that is just starting" if silent < _BEAT_S else None
    if host != platform.node():
        return f"a run on {host}" if silent < _DEAD_AFTER_S else None
    alive = [number for number, born in processes.items() if born is not None and _born(int(number)) == born]
    return f"process {alive[0]} on {host}" if alive else None


def _born(process: int) -> str | None:
    """When a process of this machine started, None when there is none: numbers of processes are used again."""
    with contextlib.suppress(OSError, IndexError):
        state, *fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return None if state in _ENDED else fields[18]
    if Path("/proc/self").exists():
        return None
    with contextlib.suppress(OSError):
        os.kill(process, 0)
        return "unknown"
    return None


def _start_beat(file: Path) -> None:
    stop = _beats[file] = threading.Event()
    threading.Thread(target=_beat, args=(file, stop), daemon=True).start()


def _beat(file: Path, stop: threading.Event) -> None:
    while not stop.wait(_BEAT_S):
        with contextlib.suppress(OSError):
            os.utime(file)
