"""How far a run is, by the events of Snakemake's process."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

_ALL: Final = "all"
"""The rule that only names what is to be made."""


@dataclass(frozen=True)
class StageEvent:
    """Something that happened to a stage of a slide.

    Attributes
    ----------
    grouped
        Whether it is one of a group that is submitted together; of a group that failed it is not known whose fault it
        was.
    said
        Of one that failed, the last line of its log at that time.
    """

    what: Literal["finished", "failed", "again"]
    stage: str
    slide: str
    grouped: bool = False
    said: str = ""


@dataclass
class Progress:
    """What is known so far.

    Attributes
    ----------
    running
        Job number -> (stage, slide); of jobs that wait for others of their group it is not known.
    jobs
        The same of all jobs that were started.
    done, total
        Jobs.
    planned
        Jobs of this run by stage, and their ``total``; none before Snakemake knows, or where there is nothing to do.
    events
        What happened and has not been reported yet, in order.
    warnings
        Sentences about Snakemake's process that have not been reported yet.
    """

    running: dict[int, tuple[str, str]] = field(default_factory=dict)
    jobs: dict[int, tuple[str, str]] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    planned: dict[str, int] = field(default_factory=dict)
    events: deque[StageEvent] = field(default_factory=deque)
    warnings: deque[str] = field(default_factory=deque)
    _failed: set[int] = field(default_factory=set)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in an event."""
        match event["what"]:
            case "planned":
                self.planned.update(event["jobs"])
            case "warning":
                self.warnings.append(event["sentence"])
            case "progress":
                self.done, self.total = event["done"], event["total"]
            case "started" if event["stage"] != _ALL:
                self._start(event["job"], (event["stage"], event["slide"]), event["grouped"])
            case "finished":
                self.running.pop(event["job"], None)
                self._report("finished", event["job"])
            case "failed":
                self.running.pop(event["job"], None)
                self._failed.add(event["job"])
                self._report("failed", event["job"], event["grouped"], event["said"])

    def _start(self, job: int, about: tuple[str, str], grouped: bool) -> None:
        self.jobs[job] = about
        if not grouped:
            self.running[job] = about
        if job in self._failed:
            self._failed.remove(job)
            self._report("again", job, grouped)

    def _report(
        self, what: Literal["finished", "failed", "again"], job: int, grouped: bool = False, said: str = ""
    ) -> None:
        stage, slide = self.jobs.get(job, ("", ""))
        if slide:
            self.events.append(StageEvent(what, stage, slide, grouped, said))
