"""What a run says while it goes on: a line per slide with the time of day, and bars in a terminal."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from pathopipe.cli.options import about
from pathopipe.errors import ArtifactError
from pathopipe.files import LINK
from pathopipe.jobs.leftovers import FAULT, STOPPED, reason_of, work_folder
from pathopipe.record import MANIFEST
from pathopipe.results.documents import read_json
from pathopipe.results.links import find_links, of_results
from pathopipe.running.watch import Event, State

_COMPLAINT = re.compile(r"^(pathopipe: |\w*(Error|Exception)\b|Killed)")
_LOOK_S = 10.0
"""Time between two estimates of what is left; they look at all slides."""


def say(line: str) -> None:
    """Print a line with the time of day, at once."""
    click.echo(dated(line))


def dated(line: str) -> str:
    """Put the time of day before a line."""
    return f"{time.strftime('%H:%M:%S')} {line}"


@dataclass
class News:
    """What is worth a line: each slide that is finished, rejected or failed, once.

    Attributes
    ----------
    slides
        Those that the run was asked for.
    last
        The stage that it ends with.
    ended
        Slides that a line was about.
    """

    results: Path
    slides: tuple[str, ...]
    last: str
    ended: set[str] = field(default_factory=set)

    def of(self, state: State) -> Iterator[str]:
        """Lines about what happened since this was asked last."""
        while state.events:
            event = state.events.popleft()
            if line := self._line(event):
                yield f"{line}{self._count(state) if event.slide in self.ended else ''}"

    def left(self) -> str:
        """How long the rest takes, in words."""
        from pathopipe.status.estimate import seconds_left
        from pathopipe.status.slides import look

        return f"{about(seconds_left(self.results, look(self.results, self.slides), self.last))} left"

    def _line(self, event: Event) -> str | None:
        stage, slide = event.stage, event.slide
        if event.what == "again":
            self.ended.discard(slide)
            return f"{slide}: {stage} is tried again"
        if event.what == "failed":
            reason = why(self.results, slide, stage)
            if event.grouped and not reason:
                return None
            self.ended.add(slide)
            return f"{slide}: {stage} failed: {reason or STOPPED}"
        if slide in self.ended or not (end := self._end(slide, stage)):
            return None
        self.ended.add(slide)
        return f"{slide}: {end}"

    def _end(self, slide: str, stage: str) -> str | None:
        try:
            manifest = read_json(self.results / slide / stage / MANIFEST)
        except ArtifactError:
            return None
        if manifest.get("state") == "rejected":
            return f"rejected: {manifest.get('reason')}"
        return f"done{up_to(self.last)}" if stage == self.last else None

    def _count(self, state: State) -> str:
        total = state.planned.get(self.last)
        return f" ({len(self.ended):,} of {total:,})" if total else ""


def up_to(last: str) -> str:
    """Say where a run ends that does not end with the reports."""
    return "" if last == "report" else f" up to {last}"


def why(results: Path, slide: str, stage: str) -> str | None:
    """Why a stage failed, by the last line of its log, or as it noted itself; None where neither says.

    The note names no path of the machine, the log does, unless it is of an earlier time. Where there are symbolic links
    by now, there may be neither.
    """
    work, log = work_folder(results, slide, stage), results / slide / "logs" / f"{stage}.log"
    reason = reason_of(work)
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        late = reason is None or log.stat().st_mtime >= (work / FAULT).stat().st_mtime
    except OSError:
        lines, late = [], False
    if late and lines and _COMPLAINT.match(lines[-1]):
        return lines[-1].removeprefix("pathopipe: ")
    links = find_links(results, of_results([slide]))
    return f"{links[0]}: {LINK}" if links else reason


def follow(lines: Iterable[str], news: News, show: bool) -> None:
    """Read the log to its end and tell the news, with bars on a terminal."""
    state = State()
    if show:
        _Bars(news, state).follow(lines)
    else:
        for line in lines:
            state.read(line)
            for reported in news.of(state):
                say(reported)
    if state.idle:
        say("nothing to do: all is up to date")


class _Bars:
    """A bar for the slides, one for the jobs, and one for each running stage that counts something."""

    def __init__(self, news: News, state: State) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._news, self._state = news, state
        columns = (
            TextColumn("{task.description:<24}", markup=False),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}", markup=False),
        )
        self._progress = Progress(*columns, transient=True)
        self._slides = self._progress.add_task("slides", total=None, unit="")
        self._jobs = self._progress.add_task("jobs", total=None, unit="")
        self._stages: dict[int, object] = {}
        self._next_look = 0.0

    def follow(self, lines: Iterable[str]) -> None:
        reader = threading.Thread(target=self._state.read_all, args=(lines,), daemon=True)
        with self._progress:
            reader.start()
            while reader.is_alive():
                reader.join(0.3)
                self._update()
        self._tell(say)

    def _tell(self, tell: Callable[[str], None]) -> None:
        for line in self._news.of(self._state):
            tell(line)

    def _print(self, line: str) -> None:
        self._progress.console.print(dated(line), markup=False, highlight=False, soft_wrap=True)

    def _update(self) -> None:
        state = self._state
        self._tell(self._print)
        self._look()
        self._progress.update(self._slides, completed=len(self._news.ended), total=state.planned.get(self._news.last))
        self._progress.update(self._jobs, completed=state.done, total=state.planned.get("total"))
        running = dict(state.running)
        for job in [job for job in self._stages if job not in running]:
            self._progress.remove_task(self._stages.pop(job))  # type: ignore[arg-type]  # rich's TaskID is an int
        for job, (stage, slide) in running.items():
            if job not in self._stages:
                self._stages[job] = self._progress.add_task(f"  {stage} {slide}"[:24], total=None, unit="")
            progress = _progress_of(self._news.results, slide, stage)
            self._progress.update(self._stages[job], **progress)  # type: ignore[arg-type]

    def _look(self) -> None:
        """Say what is left; where looking takes long, less often."""
        begin = time.monotonic()
        if self._state.planned and begin >= self._next_look:
            self._progress.update(self._slides, unit=self._news.left())
            end = time.monotonic()
            self._next_look = end + max(_LOOK_S, 20 * (end - begin))


def _progress_of(results: Path, slide: str, stage: str) -> dict[str, object]:
    try:
        content = json.loads((results / slide / ".work" / stage / "progress.json").read_text(encoding="utf-8"))
        return {"completed": content["done"], "total": content["total"], "unit": content["unit"]}
    except (OSError, ValueError, KeyError):
        return {}
