"""Where a run takes place: profiles, what Snakemake needs to know, and jobs that a killed run left on a cluster."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pathopipe.errors import RefusalError
from pathopipe.running import pods

_CHOOSING: Final = re.compile(r"-e|--(executor|profile|workflow-profile)(=.*)?")
_SLURM_RUN: Final = re.compile(r"^SLURM run ID: ([\w-]+)$", re.MULTILINE)
_TAKEN_APART: Final = re.compile(r"[^\w@%+=:,./-]")
_EXTRAS: Final = {"slurm": "slurm", "cluster-generic": "kubernetes"}
_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.5


@dataclass(frozen=True)
class Place:
    """Where jobs run: options that make Snakemake use a profile, its groups that batch slides, and whether in pods."""

    arguments: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    pods: bool = False

    @property
    def slide_by_slide(self) -> tuple[str, ...]:
        """Options that undo the batches: a fault of one slide takes down all that are submitted with it."""
        return ("--group-components", *(f"{group}=1" for group in self.batches))


HERE: Final = Place()


def find_place(profile: Path | None, shipped: Path) -> Place:
    """A profile: one of those in the folder ``shipped`` by its name, or any folder; this machine where none is given.

    Raises
    ------
    RefusalError
        When there is no such profile, the plugin that it needs is not installed, or it can't start this Python.
    """
    if profile is None:
        return HERE
    file = _file(profile, shipped)
    settings = _settings(file)
    executor = str(settings.get("executor", "local"))
    if executor != "local" and find_spec(f"snakemake_executor_plugin_{executor.replace('-', '_')}") is None:
        what = f"'pathopipe[{_EXTRAS[executor]}]'" if executor in _EXTRAS else f"snakemake-executor-plugin-{executor}"
        raise RefusalError(f"--profile {profile}: the executor '{executor}' is not installed: pip install {what}")
    if executor != "local":
        check_interpreter()
    batches = settings.get("group-components", {})
    batched = tuple(batches) if isinstance(batches, dict) else ()
    in_pods = " pods submit " in str(settings.get("cluster-generic-submit-cmd", ""))
    return Place(("--workflow-profile", str(file.parent)), batched, in_pods)


def check_interpreter() -> None:
    """Refuse to start jobs elsewhere by a Python whose path a shell takes apart: Snakemake (9.27) doesn't quote it.

    Raises
    ------
    RefusalError
        When this one's does, as in a folder whose name has a blank.
    """
    if _TAKEN_APART.search(sys.executable):
        raise RefusalError(
            f"{sys.executable}: Snakemake can't start jobs elsewhere with a Python whose path has "
            "spaces or shell metacharacters: create the environment in another folder"
        )


def environment(results: Path, arguments: tuple[str, ...]) -> dict[str, str]:
    """Variables for Snakemake.

    The rules call 'pathopipe': of this installation, also when its environment is not activated. Copies of the
    workflow's files stay with the results: not every home folder can be written to. And its Slurm plugin asks for the
    controller, which costs ten seconds where none answers, so a run that no argument sends elsewhere must not find
    Slurm's configuration.
    """
    from pathopipe.results.names import CACHE

    chosen = any(_CHOOSING.fullmatch(argument) for argument in arguments) or "SNAKEMAKE_PROFILE" in os.environ
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = {"XDG_CACHE_HOME": str(results / CACHE), **os.environ, "PATH": path}
    return found if chosen else found | {"SLURM_CONF": os.devnull}


@contextlib.contextmanager
def prepared(place: Place, results: Path, log: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Check that jobs can be started and that none of the run before, whose log this is, are still at work.

    Afterwards, that no pod is left: Snakemake does not know a job that it was just submitting when it was interrupted.

    Raises
    ------
    RefusalError
        When jobs can't be started, or those of the run before can't be ended.
    """
    if not place.pods:
        end_leftovers(log, say)
        yield
        return
    pods.check_cluster()
    pods.end_leftovers(results, say)
    try:
        yield
    finally:
        try:
            pods.end_leftovers(results, say)
        except RefusalError as error:  # what the run has done stays done
            sys.stderr.write(f"pathopipe: {error}\n")


def end_leftovers(log: Path, say: Callable[[str], None]) -> None:
    """Cancel what the run before, whose log this is, left in Slurm when it was killed, and wait until it is gone.

    Its jobs would work on the same slides as ours. What they finished in pieces is not lost.
    """
    if not (log.exists() and shutil.which("squeue")):
        return
    for run in _SLURM_RUN.findall(log.read_text(encoding="utf-8", errors="replace")):
        deadline = time.monotonic() + _PATIENCE_S
        while _jobs(run) and time.monotonic() < deadline:
            say(f"cancelling jobs that a killed run left in Slurm: {' '.join(_jobs(run))}")
            with contextlib.suppress(subprocess.SubprocessError):
                _slurm("scancel", "--name", run)
            time.sleep(_POLL_S)
        if left := _jobs(run):
            raise RefusalError(f"Slurm still runs jobs of an earlier run: cancel them with 'scancel {' '.join(left)}'")


def _jobs(run: str) -> list[str]:
    try:
        return _slurm("squeue", "--noheader", "--format=%i", "--name", run).split()
    except subprocess.SubprocessError as error:
        raise RefusalError(
            "Slurm does not answer, and may still run jobs of an earlier run: try again later"
        ) from error


def _slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE_S).stdout


def _file(profile: Path, shipped: Path) -> Path:
    for folder in (shipped / profile, profile) if len(profile.parts) == 1 else (profile,):
        for name in ("profile.yaml", "config.yaml"):
            if (folder / name).is_file():
                return (folder / name).absolute()
    names = ", ".join(sorted(path.name for path in shipped.iterdir()))
    raise RefusalError(f"--profile {profile}: is neither a folder with a profile.yaml nor one of {names}")


def _settings(file: Path) -> dict[str, Any]:
    import yaml

    try:
        return dict(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (yaml.YAMLError, ValueError) as error:
        raise RefusalError(f"{file}: is not a profile: {error}") from error
