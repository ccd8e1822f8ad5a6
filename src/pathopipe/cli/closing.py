"""What a run says at its end: what was rejected and why, warnings, faults, and where to look."""

import contextlib
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pathopipe.cli.news import dated, up_to, why
from pathopipe.cli.options import many, spoken

if TYPE_CHECKING:
    from pathopipe.cli.selection import Selection
    from pathopipe.running.plan import Plan
    from pathopipe.status.slides import SlideStatus

_LITTLE_DISK = 20_000_000
_OURS = "pathopipe: "
_JOB_LOG = re.compile(r"^ +log: (.+/slurm_logs/.+\.log) \(check log")


def conclude(plan_: "Plan", code: int, chosen: "Selection", begun: float) -> None:
    """Say how the run went; exits with 1 after a fault."""
    from pathopipe.status.slides import look

    found = look(plan_.results, chosen.slides(plan_))
    faults = _tell(plan_, found)
    if code and shutil.disk_usage(plan_.results).free < _LITTLE_DISK:
        click.echo(f"pathopipe: {plan_.results}: the disk is full: free some space", err=True)
    elif code and not faults:
        log = log_of(plan_.results)
        click.echo(f"pathopipe: the workflow failed: {last_words(log)}; its log is {log}", err=True)
    for line in _where(plan_, code, chosen, found, begun):
        click.echo(line)
    if code or faults:
        click.echo("mend what is named above and run the same command again: finished results are kept", err=True)
        sys.exit(1)


def conclude_own(plan_: "Plan") -> None:
    """Say which slides were rejected or failed after a run of Snakemake itself; `pathopipe run` does so for its own."""
    from pathopipe.jobs.ownership import owned
    from pathopipe.status.slides import look

    if owned(plan_.results):
        _tell(plan_, look(plan_.results, [sample.slide for sample in plan_.samples]))


def _tell(plan_: "Plan", found: list["SlideStatus"]) -> bool:
    """Name the slides that were rejected, warned of, or failed; return whether any failed."""
    for line in (*_rejected(found), *_warned(plan_.results, found)):
        click.echo(line)
    faults = list(_faults(plan_, found))
    for slide, reason in faults:
        click.echo(f"pathopipe: slide {slide}: {reason}", err=True)
    return bool(faults)


def log_of(results: Path) -> Path:
    """Where Snakemake's log of the last run is kept."""
    return results / ".pathopipe" / "run.log"


def _where(
    plan_: "Plan", code: int, chosen: "Selection", found: Iterable["SlideStatus"], begun: float
) -> Iterator[str]:
    """Count the slides, and name the cohort's page if it tells of this run."""
    done = f"done{up_to(chosen.last)}"
    names = {"done": done, "rejected": "rejected", "failed": "failed"}
    counts = Counter(names.get(slide.up_to(chosen.last).state, "not finished") for slide in found)
    reported = spoken({state: counts[state] for state in (*names.values(), "not finished")})
    yield dated(f"{many(sum(counts.values()))}: {reported}")
    page = plan_.results / "cohort" / "index.html"
    with contextlib.suppress(OSError):
        made = page.with_name("run.json").stat().st_mtime  # the page itself may have been predated
        if chosen.until is None and (made >= begun or not code):
            yield f"cohort page: {page}"


def _rejected(found: Iterable["SlideStatus"]) -> Iterator[str]:
    """Name the rejected slides, those with the same reason in one line."""
    slides = dict[str, list[str]]()
    for slide in found:
        if reason := slide.rejection:
            slides.setdefault(reason, []).append(slide.slide)
    if slides:
        yield "rejected:"
    yield from (f"  {', '.join(names)}: {reason}" for reason, names in slides.items())


def _warned(results: Path, found: Iterable["SlideStatus"]) -> Iterator[str]:
    """Name the slides that a stage warned of, and what it warned of."""
    from pathopipe.reporting.manifests import warnings
    from pathopipe.results.documents import read_manifests

    sound = [slide.slide for slide in found if not slide.rejection]
    warned = {slide: reported for slide in sound if (reported := warnings(read_manifests(results / slide)))}
    if warned:
        yield "warnings:"
    for slide, reported in warned.items():
        sentences = (f"{warning.message}{' No grade.' if warning.stops_grade else ''}" for warning in reported)
        yield f"  {slide}: {' '.join(sentences)}"


def _faults(plan_: "Plan", found: Iterable["SlideStatus"]) -> Iterator[tuple[str, str]]:
    from pathopipe.jobs.leftovers import STOPPED, unfinished

    paths = {sample.slide: sample.path for sample in plan_.samples}
    for slide in found:
        folder = plan_.results / slide.slide
        if work := next(iter(unfinished(folder)), None):
            yield slide.slide, f"{work.name}: {why(plan_.results, slide.slide, work.name) or STOPPED}"
        elif slide.slide in plan_.absent and not (folder / "report" / "manifest.json").exists():
            yield (
                slide.slide,
                f"its file {paths[slide.slide]} is not there any more, and its stages are not finished",
            )


def last_words(log: Path) -> str:
    """Our last complaint in Snakemake's log, else its own, the first line of the last block that tells an error."""
    lines = _lines(log)
    if ours := [line for line in lines if line.startswith(_OURS)]:
        return ours[-1].removeprefix(_OURS)
    reported = [index for index, line in enumerate(lines) if re.search(r"(Error|Exception|error:)", line)]
    words = (
        " ".join(line.strip() for line in lines[reported[-1] : reported[-1] + 2]) if reported else "it does not say why"
    )
    jobs = [last for line in lines if (match := _JOB_LOG.match(line)) for last in _lines(Path(match[1]))[-1:]]
    return words.rstrip(" .:") + (f"; the last words of a job at Slurm were '{jobs[-1].strip()}'" if jobs else "")


def _lines(log: Path) -> list[str]:
    try:
        return [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        return []
