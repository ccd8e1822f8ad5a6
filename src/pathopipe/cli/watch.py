"""Watching a run of Snakemake: its log in, what is going on out."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_RULE = re.compile(r"^( *)(?:local)?rule (\w+):")  # jobs that are submitted as a group are indented
_JOB = re.compile(r"^ +jobid: (\d+)")
_SLIDE = re.compile(r"^ +wildcards: slide=([\w-]+)")
_FINISHED = re.compile(r"^Finished jobid: (\d+)")
_STEPS = re.compile(r"^(\d+) of (\d+) steps")
_ERROR = re.compile(r"^Error in rule (\w+):")


@dataclass
class State:
    """What is known from the log so far.

    Attributes
    ----------
    running
        Job number -> (stage, slide); of jobs that wait for others of their group it is not known.
    done, total
        Jobs.
    finished_slides
        Ids of the slides whose report was written in this run.
    """

    running: dict[int, tuple[str, str]] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    finished_slides: list[str] = field(default_factory=list)
    _rule: str = ""
    _job: int = -1
    _grouped: bool = False
    _submitted: dict[int, tuple[str, str]] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Take in one line of Snakemake's log."""
        if match := _RULE.match(line):
            self._grouped, self._rule, self._job = bool(match[1]), match[2], -1
        elif match := _JOB.match(line):
            self._job = int(match[1])
            self._start("")
        elif match := _SLIDE.match(line):
            self._start(match[1])
        elif match := _FINISHED.match(line):
            self._finish(int(match[1]))
        elif match := _STEPS.match(line):
            self.done, self.total = int(match[1]), int(match[2])
        elif _ERROR.match(line):
            self._rule, self._job = "", -1

    def read_all(self, lines: Iterable[str]) -> None:
        """Take in the log to its end."""
        for line in lines:
            self.read(line)

    def _start(self, slide: str) -> None:
        if self._rule and self._rule != "all" and self._job >= 0:
            jobs = self._submitted if self._grouped else self.running
            jobs[self._job] = (self._rule, slide)

    def _finish(self, job: int) -> None:
        of_a_group = self._submitted.pop(job, ("", ""))
        stage, slide = self.running.pop(job, of_a_group)
        if stage == "report":
            self.finished_slides.append(slide)


def follow(lines: Iterable[str], results: Path, slides: int, show: bool) -> State:
    """Read the log to its end; show bars on a terminal, else one line per finished slide."""
    state = State()
    if not show:
        for line in lines:
            before = len(state.finished_slides)
            state.read(line)
            for slide in state.finished_slides[before:]:
                print(f"  {slide}: report written ({len(state.finished_slides)} of {slides})", flush=True)  # noqa: T201
        return state
    _Bars(results, slides).follow(lines, state)
    return state


class _Bars:
    """A bar for the slides, one for the jobs, and one for each running stage that counts something."""

    def __init__(self, results: Path, slides: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._results = results
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
        )
        self._progress = Progress(*columns, TimeElapsedColumn(), transient=True)
        self._slides = self._progress.add_task("slides", total=slides, unit="slides")
        self._jobs = self._progress.add_task("workflow", total=None, unit="jobs")
        self._stages: dict[int, object] = {}

    def follow(self, lines: Iterable[str], state: State) -> None:
        import threading

        reader = threading.Thread(target=state.read_all, args=(lines,), daemon=True)
        with self._progress:
            reader.start()
            while reader.is_alive():
                reader.join(0.3)
                self._update(state)

    def _update(self, state: State) -> None:
        self._progress.update(self._slides, completed=len(state.finished_slides))
        self._progress.update(self._jobs, completed=state.done, total=state.total or None)
        running = dict(state.running)
        for job in [job for job in self._stages if job not in running]:
            self._progress.remove_task(self._stages.pop(job))  # type: ignore[arg-type]  # rich's TaskID is an int
        for job, (stage, slide) in running.items():
            if job not in self._stages:
                self._stages[job] = self._progress.add_task(f"  {stage} {slide}"[:28], total=None, unit="")
            self._progress.update(self._stages[job], **_progress_of(self._results, slide, stage))  # type: ignore[arg-type]


def _progress_of(results: Path, slide: str, stage: str) -> dict[str, object]:
    try:
        content = json.loads((results / slide / ".work" / stage / "progress.json").read_text(encoding="utf-8"))
        return {"completed": content["done"], "total": content["total"], "unit": content["unit"]}
    except (OSError, ValueError, KeyError):
        return {}
