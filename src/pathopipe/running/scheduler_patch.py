"""What Snakemake's scheduler (9.20 to 9.27) gets wrong in a run of many jobs."""

from typing import Any, Final

from pathopipe.running.patching import GONE, go_on_without

_UNASKED: Final = (100, 1)
"""Jobs and seconds: what Snakemake limits the rate of jobs to where nobody asked for it."""
_LIMITER: Final = "job_rate_limiter"


def calm(scheduler: Any) -> None:
    """Let the scheduler look for jobs when one has ended, and not ever more often.

    While it limits the rate at which jobs start, each look at the open jobs sets a timer for another one after a
    second, which sets the next, besides those of all looks before: hundreds of jobs later the looks take a core of
    their own. A limit that somebody asked for is left.
    """
    limit = getattr(scheduler, _LIMITER, GONE)
    if limit is None:
        return
    rate = getattr(limit, "max_jobs", GONE), getattr(limit, "timespan", GONE)
    if GONE in rate:
        go_on_without("snakemake", _LIMITER, "and its scheduler may take a core of its own after some hundred jobs")
    elif rate == _UNASKED:
        setattr(scheduler, _LIMITER, None)
