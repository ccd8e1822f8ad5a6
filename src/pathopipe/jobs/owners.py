"""Who works on something, as a file says it, and whether that one lives."""

import contextlib
import functools
import json
import os
import platform
import uuid
from pathlib import Path
from typing import Any, Final

BEAT_S: Final = 20.0
"""Between two signs of life of an owner."""
DEAD_AFTER_S: Final = 300.0
"""So long an owner elsewhere may be silent."""
_ENDED: Final = {"Z", "X"}  # killed, but not yet taken note of by its parent


def describe(*processes: int) -> str:
    """Text of a file that names processes on this machine as owners."""
    known = {str(number): _born(number) for number in processes}
    return json.dumps({**_here(), "processes": known, "token": uuid.uuid4().hex})


@functools.cache
def _here() -> dict[str, str]:
    """Where numbers of processes mean the same: containers share host names, and may share a kernel."""
    here = {"host": platform.node()}
    with contextlib.suppress(OSError):
        here["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with contextlib.suppress(OSError):
        here["processes_of"] = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 (a link to no path)
    return here


def is_here(owner: dict[str, Any]) -> bool:
    """Whether an owner is where this process is; earlier versions noted the host alone."""
    return owner["host"] == platform.node() and all(owner.get(key, here) == here for key, here in _here().items())


def living(text: str, silent: float) -> str | None:
    """Who of the owners lives, in words; an owner elsewhere lives while its heartbeat goes on."""
    try:
        owner: dict[str, Any] = json.loads(text)
        host, processes, here = str(owner["host"]), dict(owner["processes"]), is_here(owner)
        numbers = {int(number): born for number, born in processes.items()}
    except (ValueError, KeyError, TypeError):
        return "a run that is just starting" if silent < BEAT_S else None
    if not here:
        return f"a run on {host}" if silent < DEAD_AFTER_S else None
    alive = [number for number, born in numbers.items() if born is not None and _born(number) == born]
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
