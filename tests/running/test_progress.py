"""How far a run is, by the events of Snakemake's process."""

from typing import Any

from pathopipe.running.progress import Progress, StageEvent


def started(job: int, stage: str, slide: str, grouped: bool = False) -> dict[str, Any]:
    return {"what": "started", "job": job, "stage": stage, "slide": slide, "grouped": grouped}


def finished(job: int) -> dict[str, Any]:
    return {"what": "finished", "job": job}


def failed(job: int, grouped: bool = False) -> dict[str, Any]:
    return {"what": "failed", "job": job, "grouped": grouped, "said": ""}


def progress_after(*events: dict[str, Any]) -> Progress:
    progress = Progress()
    for event in events:
        progress.take(event)
    return progress


GROUP = (started(7, "grade", "s0", grouped=True), started(8, "report", "s0", grouped=True), started(12, "detect", "s1"))


def test_jobs_of_a_group_are_not_taken_for_running_but_their_end_is_noticed() -> None:
    progress = progress_after(*GROUP, finished(7), finished(8))
    assert progress.running == {12: ("detect", "s1")}
    assert list(progress.events) == [StageEvent("finished", stage, "s0") for stage in ("grade", "report")]


def test_of_a_group_that_failed_every_job_may_have_and_is_tried_again() -> None:
    progress = progress_after(*GROUP, failed(7, grouped=True), failed(8, grouped=True), *GROUP[:2])
    assert list(progress.events) == [
        StageEvent(what, stage, "s0", grouped=True) for what in ("failed", "again") for stage in ("grade", "report")
    ]
    assert progress.running == {12: ("detect", "s1")}


def test_a_failure_is_noticed_when_it_happens_and_that_the_job_is_tried_again() -> None:
    planned = {"what": "planned", "jobs": {"segment": 1, "report": 1, "total": 2}}
    job = started(20, "segment", "s2")
    progress = progress_after(planned, job, failed(20))
    assert (progress.running, progress.events[-1]) == ({}, StageEvent("failed", "segment", "s2"))
    for event in (job, finished(20), {"what": "progress", "done": 1, "total": 2}):
        progress.take(event)
    assert [event.what for event in progress.events] == ["failed", "again", "finished"]
    assert progress.planned == {"segment": 1, "report": 1, "total": 2}
    assert (progress.done, progress.total, progress.running) == (1, 2, {})


def test_the_rule_that_names_all_files_is_no_stage_and_the_cohort_is_no_slides() -> None:
    progress = progress_after(started(0, "all", ""), started(1, "cohort", ""), finished(0), finished(1))
    assert progress.jobs == {1: ("cohort", "")}
    assert not progress.events
