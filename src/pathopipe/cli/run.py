"""``pathopipe run``: the whole workflow over a sample sheet, by Snakemake."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pathopipe.cli.cluster import HERE, Place, environment, find_place, prepared
from pathopipe.cli.options import PATH, STAGES, config_options, duration, find_config, spoken

if TYPE_CHECKING:
    from pathopipe.samples import Sample
    from pathopipe.workflow import Plan

_LITTLE_DISK = 20_000_000
_SPOKEN_STATES = {"missing": "not finished"}
_LONG_S = 120
_ASKED = 20
_DRY = {"-n", "--dry-run", "--dryrun"}


@click.command(context_settings={"ignore_unknown_options": False})
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
@click.argument("snakemake_arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    cores: int | None, profile: Path | None, until: str | None, rerun: str | None, only: str | None, **options: Any
) -> None:
    """Run the workflow over all slides of a sample sheet; what is finished and up to date is not run again.

    Arguments after '--' go to Snakemake, e.g. 'pathopipe run -- --dry-run'.
    """
    from pathopipe.provenance import workflow_folder

    passed_on = options.pop("snakemake_arguments")
    forced = ("--forcerun", rerun) if rerun else ()
    chosen = Selection(tuple(only.split(",")) if only else None, None if until == "cohort" else until)
    place = find_place(profile, workflow_folder() / "profiles")
    execute(resolve(**options), cores, (*forced, *passed_on), chosen, place)


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


@dataclass(frozen=True)
class Selection:
    """Which slides to run, all by default, and up to which stage, the cohort by default."""

    only: tuple[str, ...] | None = None
    until: str | None = None

    @property
    def everything(self) -> bool:
        """Whether the whole workflow is asked for."""
        return self.only is None and self.until is None

    def slides(self, plan_: "Plan") -> tuple[str, ...]:
        """Ids of the slides that are asked for.

        Raises
        ------
        RefusalError
            When the sheet does not list one of them.
        """
        from pathopipe.errors import RefusalError

        known = [sample.slide for sample in plan_.samples]
        unknown = sorted(set(self.only or ()) - {*known, *plan_.skipped})
        if unknown:
            raise RefusalError(f"--only: {plan_.sheet} does not list {', '.join(unknown)}")
        return tuple(slide for slide in known if self.only is None or slide in self.only)

    def targets(self, plan_: "Plan") -> list[str]:
        """Files to make, of the slides whose stages may run; none where everything is asked for."""
        if self.everything:
            return []
        wanted = set(self.slides(plan_))
        return [f"{slide}/{self.until or 'report'}/manifest.json" for slide in plan_.active if slide in wanted]


def execute(
    values: dict[str, Any],
    cores: int | None,
    arguments: tuple[str, ...],
    chosen: Selection | None = None,
    place: Place = HERE,
) -> None:
    """Check everything, own the results folder, run Snakemake, and say how it went; exits with 1 after a fault."""
    from pathopipe.ownership import owning
    from pathopipe.workflow import plan

    plan_, chosen = plan(values), chosen or Selection()
    slides, targets = chosen.slides(plan_), chosen.targets(plan_)
    cores = cores or (os.cpu_count() or 1 if place == HERE else None)
    with owning(plan_.results):
        for message in (*_notes(plan_), *_expectations(plan_, slides, cores)):
            click.echo(message)
        passed_on = (*place.arguments, *arguments)
        if _DRY & set(arguments):
            command = _command(plan_, values, cores, passed_on, targets)
            sys.exit(subprocess.run(command, check=False, env=_environment(passed_on)).returncode)
        code = 0
        if chosen.everything or targets:
            with prepared(place, plan_.results, _log(plan_)):
                code = _run(plan_, values, cores, passed_on, targets)
            if code and place.batches and len(_unfinished(plan_, slides, chosen)) > 1:
                click.echo("a batch of slides failed: going on slide by slide")
                with prepared(place, plan_.results, _log(plan_)):
                    code = _run(plan_, values, cores, (*passed_on, *place.slide_by_slide), targets)
        if not chosen.everything:
            _gather(plan_)
    _conclude(plan_, code, slides)


def _command(
    plan_: "Plan", values: dict[str, Any], cores: int | None, arguments: tuple[str, ...], targets: list[str]
) -> list[str]:
    from pathopipe.artifacts import RUN_CONFIG, write_json
    from pathopipe.provenance import workflow_folder

    config_file = plan_.results / RUN_CONFIG
    write_json(config_file, values)
    # The owner file says that nobody else is at work here, so Snakemake's own lock can only be a killed run's.
    shutil.rmtree(plan_.results / ".snakemake" / "locks", ignore_errors=True)
    return [
        *(sys.executable, "-m", "snakemake"),
        *("--snakefile", str(workflow_folder() / "Snakefile")),
        *("--directory", str(plan_.results)),
        *("--configfile", str(config_file)),
        *(("--cores", str(cores)) if cores else ()),
        *arguments,
        *(("--", *targets) if targets else ()),
    ]


def _environment(arguments: tuple[str, ...]) -> dict[str, str]:
    """The rules call 'pathopipe': of this installation, also when its environment is not activated."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, **environment(arguments)}


