"""What there is to say at the end of a run: what was rejected and why, warnings, faults, and where to look."""

import contextlib
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pathopipe.errors import ArtifactError
from pathopipe.pipeline import COHORT
from pathopipe.reporting.manifests import warnings
from pathopipe.results.contents import read_grade
from pathopipe.results.folder import SlideFolder
from pathopipe.results.names import RUN
from pathopipe.results.unfinished import STOPPED, unfinished
from pathopipe.running.plan import Plan
from pathopipe.running.progress_lines import up_to, why
from pathopipe.running.selection import Selection
from pathopipe.running.snakemake_log import last_words, log_of
from pathopipe.status.slides import FINISHED, SlideStatus
from pathopipe.wording import counted, list_counts

_LITTLE_DISK: Final = 20_000_000


def remarks(plan: Plan, found: Sequence[SlideStatus]) -> Iterator[str]:
    """Name the slides that were rejected, those without a grade, and those that a stage warned of."""
    yield from _by_reason("rejected:", ((slide.slide, slide.rejection) for slide in found))
    done = (slide.slide for slide in found if slide.state == "done")
    yield from _by_reason("no grade:", ((slide, _no_grade(SlideFolder(plan.results, slide))) for slide in done))
    yield from _warned(plan, found)


def faults(plan: Plan, found: Iterable[SlideStatus]) -> Iterator[str]:
    """Name the slides that failed, and why."""
    paths, absent = {sample.slide: sample.path for sample in plan.samples}, set(plan.absent)
    for slide in found:
        made = SlideFolder(plan.results, slide.slide)
        if work := next(iter(unfinished(made.folder)), None):
            yield f"slide {slide.slide}: {work.name}: {why(plan.results, slide.slide, work.name) or STOPPED}"
        elif slide.slide in absent and slide.state not in FINISHED:
            gone = f"its file {paths[slide.slide]} no longer exists, and its stages are not finished"
            yield f"slide {slide.slide}: {gone}"


def workflow_fault(plan: Plan, explained: bool) -> str | None:
    """Say why the workflow failed, where a full disk or none of the slides explains it."""
    if shutil.disk_usage(plan.results).free < _LITTLE_DISK:
        return f"{plan.results}: the disk is full: free some space"
    log = log_of(plan.results)
    return None if explained else f"the workflow failed: {last_words(log)}; its log is {log}"


def slide_counts(selection: Selection, found: Iterable[SlideStatus]) -> str:
    """Count the slides by how they ended."""
    names = {"done": f"done{up_to(selection.last)}", "rejected": "rejected", "failed": "failed"}
    counts = Counter(names.get(slide.up_to(selection.last).state, "not finished") for slide in found)
    ends = list_counts({state: counts[state] for state in (*names.values(), "not finished")})
    return f"{counted(sum(counts.values()))}: {ends}"


def cohort_page(plan: Plan, selection: Selection, begun: float, failed: bool) -> str | None:
    """Say where the cohort's page is, if it is about this run."""
    page = plan.results / COHORT.name / "index.html"
    with contextlib.suppress(OSError):
        made = page.with_name(RUN).stat().st_mtime  # the page itself may have been predated
        if selection.until is None and (made >= begun or not failed):
            return f"cohort page: {page}"
    return None


def _by_reason(title: str, slides: Iterable[tuple[str, str | None]]) -> Iterator[str]:
    """Name the slides that have a reason, those with the same one in one line."""
    reasons = dict[str, list[str]]()
    for slide, reason in slides:
        if reason:
            reasons.setdefault(reason, []).append(slide)
    if reasons:
        yield title
    yield from (f"  {', '.join(names)}: {reason}" for reason, names in reasons.items())


def _no_grade(made: SlideFolder) -> str | None:
    """Why a finished slide has no grade, but for warnings, which are reported anyhow."""
    try:
        grade = read_grade(made.file("grade", "grade.json"))
    except ArtifactError:
        return None
    if grade["grade"] is not None or any(warning.stops_grade for warning in warnings(made.manifests)):
        return None
    return grade["reason"]


def _warned(plan: Plan, found: Iterable[SlideStatus]) -> Iterator[str]:
    sound = [slide.slide for slide in found if not slide.rejection]
    warned = {slide: said for slide in sound if (said := warnings(SlideFolder(plan.results, slide).manifests))}
    if warned:
        yield "warnings:"
    for slide, said in warned.items():
        sentences = (f"{warning.message}{' No grade.' if warning.stops_grade else ''}" for warning in said)
        yield f"  {slide}: {' '.join(sentences)}"
