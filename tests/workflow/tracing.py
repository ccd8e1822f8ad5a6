"""What a command, and all that it starts, try at the network: seen by strace, whether it succeeds or not."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CALLS = "%network,execve,open,openat,openat2,io_uring_setup"
_FAMILY = re.compile(r"sa_family=(AF_\w+)")
_HERE = re.compile(r'inet_addr\("127\.[\d.]+"\)|inet_pton\(AF_INET6, "::1"')
_RESOLVER = re.compile(r'htons\(53\)|"/etc/(resolv\.conf|hosts)"|sun_path="(/var)?/run/(systemd/resolve|avahi)[^"]*"')
# Where one of these is set, telemetry may keep quiet.
_CI = ("CI", "TF_BUILD", "JENKINS_URL", "GITHUB_ACTIONS", "GITLAB_CI")


@dataclass(frozen=True)
class Trace:
    """What a command said, what it tried, what it started, and the files of its home folder, which was empty."""

    code: int
    output: str
    attempts: tuple[str, ...]
    started: tuple[str, ...]
    home: tuple[str, ...]


def reason_against() -> str | None:
    """Why a command can't be watched here, if so."""
    if sys.platform != "linux" or not shutil.which("strace"):
        return "strace is not here"
    if Path("/run/nscd/socket").exists():
        return "nscd looks names up for others, where no trace of them sees it"
    return None if _works() else "strace may not trace here"


@cache
def _works() -> bool:
    return subprocess.run(["strace", "-f", "--seccomp-bpf", "-o", os.devnull, "true"], check=False).returncode == 0


def traced(*command: str, folder: Path, scratch: Path, **environment: str) -> Trace:
    """Run a command in a folder, watched, with an empty home folder that it may write to."""
    home, log = scratch / "home", scratch / "trace"
    home.mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if name not in {*_CI, "XDG_CACHE_HOME"}}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    watched = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "200", "-e", f"trace={_CALLS}", "-o", str(log), *command]
    done = subprocess.run(
        watched,
        cwd=folder,
        env=kept | {"PATH": path, "HOME": str(home)} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    calls = log.read_text(errors="replace").splitlines()
    return Trace(
        done.returncode,
        done.stdout + done.stderr,
        tuple(call for call in calls if is_attempt(call)),
        tuple(call for call in calls if " execve(" in call and " = -1 " not in call),
        tuple(str(file.relative_to(home)) for file in sorted(home.rglob("*"))),
    )


def is_attempt(call: str) -> bool:
    """Whether a line of strace is of a look-up of a name, or of something for another machine."""
    if _RESOLVER.search(call) or "io_uring_setup(" in call:  # what goes by io_uring, strace does not see
        return True
    family = _FAMILY.search(call)
    if not family or family[1] in {"AF_UNIX", "AF_NETLINK", "AF_UNSPEC"}:
        return False
    return not _HERE.search(call)
