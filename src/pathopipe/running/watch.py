"""What Snakemake's log tells of a run."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

_RULE = re.compile(r"^( *)(?:local)?rule (\w+):")  # jobs that are submitted as a group are indented
_JOB = re.compile(r"^ +jobid: (\d+)")
_SLIDE = re.compile(r"^ +wildcards: slide=([\w-]+)")
_FINISHED = re.compile(r"^Finished jobid: (\d+)")
_STEPS = re.compile(r"^(\d+) of (\d+) steps")
_ERROR = re.compile(r"^Error in rule (\w+):")
_ERRORS = re.compile(r"^    jobs:$")  # of a group that failed, of whose jobs some may have succeeded
_AGAIN = re.compile(r"^Trying to restart job (\d+)\.")
_NOTHING = re.compile(r"^Nothing to be done")
_COUNT = re.compile(r"^(\w+) +(\d+)$")


@dataclass(frozen=True)
class Event:
    """Something that happened to a stage of a slide.

    Attributes
    ----------
    grouped
        Whether it was one of a group that failed, of which it is not known whose fault it was.
    """

    what: Literal["finished", "failed", "again"]
    stage: str
    slide: str
    grouped: bool = False


@dataclass
class State:
    """What is known from the log so far.

    Attributes
    ----------
    running
        Job number -> (stage, slide); of jobs that wait for others of their group it is not known.
    done, total
        Jobs.
    planned
        Jobs of this run by stage; none before Snakemake knows.
    idle
        Whether there is nothing to do.
    events
        What happened and has not been told yet, in order.
    """

    running: dict[int, tuple[str, str]] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    planned: dict[str, int] = field(default_factory=dict)
    idle: bool = False
    events: deque[Event] = field(default_factory=deque)
    _rule: str = ""
    _job: int = -1
    _grouped: bool = False
    _failing: bool = False
    _submitted: dict[int, tuple[str, str]] = field(default_factory=dict)
    _known: dict[int, tuple[str, str]] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Take in one line of Snakemake's log."""
        if match := _RULE.match(line):
            self._grouped, self._rule, self._job = bool(match[1]), match[2], -1
            self._failing &= self._grouped
        elif match := _JOB.match(line):
            self._take(int(match[1]))
        elif match := _SLIDE.match(line):
            self._start(match[1])
        elif match := _FINISHED.match(line):
            self._finish(int(match[1]))
        elif match := _STEPS.match(line):
            self.done, self.total = int(match[1]), int(match[2])
        elif _ERROR.match(line) or _ERRORS.match(line):
            self._rule, self._job, self._failing, self._grouped = "", -1, True, bool(_ERRORS.match(line))
        elif match := _AGAIN.match(line):
            self._tell("again", int(match[1]))
        elif not self.total and (match := _COUNT.match(line)):
            self.planned[match[1]] = int(match[2])
        elif line.strip() and not line.startswith(" "):
            self._failing, self.idle = False, bool(_NOTHING.match(line)) or self.idle

    def read_all(self, lines: Iterable[str]) -> None:
        """Take in the log to its end."""
        for line in lines:
            self.read(line)

    def _take(self, job: int) -> None:
        self._job = job
        if self._failing:
            self.running.pop(job, None)
            self._tell("failed", job)
        else:
            self._start("")

    def _start(self, slide: str) -> None:
        if self._rule and self._rule != "all" and self._job >= 0 and not self._failing:
            jobs = self._submitted if self._grouped else self.running
            jobs[self._job] = self._known[self._job] = (self._rule, slide)

    def _finish(self, job: int) -> None:
        self._submitted.pop(job, None)
        self.running.pop(job, None)
        self._tell("finished", job)

    def _tell(self, what: Literal["finished", "failed", "again"], job: int) -> None:
        stage, slide = self._known.get(job, ("", ""))
        if slide:
            self.events.append(Event(what, stage, slide, self._grouped and what == "failed"))
