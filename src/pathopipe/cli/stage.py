"""One command per stage: what a rule calls, and what a person calls to look at one slide."""

import ctypes
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pathopipe.cli.options import PATH, config_options, examples, find_config
from pathopipe.cli.stage_names import STAGES
from pathopipe.cli.surroundings import require_memory
from pathopipe.wording import list_counts

if TYPE_CHECKING:
    from pathopipe.samples import Sample

# Of mallopt of glibc: return free memory at the end of the heap above so many bytes; take arrays of so many bytes from
# the system and return them when they are freed; one heap for all threads, each of which would keep what it freed.
_GLIBC: Final = {-1: 8_000_000, -3: 2_000_000, -8: 1}
_SETTINGS = click.option("--settings", hidden=True, help="The stage's settings as JSON, as the workflow passes them.")
_RESULTS = click.option("--results", type=PATH, help="Results folder; default: the one that the config names.")
_LOG = click.option("--log", type=PATH, hidden=True, help="Log file in the results folder.")
_SLIDES = click.option(
    "--slides",
    "sheet",
    type=PATH,
    envvar="PATHOPIPE_SLIDES",
    help="Sample sheet; default: the one that the config names.",
)

_ABOUT_SLIDE: Final = "SLIDE is the id of a slide, as in the column 'slide' of the sample sheet; it names its results."


def stage_command(name: str, help_text: str) -> click.Command:
    """Build the command of a stage."""
    source = "the slide" if name == next(iter(STAGES)) else "what the stages before it wrote"
    reported = f"{help_text} It reads {source}.\n\n{_ABOUT_SLIDE}"

    @click.command(
        name, help=reported, epilog=examples(f"pathopipe {name} slide_1", f"pathopipe {name} slide_1 --workers 2")
    )
    @click.argument("slide")
    @_RESULTS
    @_SLIDES
    @config_options
    @_SETTINGS
    @_LOG
    @click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Threads.")
    def command(
        slide: str, results: Path | None, sheet: Path | None, log: Path | None, workers: int, **options: Any
    ) -> None:
        _say_to(log, results)
        require_memory()
        _keep_no_memory()
        from pathopipe.jobs.execution import execute

        settings, results, named_sheet = _settings(name, results, **options)
        sample = _sample(name, slide, sheet or named_sheet, None if options["settings"] is None else results)
        manifest = execute(name, slide, results, settings, sample, workers)
        click.echo(f"{slide} {name}: {manifest['reason'] or list_counts(manifest['counts']) or 'done'}")

    return command


@click.command(help="Gather all slides into one table and page.", epilog=examples("pathopipe cohort"))
@_RESULTS
@_SLIDES
@config_options
@_SETTINGS
@_LOG
@click.option(
    "--partial", is_flag=True, hidden=True, help="Some slides failed: date the files so that they are redone."
)
def cohort(results: Path | None, sheet: Path | None, log: Path | None, partial: bool, **options: Any) -> None:
    """Gather all slides."""
    _say_to(log, results)
    require_memory()
    _keep_no_memory()
    from pathopipe.jobs.execution import execute_cohort, predate
    from pathopipe.samples import read_samples

    settings, results, named_sheet = _settings("cohort", results, **options)
    manifest = execute_cohort(results, read_samples(sheet or named_sheet), settings)
    if partial:
        predate(results)
    click.echo(f"cohort: {list_counts(manifest['counts'])}")


def _sample(stage: str, slide: str, sheet: Path, noted: Path | None) -> "Sample | None":
    """The slide's line of the sheet, if the stage asks for it: of a job, what the run ``noted`` in its results."""
    from pathopipe.pipeline import STAGES as RECORDS
    from pathopipe.running.slide_facts import read_facts
    from pathopipe.samples import find_sample

    if noted is None:
        return find_sample(sheet, slide)  # also where it's not needed: a name that isn't listed is a slip
    return read_facts(slide, noted).sample if RECORDS[stage].reads_sheet else None


def _say_to(log: Path | None, results: Path | None) -> None:
    """Send all output of this process to a log in the results; the shell would follow a link there."""
    if log is not None and results is not None:
        from pathopipe.files import open_file

        file = open_file(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, results)
        for stream in (1, 2):
            os.dup2(file, stream)
        os.close(file)


def _keep_no_memory() -> None:
    """Let memory that is freed be free for other threads, other libraries and the system.

    Arrow uses its own heaps, unless it is configured before it is imported.
    """
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        for option, value in _GLIBC.items():
            mallopt(option, value)


def _settings(
    stage: str, results: Path | None, config_file: Path | None, changes: tuple[str, ...], settings: str | None
) -> tuple[Any, Path, Path]:
    """Return the stage's settings, and the results folder and the sample sheet that were given or are configured."""
    from pathopipe.config import load_config, settings_of

    if settings is not None:
        return settings_of(stage, settings), results or Path("results"), Path("slides.tsv")
    from pathopipe.jobs.chosen_model import adopt_models

    config = load_config(find_config(config_file), changes)
    results = results or Path(config.results)
    return getattr(adopt_models(config, results), stage), results, Path(config.slides)
