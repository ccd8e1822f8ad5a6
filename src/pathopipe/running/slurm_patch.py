"""What Snakemake's plugin for Slurm (2.8) gets wrong when the controller is away."""

import sys
from collections.abc import Callable
from typing import Any, Final

from pathopipe.running.patching import GONE, go_on_without

_PLUGIN: Final = "snakemake_executor_plugin_slurm"
_ASKING: Final = "get_min_job_age"


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


class _Remembering:
    """A function whose last answer that was one stands in when there is none."""

    def __init__(self, ask: Callable[[], int | None]) -> None:
        self._ask = ask
        self._answer: int | None = None

    def __call__(self) -> int | None:
        answer = self._ask()
        self._answer = self._answer if answer is None else answer
        return self._answer
