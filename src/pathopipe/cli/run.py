"""``pathopipe run``: the whole workflow over a sample sheet, by Snakemake."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pathopipe.cli.closing import conclude, log_of
from pathopipe.cli.options import PATH, Hinting, about, config_options, examples, find_config, many
from pathopipe.cli.selection import Selection, no_place_for
from pathopipe.cli.stage_names import STAGES
from pathopipe.running.cluster import HERE, Place, environment, find_place, prepared

if TYPE_CHECKING:
    from pathopipe.cli.news import News
    from pathopipe.running.plan import Plan
    from pathopipe.samples import Sample

_MUCH_DISK_GB = 1.0
_ASKED = 20
_DRY = {"-n", "--dry-run", "--dryrun"}


@click.command(
    cls=Hinting,
    hint=no_place_for,
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
@click.option("--rerun", type=click.Choice((*STAGES, "cohort")), help="Run this stage again, and what follows.")
@click.option("--only", metavar="ID,…", help="Run only these slides.")
@click.option("--skip-missing", is_flag=True, help="Go on without slides whose file is missing.")
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

    Slides that can't be used are rejected with the reason, and stop nothing. Arguments after '--' go to Snakemake.
    """
    from pathopipe.provenance import workflow_folder

    chosen = Selection(tuple(only.split(",")) if only else None, None if until == "cohort" else until, rerun)
    place = find_place(profile, workflow_folder() / "profiles")
    execute(resolve(**options), cores, Hinting.behind_dashes(context), chosen, place, dry=dry_run)


def resolve(
    config_file: Path | None, changes: tuple[str, ...], sheet: Path | None, results: Path | None, skip_missing: bool
) -> dict[str, Any]:
    """Put the configuration together from file and options; paths become absolute."""
    from pathopipe.config import container_image, load_config

    config = load_config(find_config(config_file), changes)
    values = config.model_dump(mode="json")
    values["slides"] = str((sheet or Path(config.slides)).absolute())
    values["results"] = str((results or Path(config.results)).absolute())
    values["container"] = container_image(config)
    values["skip_missing"] = skip_missing or config.skip_missing
    return values


def execute(
    values: dict[str, Any],
    cores: int | None,
    arguments: tuple[str, ...],
    chosen: Selection | None = None,
    place: Place = HERE,
    dry: bool = False,
) -> None:
    """Check everything, own the results folder, run Snakemake, and say how it went; exits with 1 after a fault."""
    from pathopipe.cli.news import News, say
    from pathopipe.jobs.ownership import owning
    from pathopipe.running.plan import plan

    plan_, chosen = plan(values), chosen or Selection()
    # Weights by their name among the results: Snakemake, and jobs elsewhere, start in another folder.
    values = {**values, "detect": plan_.config.detect.model_dump(mode="json")}
    slides, targets = chosen.slides(plan_), chosen.targets(plan_)
    cores = cores or (os.cpu_count() or 1 if place == HERE else None)
    with owning(plan_.results):
        say(chosen.reported(plan_))
        for message in (*_notes(plan_), *_expectations(plan_, slides, cores)):
            click.echo(message)
        passed_on = (*place.arguments, *chosen.forced, *arguments)
        if dry or _DRY & set(arguments):
            command = _command(plan_, values, cores, passed_on, targets)
            sys.exit(_plan_only(command, environment(plan_.results, passed_on), dry))
        begun, code, news = chosen.note(plan_), 0, News(plan_.results, slides, chosen.last)
        if chosen.everything or targets:
            with prepared(place, plan_.results, log_of(plan_.results)):
                code = _run(news, _command(plan_, values, cores, passed_on, targets), passed_on)
            if code and place.batches and len(_unfinished(plan_, slides, chosen)) > 1:
                say("a batch of slides failed: going on slide by slide")
                passed_on = (*passed_on, *place.slide_by_slide)
                with prepared(place, plan_.results, log_of(plan_.results)):
                    code = _run(news, _command(plan_, values, cores, passed_on, targets), passed_on)
        if chosen.only and not chosen.until:
            _gather(plan_)
    conclude(plan_, code, chosen, begun)


def _plan_only(command: list[str], environment: dict[str, str], counted: bool) -> int:
    """Have Snakemake plan: what it says is counted for a person, or shown as it is; returns its code."""
    from pathopipe.cli.dry import tell_plan

    if counted:
        return tell_plan([*command[:3], "--dry-run", *command[3:]], environment)
    return subprocess.run(command, check=False, env=environment).returncode


