"""A command that does not outlive its caller: a process between the two ends it, and all that it started.

The caller may be killed at any moment and can then do nothing itself. The sign of it is a pipe that only the caller
holds open: the keeper waits for its end. Nothing can be missed, as a pipe that was closed earlier is still closed.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

_PATIENCE_S = 5.0
_PAUSE_S = 0.02
_PR_SET_CHILD_SUBREAPER = 36


@contextlib.contextmanager
def kept(command: list[str], environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run a command while the block runs; it and its descendants are gone afterwards, or soon after a killed caller.

    Yields the keeper, which lives until they are gone and ends with the command's code; what the command says, errors
    as well, is its ``stdout``.
    """
    keeper = [sys.executable, "-m", __name__]
    pipe, same = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(
        [*keeper, *command], stdin=pipe, stdout=pipe, stderr=same, text=True, errors="replace", env=environment
    ) as process:
        try:
            yield process
        finally:
            if process.stdin:
                process.stdin.close()
            process.wait()


def main() -> None:
    """Run the command that the arguments are, and end it when the standard input ends."""
    _take_in_orphans()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # it's the caller who decides; ignored signals would be inherited
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_when_alone, args=(process,), daemon=True).start()
    code = process.wait()
    _end_what_is_left()
    sys.exit(code if code >= 0 else 128 - code)


def _take_in_orphans() -> None:
    """On Linux: become the parent of descendants that lose theirs, so that none gets out of sight."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _end_when_alone(process: "subprocess.Popen[bytes]") -> None:
    """Ask the command to end, then kill it: Snakemake waits for its jobs, and hangs when it is asked too often."""
    os.read(sys.stdin.fileno(), 1)
    process.send_signal(signal.SIGINT)
    time.sleep(_PATIENCE_S)
    _kill_descendants()


def _end_what_is_left() -> None:
    """Kill until there is no child: those of a killed process come here."""
    deadline = time.monotonic() + _PATIENCE_S
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                _kill_descendants()
                time.sleep(_PAUSE_S)


def _kill_descendants() -> None:
    import psutil

    for member in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


if __name__ == "__main__":
    main()