def _log(plan_: "Plan") -> Path:
    return plan_.results / ".pathopipe" / "run.log"


def _run(
    plan_: "Plan", values: dict[str, Any], cores: int | None, arguments: tuple[str, ...], targets: list[str]
) -> int:
    from pathopipe.cli.watch import follow
    from pathopipe.keeper import kept
    from pathopipe.ownership import adopt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with kept(_command(plan_, values, cores, arguments, targets), _environment(arguments)) as process:
            adopt(plan_.results, process.pid)
            follow(_copied(process, _log(plan_)), plan_.results, len(plan_.active), show=sys.stdout.isatty())
            return process.wait()
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on from what is finished", err=True)
        raise SystemExit(130) from None


def _copied(process: "subprocess.Popen[str]", log: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):  # a full disk: the run's own messages go on
        log.unlink(missing_ok=True)
    for line in process.stdout or ():
        with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
            file.write(line)
        yield line


def _unfinished(plan_: "Plan", slides: tuple[str, ...], chosen: Selection) -> list[str]:
    """Slides that were asked for and whose last file is not there."""
    last = f"{chosen.until or 'report'}/manifest.json"
    return [slide for slide in plan_.active if slide in slides and not (plan_.results / slide / last).exists()]


def _gather(plan_: "Plan") -> None:
    """Bring the cohort page up to date after a run of some slides or stages; a full run makes it anew."""
    from pathopipe.config import CohortSettings
    from pathopipe.samples import read_samples
    from pathopipe.stages.execution import execute_cohort, predate

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
    """What a long run will take, from some of the slides that are still to be done; on a cluster in hours of work."""
    from pathopipe.demand import disk_mb, seconds

    pending = plan_.pending(slides)
    asked = pending[:: max(1, len(pending) // _ASKED)]
    known = [mm2 for sample in asked if (mm2 := _tissue_mm2(sample, plan_.file_bytes(sample.slide))) is not None]
    if not known:
        return
    mm2 = sum(known) / len(known) * len(pending)
    expected, needed = seconds(mm2, len(pending), cores or 1), disk_mb(mm2) / 1e3
    if expected < _LONG_S:
        return
    free = shutil.disk_usage(plan_.results).free / 1e9
    told = f"about {duration(expected)} on {cores} cores" if cores else f"{duration(expected)} of processor time"
    yield (
        f"{len(pending)} slides to do, about {mm2:,.0f} mm2 of tissue: expect {told} without a GPU, "
        f"and up to {needed:.1f} GB of disk ({free:.0f} GB are free)"
    )
    if needed > free:
        yield f"warning: {plan_.results} may run out of space: free some, or give another folder with --results"


def _tissue_mm2(sample: "Sample", file_bytes: int) -> float | None:
    """Roughly how much tissue a slide holds; None where it can't be said, which its own job will explain."""
    from pathopipe.demand import tissue_mm2
    from pathopipe.errors import PathopipeError
    from pathopipe.slide import open_slide

    try:
        with open_slide(sample.path, sample.mpp) as slide:
            area = slide.width_px * slide.height_px * slide.mpp.x * slide.mpp.y / 1e6
            return tissue_mm2(file_bytes, slide.mpp.x, area)
    except PathopipeError:
        return None


def _conclude(plan_: "Plan", code: int, slides: tuple[str, ...]) -> None:
    from pathopipe.artifacts import read_json
    from pathopipe.errors import ArtifactError

    faults = list(_faults(plan_, slides))
    for slide, reason in faults:
        click.echo(f"pathopipe: slide {slide}: {reason}", err=True)
    if code and shutil.disk_usage(plan_.results).free < _LITTLE_DISK:
        click.echo(f"pathopipe: {plan_.results}: the disk is full: free some space", err=True)
    elif code and not faults:
        log = _log(plan_)
        click.echo(f"pathopipe: the workflow failed: {_last_words(log)}; its log is {log}", err=True)
    page = plan_.results / "cohort" / "index.html"
    with contextlib.suppress(ArtifactError):
        counts = read_json(page.with_name("manifest.json"))["counts"]
        click.echo(f"slides: {spoken({_SPOKEN_STATES.get(state, state): count for state, count in counts.items()})}")
        click.echo(f"cohort page: {page}")
    if code or faults:
        click.echo("mend what is named above and run the same command again: finished results are kept", err=True)
        sys.exit(1)


def _last_words(log: Path) -> str:
    """Snakemake's last complaint: the first line of the last block of its log that tells an error."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    told = [index for index, line in enumerate(lines) if re.search(r"(Error|Exception|error:)", line)]
    words = " ".join(line.strip() for line in lines[told[-1] : told[-1] + 2]) if told else "it does not say why"
    return words.rstrip(" .:")


def _faults(plan_: "Plan", slides: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    from pathopipe.stages.leftovers import fault_of

    for sample in (sample for sample in plan_.samples if sample.slide in slides):
        if reason := fault_of(plan_.results / sample.slide):
            yield sample.slide, reason
        elif sample.slide in plan_.absent and not (plan_.results / sample.slide / "report" / "manifest.json").exists():
            yield sample.slide, f"its file {sample.path} is not there any more, and its stages are not finished"
