"""One worker at a time, on whatever machine: a file that names host and processes, with a heartbeat.

`Lock` is such a file; a run owns its results folder by one, a stage its work folder by another.
"""

import contextlib
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pathopipe.errors import FaultError, RefusalError
from pathopipe.files import opened, remove, write_new, write_whole
from pathopipe.results.names import ASKED

_BEAT_S: Final = 20.0
_DEAD_AFTER_S: Final = 300.0
_POLL_S: Final = 1.0
_INHERITED: Final = "PATHOPIPE_OWNS"
_ENDED: Final = {"Z", "X"}  # killed, but not yet taken note of by its parent
_runs: dict[Path, "Lock"] = {}


class Lock:
    """A file that names who works on what lies beside it.

    Of processes on this machine it is known whether they live. One elsewhere lives while it touches the file. Below
    the ``root``, by default the file's folder, no symbolic link is followed.
    """

    def __init__(self, file: Path, root: Path | None = None) -> None:
        self._file, self._root = file, root or file.parent
        self._text = ""
        self._stop = threading.Event()

    def take(self) -> str | None:
        """Become the owner; else return who is, in words. What a dead owner left is taken over."""
        text = _owner(os.getpid())
        for _ in range(3):
            try:
                write_new(self._file, text.encode(), self._root)
            except FileExistsError:
                if living := _dismiss_dead(self._file, self._root):
                    return living
            else:
                self._text = text
                threading.Thread(target=self._beat, daemon=True).start()
                return None
        return "a run that is just starting"

    def wait(self, patience_s: float = _DEAD_AFTER_S + _BEAT_S) -> str | None:
        """As `take`, but wait for an owner elsewhere to be known as dead: its machine may have vanished just now."""
        deadline, last_beat = time.monotonic() + patience_s, self._beaten()
        while living := self.take():
            beat = self._beaten()
            if not self._is_elsewhere() or beat != last_beat or time.monotonic() > deadline:
                return living
            time.sleep(_POLL_S)
        return None

    def adopt(self, process: int) -> None:
        """Name a child process as owner too: while it lives, this is in use, even if this process is killed."""
        self._text = _owner(os.getpid(), process)
        write_whole(self._file, self._text.encode(), self._root)

    @property
    def held(self) -> bool:
        """Whether this is still the owner: one that was silent for long is taken for dead."""
        try:
            return bool(self._text) and self._file.read_text(encoding="utf-8") == self._text
        except OSError:
            return False

    def check(self) -> None:
        """Go on only as the owner.

        Raises
        ------
        FaultError
            When another job took over.
        """
        if not self.held:
            raise FaultError(
                "another job has taken over this work, because this one stopped responding", self._file.parent
            )

    def release(self) -> None:
        """Give it up."""
        self._stop.set()
        if self.held:
            with contextlib.suppress(FaultError):  # it lies behind a link by now, and stays
                remove(self._file, self._root)

    def _beat(self) -> None:
        while not self._stop.wait(_BEAT_S):
            with contextlib.suppress(OSError, FaultError), opened(self._file.parent, self._root) as place:
                if self.held:
                    os.utime(self._file.name, dir_fd=place, follow_symlinks=False)

    def _beaten(self) -> float:
        with contextlib.suppress(OSError):
            return self._file.stat().st_mtime
        return 0.0

    def _is_elsewhere(self) -> bool:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return bool(json.loads(self._file.read_text(encoding="utf-8"))["host"] != platform.node())
        return False


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
    lock = Lock(results.absolute() / ".pathopipe" / "owner.json", results.absolute())
    if living := lock.take():
        raise RefusalError(f"{results}: {living} is working on this results folder: wait for it, or use another")
    remove(results / ASKED, results)  # of an earlier run
    _runs[results.absolute()] = lock


def owned(results: Path) -> bool:
    """Whether this process has claimed a folder, and not its parent."""
    return results.absolute() in _runs


def adopt(results: Path, process: int) -> None:
    """Name a child process as owner too."""
    _runs[results.absolute()].adopt(process)


def release(results: Path) -> None:
    """Give the folder up, unless the parent process owns it."""
    if os.environ.get(_INHERITED) == str(results.resolve()):
        return
    if lock := _runs.pop(results.absolute(), None):
        lock.release()


def living_owner(file: Path) -> str | None:
    """Who works on what lies beside a lock file, in words; None where nobody living does. Only looks."""
    try:
        return _living(file.read_text(encoding="utf-8"), time.time() - file.stat().st_mtime)
    except OSError:
        return None


def _owner(*processes: int) -> str:
    known = {str(number): _born(number) for number in processes}
    return json.dumps({"host": platform.node(), "processes": known, "token": uuid.uuid4().hex})


def _dismiss_dead(file: Path, root: Path) -> str | None:
    """Remove the file of an owner that is dead; return who it is, in words, when it lives."""
    try:
        text = file.read_text(encoding="utf-8")
        silent = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return None
    if living := _living(text, silent):
        return living
    # Under another name first: two that find the same dead owner must not remove each other's claim.
    taken = file.with_name(f"owner.{os.getpid()}.dead")
    with contextlib.suppress(FileNotFoundError), opened(file.parent, root) as place:
        os.rename(file.name, taken.name, src_dir_fd=place, dst_dir_fd=place)
        if taken.read_text(encoding="utf-8") != text:
            with contextlib.suppress(FileExistsError):
                os.link(taken.name, file.name, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
        os.unlink(taken.name, dir_fd=place)
    return None


def _living(text: str, silent: float) -> str | None:
    """Who of the owners lives, in words; an owner elsewhere lives while its heartbeat goes on."""
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