def _command(
    plan_: "Plan", values: dict[str, Any], cores: int | None, arguments: tuple[str, ...], targets: list[str]
) -> list[str]:
    from pathopipe.files import remove
    from pathopipe.provenance import workflow_folder
    from pathopipe.results.documents import write_json
    from pathopipe.results.names import CACHE, RUN_CONFIG

    config_file = plan_.results / RUN_CONFIG
    write_json(config_file, values, plan_.results)
    # The owner file says that nobody else is at work here, so Snakemake's own lock can only be a killed run's.
    # So can what is in its cache.
    for left in (".snakemake/locks", CACHE):
        with contextlib.suppress(OSError):
            remove(plan_.results / left, plan_.results)
    return [
        *(sys.executable, "-m", "snakemake"),
        *("--snakefile", str(workflow_folder() / "Snakefile")),
        *("--directory", str(plan_.results)),
        *("--configfile", str(config_file)),
        *(("--cores", str(cores)) if cores else ()),
        *arguments,
        *(("--", *targets) if targets else ()),
    ]


def _run(news: "News", command: list[str], arguments: tuple[str, ...]) -> int:
    from pathopipe.cli.news import follow
    from pathopipe.jobs.ownership import adopt
    from pathopipe.running.keeper import kept

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with kept(command, environment(news.results, arguments)) as process:
            adopt(news.results, process.pid)
            follow(_copied(process, log_of(news.results)), news, show=sys.stdout.isatty())
            return process.wait()
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on from what is finished", err=True)
        raise SystemExit(130) from None


def _copied(process: "subprocess.Popen[str]", log: Path) -> Iterator[str]:
    from pathopipe.errors import FaultError
    from pathopipe.files import open_file, remove

    flags, results = os.O_WRONLY | os.O_CREAT | os.O_APPEND, log.parents[1]
    with contextlib.suppress(OSError):  # a full disk: the run's own messages go on
        remove(log, results)
    for line in process.stdout or ():
        with contextlib.suppress(OSError, FaultError), os.fdopen(open_file(log, flags, results), "a") as file:
            file.write(line)
        yield line


def _unfinished(plan_: "Plan", slides: tuple[str, ...], chosen: Selection) -> list[str]:
    """Slides that were asked for and whose last file is not there."""
    last = f"{chosen.last}/manifest.json"
    return [slide for slide in plan_.active if slide in slides and not (plan_.results / slide / last).exists()]


def _gather(plan_: "Plan") -> None:
    """Bring the cohort page up to date after a run of some slides or stages; a full run makes it anew."""
    from pathopipe.jobs.execution import execute_cohort, predate
    from pathopipe.pipeline import CohortSettings
    from pathopipe.samples import read_samples

    execute_cohort(
        plan_.results, read_samples(plan_.sheet), CohortSettings.model_validate_json(plan_.settings("cohort"))
    )
    predate(plan_.results)


def _notes(plan_: "Plan") -> Iterator[str]:
    if licence := plan_.model_licence:
        yield f"nucleus model {plan_.config.detect.model.partition('@')[0]}: {licence}"
    if plan_.skipped:
        yield f"left out, because the file is missing: {', '.join(plan_.skipped)}"
    if plan_.absent:
        yield f"the file is not there any more, finished results are kept: {', '.join(plan_.absent)}"


def _expectations(plan_: "Plan", slides: tuple[str, ...], cores: int | None) -> Iterator[str]:
    """What a run will take, from some of the slides that are still to be done; on a cluster in hours of work."""
    from pathopipe.demand import disk_mb, seconds

    pending = plan_.pending(slides)
    asked = pending[:: max(1, len(pending) // _ASKED)]
    known = [mm2 for sample in asked if (mm2 := _tissue_mm2(sample, plan_.file_bytes(sample.slide))) is not None]
    if not known:
        return
    mm2 = sum(known) / len(known) * len(pending)
    expected, needed = seconds(mm2, len(pending), cores or 1), disk_mb(mm2) / 1e3
    free = shutil.disk_usage(plan_.results).free / 1e9
    reported = f"{about(expected)} on {cores} cores" if cores else f"{about(expected)} of processor time"
    disk = f", and up to {needed:,.0f} GB of disk ({free:,.0f} GB are free)" if needed > _MUCH_DISK_GB else ""
    yield f"{many(len(pending))} to do, about {mm2:,.1f} mm2 of tissue: expect {reported} without a GPU{disk}"
    if needed > free:
        yield f"warning: {plan_.results} may run out of space: free some, or give another folder with --results"


def _tissue_mm2(sample: "Sample", file_bytes: int) -> float | None:
    """Roughly how much tissue a slide holds, by its header; None where it can't be said: its own job will explain.

    Whatever goes wrong here is no fault of the run.
    """
    from pathopipe.demand import tissue_mm2
    from pathopipe.slide import open_slide

    try:
        with open_slide(sample.path, sample.mpp) as slide:
            area = slide.width_px * slide.height_px * slide.mpp.x * slide.mpp.y / 1e6
            return tissue_mm2(file_bytes, slide.mpp.x, area)
    except Exception:  # noqa: BLE001 (see above: of memory, of a library, anything)
        return None
