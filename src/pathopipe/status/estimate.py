"""How long what is left will take, by how long what is finished took."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from pathopipe.demand import demand_of, tissue_mm2
from pathopipe.errors import ArtifactError
from pathopipe.pipeline import ORDER, stages_up_to
from pathopipe.results.folder import SlideFolder
from pathopipe.results.records import known_slides, read_run_record
from pathopipe.status.slides import FINISHED, SlideStatus, StageStatus

_ASKED = 420
"""Finished jobs to ask, the latest: of sixty slides, if they went through all stages."""
_BREAK_S = 60.0
"""The longest pause between two jobs of one run."""


@dataclass(frozen=True)
class _Finished:
    stage: str
    seconds: float
    ended: float


def seconds_left(results: Path, slides: Sequence[SlideStatus], last: str = ORDER[-1]) -> float:
    """Estimate the seconds until all slides are done up to the last stage, at the pace so far.

    A stage that has not finished anywhere is taken from the rates of `pipeline`, on the cores of this machine.
    """
    jobs, mm2 = _latest(results, slides), _mean_mm2(results)
    usual = guessed = 0.0
    for stage in stages_up_to(last):
        left = sum(_left(slide.stages[stage]) for slide in slides)
        if known := [job.seconds for job in jobs if job.stage == stage]:
            usual += left * fmean(known)
        else:
            guessed += left * (demand_of(stage).start_s + demand_of(stage).s_per_mm2 * mm2)
    return usual / _at_once(jobs) + guessed / (os.cpu_count() or 1)


def _left(stage: StageStatus) -> float:
    return 0.0 if stage.state in FINISHED else 1.0 - (stage.share or 0.0)


def _latest(results: Path, slides: Sequence[SlideStatus]) -> list[_Finished]:
    """Return the jobs that ended last, in the order of their ends."""
    ends = nlargest(_ASKED, ((ended, slide.slide, stage) for slide in slides for stage, ended in slide.ended.items()))
    found = []
    for ended, slide, stage in reversed(ends):
        with contextlib.suppress(ArtifactError):
            record = read_run_record(SlideFolder(results, slide).file(stage).parent)
            found.append(_Finished(stage, record["seconds"], ended))
    return found


def _at_once(jobs: Sequence[_Finished]) -> float:
    """How many jobs ran at a time: the work that ended in a time, by that time without the pauses between runs."""
    time = sum(min(job.ended - before.ended, _BREAK_S + job.seconds) for before, job in pairwise(jobs))
    work = sum(job.seconds for job in jobs[1:])
    return max(work / time, 0.1) if time > 0 else 1.0


def _mean_mm2(results: Path) -> float:
    """Most tissue that a slide can hold on average, by the sizes that the last run noted."""
    try:
        sizes = [str(entry["identity"]).partition("-")[0] for entry in known_slides(results).values()]
        return fmean(tissue_mm2(int(size)) for size in sizes if size.isdecimal())
    except (ArtifactError, KeyError, TypeError, ValueError):
        return 0.0
