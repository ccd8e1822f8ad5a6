"""What a run says of its slides while it goes on: each once, when it is finished, rejected or failed, and why."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pathopipe.errors import ArtifactError
from pathopipe.files import LINK
from pathopipe.pipeline import ORDER
from pathopipe.results.folder import SlideFolder
from pathopipe.results.links import find_links, of_results
from pathopipe.results.unfinished import FAULT, STOPPED, reason_of, work_folder
from pathopipe.running.progress import Progress, StageEvent
from pathopipe.status.estimate import seconds_left
from pathopipe.status.slides import look
from pathopipe.wording import duration

_COMPLAINT: Final = re.compile(r"^(pathopipe: |\w*(Error|Exception)\b|Killed)")


def dated(line: str) -> str:
    """Put the time of day before a line."""
    return f"{time.strftime('%H:%M:%S')} {line}"


def up_to(last: str) -> str:
    """Say where a run ends that does not end with the reports."""
    return "" if last == ORDER[-1] else f" up to {last}"


@dataclass
class ProgressLines:
    """Makes a line of what is worth one.

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
    keep_maps: bool = True
    ended: set[str] = field(default_factory=set)

    def of(self, progress: Progress) -> Iterator[str]:
        """Lines about what happened since this was asked last."""
        while progress.warnings:
            yield f"warning: {progress.warnings.popleft()}"
        while progress.events:
            event = progress.events.popleft()
            if line := self._line(event):
                yield f"{line}{self._count(progress) if event.slide in self.ended else ''}"

    def left(self) -> str:
        """How long the rest takes, in words."""
        found = look(self.results, self.slides, keep_maps=self.keep_maps)
        return f"{duration(seconds_left(self.results, found, self.last))} left"

    def _line(self, event: StageEvent) -> str | None:
        if event.what == "again":
            return self._again(event)
        if event.what == "failed":
            return self._failure(event)
        if event.slide in self.ended or not (end := self._end(event.slide, event.stage)):
            return None
        self.ended.add(event.slide)
        return f"{event.slide}: {end}"

    def _again(self, event: StageEvent) -> str | None:
        """Of a group only slides whose failure was reported are reported to be tried again, once for all stages."""
        if event.grouped and event.slide not in self.ended:
            return None
        self.ended.discard(event.slide)
        return f"{event.slide}: {event.stage} is tried again"

    def _failure(self, event: StageEvent) -> str | None:
        reason = why(self.results, event.slide, event.stage)
        if event.grouped and not reason:
            return None
        self.ended.add(event.slide)
        return f"{event.slide}: {event.stage} failed: {reason or _complaint(event.said) or STOPPED}"

    def _end(self, slide: str, stage: str) -> str | None:
        try:
            manifest = SlideFolder(self.results, slide).manifest(stage)
        except ArtifactError:
            return None
        if manifest["state"] == "rejected":
            return f"rejected: {manifest['reason']}"
        return f"done{up_to(self.last)}" if stage == self.last else None

    def _count(self, progress: Progress) -> str:
        total = progress.planned.get(self.last)
        return f" ({len(self.ended):,} of {total:,})" if total else ""


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
    if late and lines and (complaint := _complaint(lines[-1])):
        return complaint
    links = find_links(results, of_results([slide]))
    return f"{links[0]}: {LINK}" if links else reason


def _complaint(line: str) -> str | None:
    """What a log's last line complains of."""
    return line.removeprefix("pathopipe: ") if _COMPLAINT.match(line) else None
