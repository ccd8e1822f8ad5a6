"""A kept command and its descendants end with their caller, however it ends and whatever they do against it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pathopipe.running.keeper import kept

CALLER = """
import os, signal, sys
from pathopipe.running.keeper import kept
signal.signal(signal.SIGINT, signal.default_int_handler)  # as `pathopipe run` does: a shell may have had it ignored
with kept(["sh", "-c", sys.argv[1]], dict(os.environ)) as process:
    process.wait()
"""
KEEPER = [sys.executable, "-m", "pathopipe.running.keeper"]
# Each says its number when it is there. The shell's child is an orphan at once: no tree of processes shows it.
SLEEP = "echo $$ > first; (sh -c 'echo $$ > second; exec sleep 60' &); sleep 0.2; exec sleep 60"
DEAF = f"trap '' INT TERM HUP; {SLEEP}"


def number_in(file: Path) -> int:
    deadline = time.monotonic() + 20
    while not (file.exists() and file.read_text().endswith("\n")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return int(file.read_text())


@pytest.mark.parametrize("script", [SLEEP, DEAF])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_caller_that_ends_takes_all_with_it(tmp_path: Path, script: str, number: int) -> None:
    caller = subprocess.Popen([sys.executable, "-c", CALLER, script], cwd=tmp_path, stderr=subprocess.DEVNULL)
    others = [psutil.Process(number_in(tmp_path / name)) for name in ("first", "second")]
    keeper = psutil.Process(caller.pid).children()
    caller.send_signal(number)
    _, alive = psutil.wait_procs([*keeper, *others], timeout=20)
    caller.wait()
    assert alive == []


def test_a_caller_that_is_gone_before_the_keeper_looks_is_noticed() -> None:
    begun = time.monotonic()
    ended = subprocess.run([*KEEPER, "sleep", "60"], stdin=subprocess.DEVNULL, check=False, timeout=30)
    assert ended.returncode == 128 + signal.SIGINT
    assert time.monotonic() - begun < 20


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    with kept(["sh", "-c", f"(cd {tmp_path}; {SLEEP}) & sleep 1; echo said; exit 3"], dict(os.environ)) as process:
        others = [psutil.Process(number_in(tmp_path / name)) for name in ("first", "second")]
        assert process.stdout
        assert process.stdout.read() == "said\n"
        assert process.wait() == 3
    assert not any(other.is_running() for other in others)


def test_signals_to_the_keeper_leave_it_to_the_caller() -> None:
    with kept(["sh", "-c", "echo there; sleep 1; echo said"], dict(os.environ)) as process:
        assert process.stdout
        assert process.stdout.readline() == "there\n"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        assert process.stdout.read() == "said\n"
        assert process.wait() == 0
