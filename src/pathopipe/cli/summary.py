"""What a run says at its end."""

import sys
from typing import TYPE_CHECKING

import click

from pathopipe.cli.progress_bars import say

if TYPE_CHECKING:
    from pathopipe.running.plan import Plan
    from pathopipe.running.selection import Selection
    from pathopipe.status.slides import SlideStatus


def conclude(plan: "Plan", code: int, selection: "Selection", begun: float) -> None:
    """Say how the run went; exits with 1 after a fault."""
    from pathopipe.running.summary import cohort_page, slide_counts, workflow_fault
    from pathopipe.status.slides import look

    found = look(plan.results, selection.slides(plan), keep_maps=plan.config.keep_maps)
    failed = _tell(plan, found)
    if code and (fault := workflow_fault(plan, explained=failed)):
        click.echo(f"pathopipe: {fault}", err=True)
    say(slide_counts(selection, found))
    if page := cohort_page(plan, selection, begun, failed=bool(code)):
        click.echo(page)
    if code or failed:
        click.echo("fix the problems named above and run the same command again: finished results are kept", err=True)
        sys.exit(1)


def conclude_own(plan: "Plan") -> None:
    """Say which slides were rejected or failed after a run of Snakemake itself; `pathopipe run` does so for its own."""
    from pathopipe.jobs.ownership import owned
    from pathopipe.status.slides import look

    if owned(plan.results):
        slides = [sample.slide for sample in plan.samples]
        _tell(plan, look(plan.results, slides, keep_maps=plan.config.keep_maps))


def _tell(plan: "Plan", found: list["SlideStatus"]) -> bool:
    """Name the slides that were rejected, warned of, or failed; return whether any failed."""
    from pathopipe.running.summary import faults, remarks

    for line in remarks(plan, found):
        click.echo(line)
    failed = list(faults(plan, found))
    for line in failed:
        click.echo(f"pathopipe: {line}", err=True)
    return bool(failed)
