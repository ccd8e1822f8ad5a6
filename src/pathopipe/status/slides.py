"""How far the slides of a sheet are, read from the results folder alone; nothing is written, nothing is claimed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pathopipe.jobs.asked import Asked, noted
from pathopipe.jobs.leftovers import OWNER
from pathopipe.jobs.ownership import living_owner, running_on
from pathopipe.jobs.parallel import READERS, ordered_map
from pathopipe.pipeline import ORDER, stages_up_to
from pathopipe.results.folder import SlideFolder
from pathopipe.results.unfinished import STOPPED, reason_of, unfinished
from pathopipe.status.missing import in_words, missing_files

State = Literal["done", "rejected", "running", "failed", "waiting", "begun"]
"""A stage is never just begun, a slide is between two stages."""
FINISHED: frozenset[State] = frozenset({"done", "rejected"})


@dataclass(frozen=True)
class StageStatus:
    """How far one stage of one slide is.

    Attributes
    ----------
    reported
        Why it failed or was rejected, which of its files are missing, or what has been counted so far.
    share
        What of a running stage is done, 0 to 1; None where it does not say.
    """

    state: State = "waiting"
    reported: str = ""
    share: float | None = None


@dataclass(frozen=True)
class SlideStatus:
    """How far one slide is.

    Attributes
    ----------
    stages
        By name, in order.
    ended
        When each finished stage ended, in seconds since 1970.
    """

    slide: str
    stages: dict[str, StageStatus]
    ended: dict[str, float]

    @property
    def state(self) -> State:
        """The slide as a whole: what needs attention comes before what is running, and that before what waits.

        A rejection counts as soon as one stage has made it: the others only pass it on.
        """
        found = {stage.state for stage in self.stages.values()}
        order: tuple[State, ...] = ("failed", "rejected", "running", "waiting", "done")
        state = next(state for state in order if state in found)
        return "begun" if state == "waiting" and self.begun else state

    def up_to(self, last: str) -> "SlideStatus":
        """The slide as if this stage were the last."""
        return replace(self, stages={name: self.stages[name] for name in stages_up_to(last)})

    @property
    def begun(self) -> bool:
        """Whether any of its stages has been started, or has been finished and lacks a file by now."""
        return any(stage.state != "waiting" or stage.reported for stage in self.stages.values())

    @property
    def reported(self) -> str:
        """Why the slide failed or was rejected, what is missing, or what is being counted."""
        return next((f"{name}: {stage.reported}" for name, stage in self.stages.items() if stage.reported), "")

    @property
    def rejection(self) -> str:
        """Why it was rejected."""
        return next((stage.reported for stage in self.stages.values() if stage.state == "rejected"), "")


def look(results: Path, slides: Iterable[str], *, keep_maps: bool = True) -> list[SlideStatus]:
    """Look at all slides, in the order given; where maps need not be kept, none are missing."""
    going_on = running_on(results) is not None
    asked = noted(results) if going_on else None

    def look_at(slide: str) -> SlideStatus:
        return _look(SlideFolder(results, slide), going_on, asked, keep_maps)

    return list(ordered_map(look_at, slides, READERS))


def _look(made: SlideFolder, going_on: bool, asked: Asked | None, keep_maps: bool) -> SlideStatus:
    work = {work.name: work for work in unfinished(made.folder)}
    missing = missing_files(made, keep_maps=keep_maps)
    stages, last = dict.fromkeys(ORDER, StageStatus()), ""
    for stage in ORDER:
        if stage in work:
            stages[stage] = _unfinished(work[stage], going_on, asked)
        elif stage in missing and not going_on:
            stages[stage] = StageStatus(reported=in_words(missing[stage]))
        if {stage} & {*work, *missing} or stage not in made.ended or made.is_overtaken(stage):
            break
        if asked and asked.redoes(made, stage):
            break
        stages[stage], last = StageStatus("done"), stage
    if last and made.rejection([last]):
        stages |= _rejected(made, last)
    current = {stage: made.ended[stage] for stage in ORDER if stages[stage].state in FINISHED}
    return SlideStatus(made.slide, stages, current)


def _unfinished(work: Path, going_on: bool, asked: Asked | None) -> StageStatus:
    """A stage whose work folder is there: it is at work, failed, was stopped, or its turn comes again in this run."""
    if living_owner(work / OWNER):
        return _progress(work)
    reason = reason_of(work)
    if reason and not (asked and asked.retries(work)):
        return StageStatus("failed", reason)
    if going_on:
        return StageStatus()
    return StageStatus("failed", STOPPED)


def _progress(work: Path) -> StageStatus:
    try:
        content = json.loads((work / "progress.json").read_text(encoding="utf-8"))
        done, total = int(content["done"]), int(content["total"])
        return StageStatus("running", f"{done:,} of {total:,} {content['unit']}", done / total)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return StageStatus("running")


def _rejected(made: SlideFolder, last: str) -> dict[str, StageStatus]:
    """The stages up to ``last`` that rejected the slide."""
    found = ((stage, made.rejection([stage])) for stage in stages_up_to(last))
    return {stage: StageStatus("rejected", rejected[1]) for stage, rejected in found if rejected}
