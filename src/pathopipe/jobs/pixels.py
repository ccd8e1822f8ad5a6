"""Opening a job's slide; only stages that read pixels import this, so that readers don't count for the others."""

from typing import Any

from pathopipe.errors import FaultError
from pathopipe.identity import identify
from pathopipe.jobs.job import Job
from pathopipe.slide import Slide, open_slide


def open_slide_of(job: Job[Any], *, sweep: bool = False) -> Slide:
    """Open the slide's file, after checking that it is the one that `tissue` saw; in a ``sweep`` row by row.

    Raises
    ------
    FaultError
        When the file is not there, or is a different one.
    """
    sample = job.require_sample()
    slide = open_slide(sample.path, sample.mpp, job.workers, sweep=sweep)
    if job.stage != "tissue" and str(identify(sample.path)) != job.manifest("tissue")["identity"]:
        raise FaultError(f"slide {job.slide}: its file changed since the stage 'tissue' ran: rerun from there")
    return slide
