"""What Snakemake's process tells `pathopipe run`: a marked line of JSON on its standard output for each event.

The events are those of Snakemake's interface for logger plugins (9.20 to 9.27). They come by a handler of its logger
that the Snakefile adds: an installed plugin would have to be chosen by ``--logger``, in place of one that a profile
chooses.
"""

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

_MARK: Final = "\x1fevent "
"""Begins an event, also where a job has begun a line."""
_ASKED: Final = "PATHOPIPE_EVENTS"
ASK_FOR_EVENTS: Final = MappingProxyType({_ASKED: "1"})
"""In the environment of Snakemake's process."""
_SNAKEMAKE: Final = logging.getLogger("snakemake.logging")
_WARNING: Final = "pathopipe_warning"


def send_events() -> None:
    """Let Snakemake's logger send its events, if its process was asked for them; jobs that it starts are not."""
    if os.environ.pop(_ASKED, None):
        _SNAKEMAKE.addHandler(_Sender())


def send_warning(sentence: str) -> None:
    """Warn the user of something about this process: in Snakemake's log, and by an event where these were asked for."""
    _SNAKEMAKE.warning(f"warning: {sentence}", extra={"event": _WARNING, "sentence": sentence})


def receive_events(output: Iterable[str], keep: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Take the events out of what a process writes; what else there is, is given to ``keep``."""
    for line in output:
        text, _, event = line.partition(_MARK)
        if text:
            keep(text)
        if event:
            yield json.loads(event)


class _Sender(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if describe := _EVENTS.get(str(getattr(record, "event", ""))):
            try:
                os.write(1, f"{_MARK}{json.dumps(describe(record))}\n".encode())
            except Exception:  # noqa: BLE001 (as all handlers: a run does not fail by its log)
                self.handleError(record)


def _started(record: Any) -> dict[str, Any]:
    slide = record.wildcards.get("slide", "")
    return {"what": "started", "job": record.jobid, "stage": record.rule_name, "slide": slide, "grouped": record.indent}


def _failed(record: Any) -> dict[str, Any]:
    """With the last line of the job's log: who reads the event later may find that of the next try."""
    said = ""
    with contextlib.suppress(OSError, IndexError):
        said = Path(record.log[0]).read_text(encoding="utf-8", errors="replace").splitlines()[-1]
    return {"what": "failed", "job": record.jobid, "grouped": record.indent, "said": said}


_EVENTS: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = MappingProxyType(
    {
        _WARNING: lambda record: {"what": "warning", "sentence": record.sentence},
        "run_info": lambda record: {"what": "planned", "jobs": record.stats},
        "job_info": _started,
        "job_finished": lambda record: {"what": "finished", "job": record.job_id},
        "job_error": _failed,
        "progress": lambda record: {"what": "progress", "done": record.done, "total": record.total},
    }
)
