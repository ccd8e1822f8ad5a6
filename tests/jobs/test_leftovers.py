"""What a killed job leaves is told from what a living one works in, whoever looks or cleans up."""

import json
import os
import shutil
from pathlib import Path

import pytest

from pathopipe.jobs import leftovers
from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.jobs.leftovers import sweep
from pathopipe.jobs.ownership import Lock
from pathopipe.pipeline import CohortSettings, Config
from pathopipe.results import unfinished as reading
from pathopipe.results.documents import write_json
from pathopipe.results.unfinished import STOPPED, fault_of, unfinished, work_folder
from pathopipe.samples import Sample
from pathopipe.status.verification import verify

CONFIG = Config()


class Killed(BaseException):
    """As by a signal: nothing is cleaned up after it."""


@pytest.fixture
def sample(small_slide: Path) -> Sample:
    return Sample("s", small_slide, (0.5, 0.5))


@pytest.fixture
def leftover(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder in which `tiles` was killed after its results were in place."""
    execute("tissue", "s", tmp_path, CONFIG.tissue, sample)
    execute("quality", "s", tmp_path, CONFIG.quality, sample)
    with monkeypatch.context() as patch:
        patch.setattr(leftovers, "remove", kill)
        with pytest.raises(Killed):
            execute("tiles", "s", tmp_path, CONFIG.tiles, sample)
    assert work_folder(tmp_path, "s", "tiles").exists()
    return tmp_path


def kill(*_: object) -> None:
    raise Killed


def test_a_leftover_is_no_fault_and_no_drift(leftover: Path, sample: Sample) -> None:
    assert fault_of(leftover / "s") is None
    assert not [line for line in verify(leftover, [sample]).drift if ".work" in line or "stopped" in line]


def test_a_job_that_is_killed_on_a_leftover_was_stopped(
    leftover: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its settings, what the job before it noted no longer holds."""
    for settings in (CONFIG.tiles, Config.model_validate({"tiles": {"size": 256}}).tiles):
        with monkeypatch.context() as patch:
            patch.setattr("pathopipe.stages.tiles.run", kill)
            with pytest.raises(Killed):
                execute("tiles", "s", leftover, settings, sample)
        assert fault_of(leftover / "s") == f"tiles: {STOPPED}"
        sweep(leftover / "s")
        assert unfinished(leftover / "s") == [work_folder(leftover, "s", "tiles")]


def test_what_a_living_job_owns_is_not_swept(leftover: Path) -> None:
    work = work_folder(leftover, "s", "tiles")
    lock = Lock(work / leftovers.OWNER)
    assert lock.take() is None
    sweep(leftover / "s")
    assert lock.held
    lock.release()
    sweep(leftover / "s")
    assert not work.parent.exists()


def test_a_leftover_that_cannot_be_removed_stops_nothing(
    leftover: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        patch.setattr(shutil, "rmtree", refuse)
        sweep(leftover / "s")
    assert work_folder(leftover, "s", "tiles").exists()
    execute_cohort(leftover, [sample], CohortSettings())
    assert not work_folder(leftover, "s", "tiles").exists()


def test_a_folder_that_vanishes_while_one_looks_is_no_fault(leftover: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(path: Path) -> dict:
        shutil.rmtree(path.parent)
        return dict(json.loads(path.read_text()))

    write_json(work_folder(leftover, "s", "tiles") / "fault.json", {"reason": "an earlier one"})
    monkeypatch.setattr(reading, "read_json", vanish)
    assert fault_of(leftover / "s") is None
