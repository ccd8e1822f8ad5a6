"""``pathopipe status``: how far each slide is, also while a run is going on."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pathopipe.cli.options import PATH, Hinting, config_options, examples, find_results
from pathopipe.wording import counted, duration, list_counts

if TYPE_CHECKING:
    from pathopipe.pipeline import Config
    from pathopipe.samples import Sample
    from pathopipe.status.slides import SlideStatus, StageStatus

_STATES = ("done", "rejected", "failed", "running", "begun", "waiting")
_WIDTH = 10
_SHOWN = 5
_MANY = 1000
"""Slides; of more, to read all manifests takes longer than all else here (0.7 ms per slide)."""


@click.command(
    cls=Hinting,
    hint="{0}: give the results folder with --results {0}; --all lists every slide".format,
    epilog=examples("pathopipe status", "pathopipe status --results /data/results --all"),
)
@click.option("--slides", "sheet", type=PATH, help="Sample sheet; default: the one of the last run.")
@click.option("--results", type=PATH, help="Results folder; default: results.")
@config_options
@click.option("--all", "everything", is_flag=True, help="Also list slides that are finished or not started.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the state of every stage of every slide.")
def status(
    sheet: Path | None,
    results: Path | None,
    config_file: Path | None,
    changes: tuple[str, ...],
    everything: bool,
    as_json: bool,
) -> None:
    """Show how far each slide is: done, running, failed, rejected or waiting, and about how long the rest takes.

    It only reads, so it can be used at any time, also on a machine other than the one that runs.
    """
    from pathopipe.samples import read_samples
    from pathopipe.status.slides import look

    folder, listed, config = find_results(results, sheet, config_file, changes)
    samples = read_samples(listed)
    found = look(folder, [sample.slide for sample in samples], keep_maps=config is None or config.keep_maps)
    if as_json:
        click.echo(json.dumps({slide.slide: _plain(slide) for slide in found}, indent=2))
        return
    shown = [slide for slide in found if everything or (slide.begun and slide.state not in {"done", "rejected"})]
    for line in (*_table(shown, found), "", *_summary(folder, found), *_outdated(folder, samples, config)):
        click.echo(line)
    if len(shown) < len(found):
        click.echo("'pathopipe status --all' also lists slides that are finished or not started")


def _table(shown: Sequence["SlideStatus"], found: Sequence["SlideStatus"]) -> Iterator[str]:
    from pathopipe.pipeline import ORDER
    from pathopipe.status.slides import FINISHED

    width = max(len("slide"), *(len(slide.slide) for slide in shown), len("finished")) + 2
    yield _row("slide", ORDER, width)
    for slide in shown:
        yield _row(slide.slide, (*map(_cell, slide.stages.values()), slide.reported), width)
    finished = [sum(slide.stages[stage].state in FINISHED for slide in found) for stage in ORDER]
    yield _row("finished", (f"{count:,}" for count in finished), width)


def _row(name: str, cells: Iterable[str], width: int) -> str:
    return f"{name:<{width}}{''.join(f'{cell:<{_WIDTH}}' for cell in cells)}".rstrip()


def _cell(stage: "StageStatus") -> str:
    if stage.state == "waiting":
        return "-"
    return stage.state if stage.share is None else f"{stage.share:.0%}"


def _summary(results: Path, found: Sequence["SlideStatus"]) -> Iterator[str]:
    from pathopipe.jobs.ownership import running_on
    from pathopipe.pipeline import COHORT
    from pathopipe.reporting.cohort_settings import noted_settings
    from pathopipe.status.estimate import seconds_left
    from pathopipe.status.missing import in_words, missing_of_cohort

    counts = Counter[str](slide.state for slide in found)
    yield f"{counted(len(found))}: {list_counts({state: counts[state] for state in _STATES})}"
    runner, left = running_on(results), len(found) - counts["done"] - counts["rejected"]
    if runner:
        yield _at_work(results, found, runner)
    elif left:
        reported, known = duration(seconds_left(results, found)), any(slide.ended for slide in found)
        how = "at the pace so far" if known else "by the sizes of the slides, as nothing is finished yet"
        yield f"nothing is running: 'pathopipe run' continues with the rest, which takes {reported} {how}"
    if others := noted_settings(results):
        named = "; ".join(f"{slide}: {other}" for slide, other in list(others.items())[:_SHOWN])
        more = " …" if len(others) > _SHOWN else ""
        yield f"made with other settings than most slides: {named}{more}"
    page, gone = results / COHORT.name / "index.html", missing_of_cohort(results)
    if gone:
        yield f"the cohort: {in_words(gone)}: 'pathopipe run' makes it again"
    if page.exists():
        yield f"cohort page{_age(page, found)}: {page}"


def _outdated(results: Path, samples: Sequence["Sample"], config: "Config | None") -> Iterator[str]:
    """Say what the next run would run again, and why, as far as it can be said without looking at the slides."""
    from pathopipe.jobs.asked import made_by
    from pathopipe.jobs.ownership import running_on
    from pathopipe.models import registry as nuclei
    from pathopipe.models.types import registry as types
    from pathopipe.results.folder import SlideFolder
    from pathopipe.status.reasons import Wanted, reasons_to_run_again
    from pathopipe.status.reruns import reruns_left

    if config is None or running_on(results):
        return
    if len(samples) > _MANY:
        yield "what would be run again, and why: 'pathopipe run --dry-run'"
        return
    made = made_by(config)
    for stage, is_name in (("detect", nuclei.is_name), ("types", types.is_name)):
        if not is_name(made[stage]["params"]["model"]):  # the manifest has the name of what is in that file
            made[stage]["params"].pop("model")
    left, keep_maps = reruns_left(results), config.keep_maps
    again = reasons_to_run_again(
        (
            SlideFolder(results, sample.slide),
            Wanted(made, sample, left=left.get(sample.slide, {}), keep_maps=keep_maps),
        )
        for sample in samples
    )
    if again:
        yield "not up to date:"
    yield from (f"  {line}" for line in again)


def _age(page: Path, found: Sequence["SlideStatus"]) -> str:
    """Say so if something has been finished since the page was made."""
    from pathopipe.results.names import RUN

    made = page.with_name(RUN)  # the page itself may have been dated back
    latest = max((end for slide in found for end in slide.ended.values()), default=0.0)
    return ", older than some of the results" if made.exists() and made.stat().st_mtime < latest else ""


def _at_work(results: Path, found: Sequence["SlideStatus"], runner: str) -> str:
    """Who is at work, on what, and for how long."""
    from pathopipe.jobs.asked import noted
    from pathopipe.pipeline import ORDER
    from pathopipe.status.estimate import seconds_left

    asked = noted(results)
    last = asked.last if asked else ORDER[-1]
    wanted = [slide for slide in found if asked is None or slide.slide in asked.slides]
    some = f" on {len(wanted):,} of these slides" if len(wanted) < len(found) else ""
    limit = "" if last == ORDER[-1] else f", up to {last}"
    return f"{runner} is at work{some}{limit}: {duration(seconds_left(results, wanted, last))} left"


def _plain(slide: "SlideStatus") -> dict[str, object]:
    stages = {
        name: {"state": stage.state, "share": stage.share, "reported": stage.reported}
        for name, stage in slide.stages.items()
    }
    return {"state": slide.state, "stages": stages}
