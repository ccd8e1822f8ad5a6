"""One worker at a time, on whatever machine: a file that names host and processes, with a heartbeat.

`Lock` is such a file; a run owns its results folder by one, a stage its work folder by another.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pathopipe.errors import FaultError, RefusalError
from pathopipe.files import opened, remove, write_new, write_whole
from pathopipe.jobs import owners
from pathopipe.results.names import ASKED

_POLL_S: Final = 1.0
_RUN: Final = Path(".pathopipe") / "owner.json"
_INHERITED: Final = "PATHOPIPE_OWNS"
_runs: dict[Path, "Lock"] = {}


class Lock:
    """A file that names who works on what lies beside it.

    Of processes on this machine, in the same container, it is known whether they live. One elsewhere lives while it
    touches the file. Below the ``root``, by default the file's folder, no symbolic link is followed.
    """

    def __init__(self, file: Path, root: Path | None = None) -> None:
        self._file, self._root = file, root or file.parent
        self._text = ""
        self._stop = threading.Event()

    def take(self) -> str | None:
        """Become the owner; else return who is, in words. What a dead owner left is taken over."""
        text = owners.describe(os.getpid())
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

    def wait(self, patience_s: float = owners.DEAD_AFTER_S + owners.BEAT_S) -> str | None:
        """As `take`, but wait for an owner elsewhere to be known as dead: its machine may have vanished just now."""
        deadline, living = time.monotonic() + patience_s, self.take()
        last_beat = self._beaten()  # only now: a time in the future has been set to now
        while living and self.is_elsewhere() and self._beaten() == last_beat and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            living = self.take()
        return living

    def adopt(self, process: int) -> None:
        """Name a child process as owner too: while it lives, this is in use, even if this process is killed."""
        self._text = owners.describe(os.getpid(), process)
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
        while not self._stop.wait(owners.BEAT_S):
            with contextlib.suppress(OSError, FaultError), opened(self._file.parent, self._root) as place:
                if self.held:
                    os.utime(self._file.name, dir_fd=place, follow_symlinks=False)

    def _beaten(self) -> float:
        with contextlib.suppress(OSError):
            return self._file.stat().st_mtime
        return 0.0

    def is_elsewhere(self) -> bool:
        """Whether the owner is on another machine or in another container, so that only its heartbeat is known."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return not owners.is_here(json.loads(self._file.read_text(encoding="utf-8")))
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
    lock = Lock(results.absolute() / _RUN, results.absolute())
    if living := lock.take():
        later = f"; if it was killed, try again in {owners.DEAD_AFTER_S / 60:g} minutes" if lock.is_elsewhere() else ""
        raise RefusalError(f"{results}: {living} is working on this results folder: wait for it, or use another{later}")
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


def running_on(results: Path) -> str | None:
    """Who runs the workflow on a results folder, in words; None where nobody does."""
    return living_owner(results / _RUN)


def living_owner(file: Path) -> str | None:
    """Who works on what lies beside a lock file, in words; None where nobody living does. Only looks."""
    try:
        return owners.living(file.read_text(encoding="utf-8"), time.time() - file.stat().st_mtime)
    except OSError:
        return None


def _dismiss_dead(file: Path, root: Path) -> str | None:
    """Remove the file of an owner that is dead; return who it is, in words, when it lives."""
    try:
        text = file.read_text(encoding="utf-8")
        silent = _silent(file)
    except FileNotFoundError:
        return None
    if alive := owners.living(text, silent):
        if silent < -owners.BEAT_S:
            _count_from_now(file, root)
        return alive
    # Under another name first: two that find the same dead owner must not remove each other's claim.
    taken = file.with_name(f"owner.{os.getpid()}.dead")
    with contextlib.suppress(FileNotFoundError), opened(file.parent, root) as place:
        os.rename(file.name, taken.name, src_dir_fd=place, dst_dir_fd=place)
        if taken.read_text(encoding="utf-8") != text:
            with contextlib.suppress(FileExistsError):
                os.link(taken.name, file.name, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
        os.unlink(taken.name, dir_fd=place)
    return None


def _silent(file: Path) -> float:
    """Seconds since the last beat, by the clock of the file system where it has one: those of machines differ.

    The folder is dated by that clock, too, when a claim is tried in it.
    """
    beat, tried = file.stat().st_mtime, file.parent.stat().st_mtime
    return (tried if tried >= beat else time.time()) - beat


def _count_from_now(file: Path, root: Path) -> None:
    """Date an owner's file that is dated in the future: a living owner beats again, a dead one is silent from now."""
    with contextlib.suppress(OSError, FaultError), opened(file.parent, root) as place:
        os.utime(file.name, dir_fd=place, follow_symlinks=False)
