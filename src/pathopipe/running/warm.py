"""A process that has everything imported and forks for each stage of a run on this machine.

To import takes longer than most stages of a small slide. The Snakefile calls `start`, and each stage's command `ask`,
before it imports anything: it sends its command line, waits for the fork, and ends as that does. What is not taken runs
by itself, as does everything where there is no such process. The other side is `pathopipe.running.warm_process`.

What it is worth: ``python benchmarks/overhead.py`` took 17.0 s for a run of one nearly empty slide, and 25.2 s with
``PATHOPIPE_WARM=no`` (the best of six runs each, interleaved, on two cores that had other work, too).
"""

import os
import sys

TYPE_CHECKING = False  # every command reads this file: without typing, which takes a third of its time
if TYPE_CHECKING:
    import _socket
    import subprocess

TAKEN = b"+"
LENGTH = 8
CREDENTIALS = 12
_ADDRESS = "PATHOPIPE_WARM"
_KILLED = 137
_INTERRUPTED = 130
_started = list["subprocess.Popen[bytes]"]()


def start(command: str, *modules: str) -> "subprocess.Popen[bytes] | None":
    """Start it, and let the children of this process know; it ends with this process.

    Parameters
    ----------
    command
        The function that runs a command line, as ``module:name``.
    modules
        What it will import.

    Only Linux has what it takes, and ``PATHOPIPE_WARM=no`` in the environment prevents it.
    """
    if sys.platform != "linux" or os.environ.get(_ADDRESS):
        return None
    import socket
    import subprocess
    import uuid

    name = f"pathopipe-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"\0{name}")  # without a file, nothing is left behind
        door.listen(128)
        process = subprocess.Popen(
            [sys.executable, "-m", "pathopipe.running.warm_process", str(door.fileno()), command, *modules],
            stdin=subprocess.PIPE,  # it ends with this process
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[door.fileno()],
            # No threads, which a fork would lack; and what a stage sets before it imports.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )
    _started.append(process)
    os.environ[_ADDRESS] = name
    return process


def ask() -> int | None:
    """Have the command line of this process run by a fork; returns its exit code, None when it was not taken."""
    name = os.environ.get(_ADDRESS)
    if not name:
        return None
    import _socket  # what `socket` is made of, and half of the time that all else here takes

    line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        line.connect(f"\0{name}")
        if not _is_ours(line):
            return None
        _send(line)
        taken = line.recv(1) == TAKEN
    except OSError:
        return None
    else:
        return _code(line) if taken else None
    finally:
        line.close()


def place() -> str:
    """Which installation this is."""
    return f"{sys.prefix}:{__file__}"


def _is_ours(line: "_socket.socket") -> bool:
    import _socket

    credentials = line.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, CREDENTIALS)  # process, user, group
    return int.from_bytes(credentials[4:8], sys.byteorder) == os.getuid()


def _send(line: "_socket.socket") -> None:
    """Send what a command is: installation, folder, arguments and environment, and its three streams."""
    import _socket

    variables = [f"{name}={value}" for name, value in os.environ.items()]
    here = os.getcwd()  # noqa: PTH109 (pathlib takes its time to import)
    fields = [place(), here, str(len(sys.argv)), *sys.argv, *variables]
    content = b"\0".join(os.fsencode(field) for field in fields)
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))  # as C's integers
    length = len(content).to_bytes(LENGTH, "big")
    line.sendmsg([length], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    line.sendall(content)


def _code(line: "_socket.socket") -> int:
    """Wait for the fork's end."""
    try:
        return int(line.recv(LENGTH) or _KILLED)
    except OSError:
        return _KILLED
    except KeyboardInterrupt:
        return _INTERRUPTED
