"""A run while it goes on, on a terminal: a line per slide with the time of day, and bars below."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from pathopipe.results.unfinished import work_folder
from pathopipe.running.progress import Progress
from pathopipe.running.progress_lines import ProgressLines, dated

_LOOK_S = 10.0
"""Time between two estimates of what is left; they look at all slides."""


def say(line: str) -> None:
    """Print a line with the time of day, at once."""
    click.echo(dated(line))


def follow(events: Iterable[Mapping[str, Any]], lines: ProgressLines, bars: bool) -> Progress:
    """Take in the events to their end and print what is worth a line; returns how far the run came."""
    progress = Progress()
    if bars:
        _Bars(lines, progress).follow(events)
    else:
        for event in events:
            progress.take(event)
            for line in lines.of(progress):
                say(line)
    return progress


class _Bars:
    """A bar for the slides, one for the jobs, and one for each running stage that counts something."""

    def __init__(self, lines: ProgressLines, progress: Progress) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
        from rich.progress import Progress as RichProgress

        self._lines, self._progress = lines, progress
        columns = (
            TextColumn("{task.description:<24}", markup=False),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}", markup=False),
        )
        self._bars = RichProgress(*columns, transient=True)
        self._slides = self._bars.add_task("slides", total=None, unit="")
        self._jobs = self._bars.add_task("jobs", total=None, unit="")
        self._stages: dict[int, TaskID] = {}
        self._next_look = 0.0

    def follow(self, events: Iterable[Mapping[str, Any]]) -> None:
        reader = threading.Thread(target=self._read, args=(events,), daemon=True)
        with self._bars:
            reader.start()
            while reader.is_alive():
                reader.join(0.3)
                self._update()
        self._print(say)

    def _read(self, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            self._progress.take(event)

    def _print(self, show: Callable[[str], None]) -> None:
        for line in self._lines.of(self._progress):
            show(line)

    def _print_above(self, line: str) -> None:
        self._bars.console.print(dated(line), markup=False, highlight=False, soft_wrap=True)

    def _update(self) -> None:
        self._print(self._print_above)
        self._look()
        planned = self._progress.planned
        self._bars.update(self._slides, completed=len(self._lines.ended), total=planned.get(self._lines.last))
        self._bars.update(self._jobs, completed=self._progress.done, total=planned.get("total"))
        running = dict(self._progress.running)
        for job in [job for job in self._stages if job not in running]:
            self._bars.remove_task(self._stages.pop(job))
        for job, (stage, slide) in running.items():
            if job not in self._stages:
                self._stages[job] = self._bars.add_task(f"  {stage} {slide}"[:24], total=None, unit="")
            self._bars.update(self._stages[job], **_counts(self._lines.results, slide, stage))

    def _look(self) -> None:
        """Say what is left; where looking takes long, less often."""
        begin = time.monotonic()
        if self._progress.planned and begin >= self._next_look:
            self._bars.update(self._slides, unit=self._lines.left())
            end = time.monotonic()
            self._next_look = end + max(_LOOK_S, 20 * (end - begin))


def _counts(results: Path, slide: str, stage: str) -> dict[str, Any]:
    try:
        content = json.loads((work_folder(results, slide, stage) / "progress.json").read_text(encoding="utf-8"))
        return {"completed": content["done"], "total": content["total"], "unit": content["unit"]}
    except (OSError, ValueError, KeyError):
        return {}
