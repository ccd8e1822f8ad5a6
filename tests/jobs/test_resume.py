"""A stage that is killed at any moment goes on from what it had finished, and ends with the same bytes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pathopipe.errors import FaultError
from pathopipe.jobs.execution import execute
from pathopipe.jobs.journal import Journal
from pathopipe.jobs.ownership import Lock
from pathopipe.models.base import Part
from pathopipe.pipeline import Config
from pathopipe.results.unfinished import unfinished
from pathopipe.samples import Sample

STAGES = ("tissue", "quality", "tiles", "detect", "segment", "features")
KILLS = 7
CONFIG = Config.model_validate({"tiles": {"size": 256}})
RUN = """
import sys
from pathlib import Path
from pathopipe.pipeline import Config
from pathopipe.samples import Sample
from pathopipe.jobs.execution import execute
stage, path, results = sys.argv[1:]
config = Config.model_validate({"tiles": {"size": 256}})
execute(stage, "s", Path(results), getattr(config, stage), Sample("s", Path(path), (0.5, 0.5)), 2)
"""


def command(stage: str, slide: Path, results: Path) -> list[str]:
    return [sys.executable, "-c", RUN, stage, str(slide), str(results)]


@pytest.fixture(scope="module")
def finished(small_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("finished")
    for stage in STAGES:
        execute(stage, "s", results, getattr(CONFIG, stage), Sample("s", small_slide, (0.5, 0.5)), 1)
    return results


def outputs(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "run.json"}


def pieces(work: Path) -> int:
    """Whole records of the stage's journal."""
    journals = list(work.glob("*/journal"))
    if not journals:
        return 0
    copy = work.parent.parent / "copy"
    shutil.copyfile(journals[0], copy)
    with Journal(copy, lambda: None) as journal:
        return len(journal)


@pytest.mark.parametrize("stage", ["detect", "segment", "features"])
def test_kills_at_random_moments_change_no_byte(stage: str, finished: Path, small_slide: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(finished, results)
    shutil.rmtree(results / "s" / stage)
    began = time.monotonic()
    subprocess.run(command(stage, small_slide, results), check=True)
    took = time.monotonic() - began
    shutil.rmtree(results / "s" / stage)
    rng, work, known = np.random.default_rng(5), results / "s" / ".work" / stage, 0
    for _ in range(KILLS):
        process = subprocess.Popen(command(stage, small_slide, results))
        time.sleep(rng.uniform(0.4, 1) * took)
        process.kill()
        process.wait()
        if not unfinished(results / "s"):  # it was finished already, or had not begun
            break
        assert not (results / "s" / stage / "manifest.json").exists()
        now = pieces(work)
        assert now >= known
        known = now
    subprocess.run(command(stage, small_slide, results), check=True)
    assert outputs(results / "s" / stage) == outputs(finished / "s" / stage)
    assert not (results / "s" / ".work").exists()


def test_what_was_finished_is_not_done_again(finished: Path, small_slide: Path, tmp_path: Path) -> None:
    """The model fails at a tile; the run after that does not look at the ones before."""
    from pathopipe.models.network_model import NetworkModel

    results, seen, predict = tmp_path / "results", list[int](), NetworkModel.predict
    shutil.copytree(finished, results)
    shutil.rmtree(results / "s" / "detect")

    def failing(model: NetworkModel, rgb: np.ndarray, part: Part | None = None) -> object:
        seen.append(rgb.size)
        if len(seen) == 8:
            raise OSError(5, "Input/output error")
        return predict(model, rgb, part)

    def run() -> dict:
        return execute("detect", "s", results, CONFIG.detect, Sample("s", small_slide, (0.5, 0.5)), 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkModel, "predict", failing)
        with pytest.raises(FaultError, match="Input/output error"):
            run()
        manifest = run()
    tiles, looks = manifest["counts"]["tiles"], sum(sight["windows"] for sight in manifest["scales"])
    # A thread may be at another tile, and finish one or two more, when the failure ends the job.
    assert tiles < len(seen) - looks <= tiles + 4
    assert outputs(results / "s" / "detect") == outputs(finished / "s" / "detect")


def test_pieces_of_other_parameters_are_thrown_away(finished: Path, small_slide: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(finished, results)
    shutil.rmtree(results / "s" / "segment")
    stale = results / "s" / ".work" / "segment" / "0123456789abcdef"
    stale.mkdir(parents=True)
    (stale / "journal").write_bytes(b"anything")
    execute("segment", "s", results, CONFIG.segment, Sample("s", small_slide, (0.5, 0.5)), 1)
    assert outputs(results / "s" / "segment") == outputs(finished / "s" / "segment")
    assert not (results / "s" / ".work").exists()


def test_a_stage_that_another_job_is_at_is_left_alone(finished: Path, small_slide: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(finished, results)
    lock = Lock(results / "s" / ".work" / "segment" / "owner.json")
    assert lock.take() is None
    with pytest.raises(FaultError, match=rf"slide s: process {os.getpid()} on .* is working on the stage 'segment'"):
        execute("segment", "s", results, CONFIG.segment, Sample("s", small_slide, (0.5, 0.5)), 1)
    lock.release()
    execute("segment", "s", results, CONFIG.segment, Sample("s", small_slide, (0.5, 0.5)), 1)


def test_a_job_that_was_silent_for_long_does_not_disturb_the_one_that_took_over(
    finished: Path, small_slide: Path, tmp_path: Path
) -> None:
    """A node hangs, its job is restarted elsewhere, and then the node wakes up."""
    results = tmp_path / "results"
    shutil.copytree(finished, results)
    shutil.rmtree(results / "s" / "detect")
    owner = results / "s" / ".work" / "detect" / "owner.json"
    process = subprocess.Popen(command("detect", small_slide, results), stderr=subprocess.PIPE, text=True)
    while not (owner.exists() and owner.read_text()) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    taken = json.dumps({"host": "elsewhere", "processes": {"1": "1"}})
    owner.write_text(taken)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate()
    assert process.returncode != 0
    assert "another job has taken over this work" in errors
    assert owner.read_text() == taken
    assert not (results / "s" / "detect" / "manifest.json").exists()


def test_a_slide_that_changes_while_it_is_read_is_a_fault(
    finished: Path, small_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathopipe.models.network_model import NetworkModel

    results, slide, predict = tmp_path / "results", tmp_path / "small.tiff", NetworkModel.predict
    shutil.copytree(finished, results)
    shutil.copyfile(small_slide, slide)

    def growing(model: NetworkModel, rgb: np.ndarray, part: Part | None = None) -> object:
        with slide.open("ab") as stream:
            stream.write(b"more")
        return predict(model, rgb, part)

    monkeypatch.setattr(NetworkModel, "predict", growing)
    before = outputs(results / "s" / "detect")
    with pytest.raises(FaultError, match="changed while it was read"):
        execute("detect", "s", results, CONFIG.detect, Sample("s", slide, (0.5, 0.5)), 1)
    assert outputs(results / "s" / "detect") == before


def test_too_little_memory_says_what_to_lower(
    finished: Path, small_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathopipe.models.network_model import NetworkModel

    def starving(*_: object) -> object:
        raise MemoryError

    results = tmp_path / "results"
    shutil.copytree(finished, results)
    monkeypatch.setattr(NetworkModel, "predict", starving)
    with pytest.raises(FaultError, match=r"ran out of memory: lower tiles\.size"):
        execute("detect", "s", results, CONFIG.detect, Sample("s", small_slide, (0.5, 0.5)), 1)
