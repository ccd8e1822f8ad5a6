"""What Snakemake's plugin for Slurm (2.8) gets wrong when the controller is away, or the disk is full."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from pathopipe.running.patching import GONE, go_on_without

_PLUGIN: Final = "snakemake_executor_plugin_slurm"
_ASKING: Final = "get_min_job_age"
_SUBMITTING: Final = "run_job"
_REPORTING: Final = "_report_job_error_threadsafe"


def remember_job_age() -> None:
    """Let the plugin, where it is loaded, remember for how long Slurm keeps finished jobs.

    Before each poll it asks the controller; one that does not answer makes it use ``sacct``, which fails for good where
    there is no accounting, and all jobs are lost.
    """
    plugin: Any = sys.modules.get(_PLUGIN)
    if plugin is None:
        return
    ask: Any = getattr(plugin, _ASKING, GONE)
    if ask is GONE:
        consequence = "and may lose jobs where Slurm's controller does not answer and there is no accounting"
        go_on_without(_PLUGIN.replace("_", "-"), _ASKING, consequence)
    elif not isinstance(ask, _Remembering):
        setattr(plugin, _ASKING, _Remembering(ask))


def report_failed_submissions() -> None:
    """Let the plugin, where it is loaded, report each job that can't be submitted as failed.

    For a group of jobs it fails again while it says what failed, as a group has no rule. That happens in a thread that
    nobody looks at: the run would wait for the group for ever.
    """
    plugin: Any = sys.modules.get(_PLUGIN)
    if plugin is None:
        return
    executor: Any = getattr(plugin, "Executor", GONE)
    absent = [name for name in (_SUBMITTING, _REPORTING) if not hasattr(executor, name)]
    if absent:
        consequence = "and waits for ever where a group of jobs can't be submitted, as on a full disk"
        go_on_without(_PLUGIN.replace("_", "-"), absent[0], consequence)
    elif not hasattr(executor.run_job, "__wrapped__"):
        executor.run_job = _reporting(plugin, executor.run_job)


def _reporting(plugin: Any, submit: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    @wraps(submit)
    def run_job(executor: Any, job: Any) -> None:
        try:
            submit(executor, job)
        except Exception as error:  # noqa: BLE001 (whatever it is, the job is not there)
            reason = error.__context__ or error
            executor._report_job_error_threadsafe(plugin.SubmittedJobInfo(job), f"it can't be submitted: {reason}")

    return run_job


class _Remembering:
    """A function whose last answer that was one stands in when there is none."""

    def __init__(self, ask: Callable[[], int | None]) -> None:
        self._ask = ask
        self._answer: int | None = None

    def __call__(self) -> int | None:
        answer = self._ask()
        self._answer = self._answer if answer is None else answer
        return self._answer
