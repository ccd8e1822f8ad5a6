"""The process that `pathopipe.running.warm` starts: it imports, and forks when asked."""

import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Final, NoReturn

from pathopipe.fingerprint import fingerprint
from pathopipe.pipeline import ORDER
from pathopipe.provenance import versions
from pathopipe.running.warm import CREDENTIALS, LENGTH, TAKEN, place

# By stage, so that the first does not wait for what later ones need. Not OpenVINO: a fork would lack its threads.
_MODULES: Final = (
    "pathopipe.jobs.execution",
    "pathopipe.slide.opening",
    "pathopipe.slide.resample_kernel",
    *(f"pathopipe.stages.{name}" for name in ORDER),
    "pathopipe.models.blobs",
    "pathopipe.models.network_model",
    "rocrate.rocrate",
    "scipy.spatial",
)
_PATIENCE_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1
_DEAF: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Serve at a socket until the standard input ends with the parent.

    The arguments are the socket's number, the function that runs a command line as ``module:name``, and modules that
    it will import.
    """
    number, command, *modules = sys.argv[1:]
    door, parent = socket.socket(fileno=int(number)), os.getppid()
    signal.signal(signal.SIGCHLD, _reap)
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in _DEAF}
    steps = deque(preparations(command.partition(":")[0], *modules))
    while True:
        ready, _, _ = select.select([sys.stdin, door], [], [], 0 if steps else None)
        if sys.stdin in ready:
            return
        if door in ready:
            line, _ = door.accept()
            if (mother := os.getpid()) and not os.fork():
                door.close()
                for deaf, handler in earlier.items():
                    signal.signal(deaf, handler)
                _become(line, mother, parent, command)
            line.close()
        elif steps:
            with contextlib.suppress(Exception):  # the stage will say what is wrong
                steps.popleft()()
            gc.freeze()  # so that collections in forks don't copy all pages


def _reap(*_: object) -> None:
    """Take note of forks that ended, so that their time counts as this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def preparations(*modules: str) -> Iterator[Callable[[], object]]:
    """What every fork would have to do again: to import, to make numba ready, to look at our code."""
    for name in (*modules, *_MODULES):
        yield partial(importlib.import_module, name)
    yield _use_libraries
    yield versions
    for stage in ORDER:
        yield partial(fingerprint, stage)


def _use_libraries() -> None:
    """Numba gets ready when it loads the first loop."""
    import numpy as np

    from pathopipe.ops.raster import rasterize

    rasterize(np.zeros((4, 2)), np.array([0, 4]), (1, 1))


def _become(line: socket.socket, mother: int, parent: int, command: str) -> NoReturn:
    """Be the command that the line asks for, and end with it."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        line.settimeout(_PATIENCE_S)
        if os.getppid() == mother and _put_on(line, parent):
            line.settimeout(None)
            line.sendall(TAKEN)
            threading.Thread(target=_end_with, args=(line,), daemon=True).start()
            code = _run(command)
            line.sendall(str(code).encode())
    finally:
        os._exit(code)


def _put_on(line: socket.socket, parent: int) -> bool:
    """Take over streams, folder, arguments and environment of the other process, if it is a job of the same run."""
    head, streams, _, _ = socket.recv_fds(line, LENGTH, 3)
    size, content = int.from_bytes(head, "big"), bytearray()
    while len(content) < size:
        content += line.recv(size - len(content)) or _gone()
    where, folder, count, *rest = (os.fsdecode(field) for field in bytes(content).split(b"\0"))
    process, _, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS))
    if where != place() or not _is_job(process, parent):
        return False
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    sys.argv = rest[: int(count)]
    os.environ.clear()
    os.environ.update({name: value for name, _, value in (field.partition("=") for field in rest[int(count) :])})
    return True


def _gone() -> NoReturn:
    raise ConnectionError


def _is_job(process: int, parent: int) -> bool:
    """Whether a process descends from the parent of this one, and sees the same files: is in no container.

    A job of a cluster that runs on this same machine does not: its limits must hold.
    """
    try:
        if Path(f"/proc/{process}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink():
            return False
        while process not in {0, 1, parent}:
            process = int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return False
    return process == parent


def _end_with(line: socket.socket) -> None:
    """End when the command's own process does: it sends nothing more."""
    with contextlib.suppress(OSError):
        line.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _run(command: str) -> int:
    """Run the command line; returns the exit code."""
    try:
        resolve_name(command)()
        code: object = 0
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 (as at the end of an interpreter)
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    main()
