"""What a run says of its slides: each once, when it is known, with the reason."""

import os
import re
from pathlib import Path

import pytest

from pathopipe.cli.progress_bars import follow
from pathopipe.results.documents import write_json
from pathopipe.running.progress import Progress, StageEvent
from pathopipe.running.progress_lines import ProgressLines, why
from tests.made import manifest
from tests.running.test_progress import failed, finished, started


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """One slide that was rejected, one that is fine, one that failed and says why, one whose log does."""
    for stage in ("tissue", "report"):
        content = {"state": "rejected", "reason": "the slide is blank"}
        write_json(tmp_path / "blank" / stage / "manifest.json", manifest(stage, "blank", **content))
        write_json(tmp_path / "fine" / stage / "manifest.json", manifest(stage, "fine"))
    write_json(tmp_path / "full" / ".work" / "detect" / "fault.json", {"reason": "the disk is full"})
    for slide, line in (("logged", "pathopipe: no space"), ("killed", "killed tissue: 3 cells")):
        (tmp_path / slide / "logs").mkdir(parents=True)
        (tmp_path / slide / "logs" / "detect.log").write_text(f"Traceback\n{line}\n")
    return tmp_path


def reported(results: Path, *events: StageEvent, last: str = "report") -> list[str]:
    progress = Progress(planned={last: 5})
    progress.events.extend(events)
    return list(ProgressLines(results, (), last).of(progress))


def test_a_rejection_is_told_by_the_stage_that_made_it_and_once(results: Path) -> None:
    events = [StageEvent("finished", stage, "blank") for stage in ("tissue", "report")]
    assert reported(results, *events) == ["blank: rejected: the slide is blank (1 of 5)"]


def test_a_slide_is_done_with_the_last_stage_that_was_asked_for(results: Path) -> None:
    assert reported(results, *(StageEvent("finished", stage, "fine") for stage in ("tissue", "report"))) == [
        "fine: done (1 of 5)"
    ]
    assert reported(results, StageEvent("finished", "tissue", "fine"), last="tissue") == [
        "fine: done up to tissue (1 of 5)"
    ]


def test_a_failure_is_told_with_its_reason(results: Path) -> None:
    lines = reported(results, *(StageEvent("failed", "detect", slide) for slide in ("full", "logged", "killed")))
    assert lines == [
        "full: detect failed: the disk is full (1 of 5)",
        "logged: detect failed: no space (2 of 5)",
        "killed: detect failed: was stopped before it finished, or ran out of memory: run again (3 of 5)",
    ]


def test_a_failure_is_told_with_its_reason_also_where_the_next_try_has_begun_its_log(results: Path) -> None:
    log = results / "logged" / "logs" / "detect.log"
    log.write_text("")
    events = [StageEvent("failed", "detect", "logged", said=said) for said in ("pathopipe: no space", "42 tiles")]
    assert reported(results, *events) == [
        "logged: detect failed: no space (1 of 5)",
        "logged: detect failed: was stopped before it finished, or ran out of memory: run again (1 of 5)",
    ]


def test_the_log_of_a_failure_tells_its_path_unless_it_is_of_an_earlier_time(results: Path) -> None:
    log = results / "full" / "logs" / "detect.log"
    log.parent.mkdir()
    log.write_text("Traceback\npathopipe: /a b/results: the disk is full\n")
    assert why(results, "full", "detect") == "/a b/results: the disk is full"
    os.utime(log, (1, 1))
    assert why(results, "full", "detect") == "the disk is full"


def test_a_slide_that_is_tried_again_is_not_at_its_end(results: Path) -> None:
    again = [
        StageEvent("failed", "detect", "full"),
        StageEvent("again", "detect", "full"),
        StageEvent("finished", "report", "fine"),
    ]
    assert reported(results, *again)[1:] == ["full: detect is tried again", "fine: done (1 of 5)"]


def test_of_a_group_only_the_job_is_named_that_says_it_failed(results: Path) -> None:
    events = [StageEvent("failed", "detect", slide, grouped=True) for slide in ("full", "killed")]
    assert reported(results, *events) == ["full: detect failed: the disk is full (1 of 5)"]


@pytest.mark.parametrize("bars", [True, False])
def test_a_line_per_slide_with_the_time_of_day_also_beside_bars(
    results: Path, capsys: pytest.CaptureFixture[str], bars: bool
) -> None:
    events = [started(1, "tissue", "blank"), finished(1), started(2, "detect", "full"), failed(2)]
    follow(events, ProgressLines(results, ("blank", "full"), "report"), bars)
    lines = [line for line in capsys.readouterr().out.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    assert [line[9:] for line in lines] == [
        "blank: rejected: the slide is blank",
        "full: detect failed: the disk is full",
    ]


def test_of_a_group_that_is_tried_again_only_slides_are_named_that_failed(results: Path) -> None:
    failures = [StageEvent("failed", "detect", slide, grouped=True) for slide in ("full", "killed")]
    again = [
        StageEvent("again", stage, slide, grouped=True) for slide in ("full", "killed") for stage in ("detect", "grade")
    ]
    assert reported(results, *failures, *again)[1:] == ["full: detect is tried again"]
