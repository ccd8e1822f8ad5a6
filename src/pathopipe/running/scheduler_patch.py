"""What Snakemake's scheduler (9.20 to 9.27) gets wrong in a run of many jobs."""

from typing import Any, Final

_UNASKED: Final = (100, 1)
"""Jobs and seconds: what Snakemake limits the rate of jobs to where nobody asked for it."""


def calm(scheduler: Any) -> None:
    """Let the scheduler look for jobs when one has ended, and not ever more often.

    While it limits the rate at which jobs start, each look at the open jobs sets a timer for another one after a
    second, which sets the next, besides those of all looks before: hundreds of jobs later the looks take a core of
    their own. A limit that somebody asked for is left.
    """
    limit = getattr(scheduler, "job_rate_limiter", None)
    if limit is not None and (limit.max_jobs, limit.timespan) == _UNASKED:
        scheduler.job_rate_limiter = None
