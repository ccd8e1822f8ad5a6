"""``pathopipe run``: the whole workflow over a sample sheet, by Snakemake."""

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pathopipe.cli.options import PATH, Hinting, config_options, examples, find_config
from pathopipe.cli.stage_names import STAGES
from pathopipe.cli.surroundings import require_memory
from pathopipe.wording import counted

if TYPE_CHECKING:
    from pathopipe.pipeline import Config
    from pathopipe.running.cluster import Place
    from pathopipe.running.selection import Selection
    from pathopipe.running.workflow import Run

_SHOWN = 5


def _no_place_for(argument: str) -> str:
    """Say what was probably meant by an argument that is not an option."""
    path = Path(argument)
    if argument in STAGES:
        return f"{argument}: give a stage with --until {argument} or --rerun {argument}"
    if path.suffix in {".tsv", ".csv"}:
        return f"{argument}: give the sample sheet with --slides {argument}"
    if path.suffix in {".yaml", ".yml"}:
        return f"{argument}: give the configuration with --config {argument}"
    if path.is_dir():
        return (
            f"{argument}: a sheet lists the slides: 'pathopipe init {argument}' writes one, then start 'pathopipe run'"
        )
    return (
        f"{argument}: a sheet lists the slides: give their ids with --only, or run one file with "
        f"'pathopipe demo --slide {argument}'; arguments for Snakemake go after '--'"
    )


@click.command(
    cls=Hinting,
    hint=_no_place_for,
    options_metavar="[OPTIONS] [-- SNAKEMAKE_ARGUMENTS]",
    epilog=examples(
        "pathopipe run",
        "pathopipe run --only slide_1,slide_2 --until segment",
        "pathopipe run --set segment.min_area_um2=8 --dry-run",
        "pathopipe run -- --forceall",
    ),
)
@click.option("--slides", "sheet", type=PATH, help="Sample sheet; default: slides.tsv.")
@click.option("--results", type=PATH, help="Results folder; default: results.")
@config_options
@click.option("--cores", type=click.IntRange(1), help="Processor cores to use; default: all, or what the profile says.")
@click.option(
    "--profile", type=PATH, help="Where to run: slurm, slurm-no-accounting, kubernetes, or a folder with a profile."
)
@click.option("--until", type=click.Choice((*STAGES, "cohort")), help="Stop after this stage.")
@click.option("--rerun", type=click.Choice((*STAGES, "cohort")), help="Rerun this stage and those after it.")
@click.option("--only", metavar="ID,…", help="Run only these slides.")
@click.option("--skip-missing", is_flag=True, help="Continue without slides whose file is missing.")
@click.option("--dry-run", "-n", is_flag=True, help="Only count what would be done, stage by stage.")
@click.pass_context
def run(
    context: click.Context,
    /,
    cores: int | None,
    profile: Path | None,
    until: str | None,
    rerun: str | None,
    only: str | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Run the workflow over all slides of a sample sheet; what is finished and up to date is not run again.

    Slides that can't be used are rejected with the reason, and the others continue. Arguments after '--' go to
    Snakemake.
    """
    require_memory()
    from pathopipe.provenance import workflow_folder
    from pathopipe.running.cluster import find_place
    from pathopipe.running.selection import Selection

    selection = Selection(tuple(only.split(",")) if only else None, None if until == "cohort" else until, rerun)
    place = find_place(profile, workflow_folder() / "profiles")
    execute(resolve(**options), cores, Hinting.behind_dashes(context), selection, place, dry=dry_run)


def resolve(
    config_file: Path | None, changes: tuple[str, ...], sheet: Path | None, results: Path | None, skip_missing: bool
) -> "Config":
    """Put the configuration together from file and options."""
    from pathopipe.config import load_config

    config = load_config(find_config(config_file), changes)
    given = {"slides": sheet, "results": results, "skip_missing": skip_missing or config.skip_missing}
    return config.model_copy(
        update={name: str(value) if isinstance(value, Path) else value for name, value in given.items() if value}
    )


def execute(
    config: "Config",
    cores: int | None,
    arguments: tuple[str, ...],
    selection: "Selection | None" = None,
    place: "Place | None" = None,
    dry: bool = False,
) -> None:
    """Check everything, own the results folder, run Snakemake, and say how it went; exits with 1 after a fault."""
    from pathopipe.cli.progress_bars import say
    from pathopipe.cli.summary import conclude
    from pathopipe.jobs.ownership import owning
    from pathopipe.running.cluster import HERE
    from pathopipe.running.preparing import prepare
    from pathopipe.running.selection import Selection
    from pathopipe.running.workflow import Run

    plan, selection, place = prepare(config), selection or Selection(), place or HERE
    run_ = Run(plan, selection, place, cores or (os.cpu_count() or 1 if place == HERE else None), arguments)
    selection.slides(plan)  # refuses before anything is claimed
    with owning(plan.results):
        say(selection.described(plan))
        for line in run_.introduction():
            click.echo(line)
        if dry or run_.only_plans:
            sys.exit(_count(run_) if dry else run_.plan_only())
        begun = selection.note(plan)
        code = _execute(run_)
        if selection.only and not selection.until:
            _gather(run_)
    conclude(plan, code, selection, begun)


def _execute(run_: "Run") -> int:
    from pathopipe.cli.progress_bars import follow, say
    from pathopipe.running.progress_lines import ProgressLines

    plan = run_.plan
    lines = ProgressLines(plan.results, run_.slides, run_.selection.last, plan.config.keep_maps)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return run_.execute(say, partial(follow, lines=lines, bars=sys.stdout.isatty()))
    except KeyboardInterrupt:
        click.echo("stopped; run the same command to continue from what is finished", err=True)
        raise SystemExit(130) from None


def _count(run_: "Run") -> int:
    """Say how many slides each stage would run on; returns Snakemake's code."""
    code, progress, said = run_.count()
    if code:
        sys.stderr.write(said)
        return code
    for stage in STAGES:
        if slides := sorted(slide for rule, slide in progress.jobs.values() if rule == stage):
            some = f"{', '.join(slides[:_SHOWN])}{', …' if slides[_SHOWN:] else ''}"
            click.echo(f"  {stage:<10} {counted(len(slides))}: {some}")
    if progress.planned.get("cohort"):
        click.echo("  cohort")
    click.echo(
        "this is what a run would do, nothing was run; 'pathopipe run -- --dry-run' lists every job"
        if progress.planned
        else "nothing to do: everything is up to date"
    )
    return 0


def _gather(run_: "Run") -> None:
    """Bring the cohort page up to date after a run of some slides or stages; a full run rewrites it."""
    from pathopipe.jobs.execution import execute_cohort, predate
    from pathopipe.samples import read_samples

    plan = run_.plan
    execute_cohort(plan.results, read_samples(plan.sheet), plan.config.cohort)
    predate(plan.results)
