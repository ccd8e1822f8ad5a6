"""A stage is killed before each single change that it makes to the file system; the next job goes on from there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.pipeline import CohortSettings, Config
from pathopipe.results.unfinished import STOPPED, fault_of
from pathopipe.samples import Sample
from pathopipe.status.slides import look

EARLIER = {"tiles": {"size": 512}, "segment": {"foreground": 0.6}}
LATER = {"tiles": {"size": 256}, "segment": {"foreground": 0.5}}
UPSTREAM = {"tiles": ("tissue", "quality"), "segment": ("tissue", "quality", "tiles", "detect")}

# In a folder for each, jobs that are forks of one process are killed before their first, second, ... change.
RUN = """
import itertools, os, shutil, signal, sys
from pathlib import Path
from pathopipe.pipeline import Config
from pathopipe.samples import Sample
from pathopipe.stages import segment, tiles
from pathopipe.jobs.execution import execute
stage, path, template, folder, settings, step = sys.argv[1:]
settings = getattr(Config.model_validate_json(settings), stage)
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
left = 0

def die_before_a_change(event, arguments):
    global left
    if event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

for number in itertools.count(0, int(step)):
    results = Path(folder) / f"{number:03}"
    shutil.copytree(template, results)
    job = os.fork()
    if not job:
        left = number
        sys.addaudithook(die_before_a_change)
        execute(stage, "s", results, settings, Sample("s", Path(path), (0.5, 0.5)), 1)
        os._exit(0)
    if os.waitpid(job, 0)[1] == 0:
        break
"""


def settings(stage: str, values: dict) -> object:
    return getattr(Config.model_validate(values), stage)


def outputs(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "run.json"}


@pytest.mark.parametrize(("stage", "step"), [("tiles", 1), ("segment", 3)])
def test_a_kill_before_any_change(stage: str, step: int, small_slide: Path, tmp_path: Path) -> None:
    sample, template = Sample("s", small_slide, (0.5, 0.5)), tmp_path / "template"

    def work(results: Path, values: dict, *stages: str) -> dict[str, bytes]:
        for name in stages:
            execute(name, "s", results, settings(name, values), sample, 1)
        return outputs(results / "s" / stage)

    old = work(template, EARLIER, *UPSTREAM[stage], stage)
    new = work(Path(shutil.copytree(template, tmp_path / "unkilled")), LATER, stage)
    asked = Config.model_validate(LATER).model_dump_json()
    arguments = [stage, small_slide, template, tmp_path / "killed", asked, str(step)]
    subprocess.run([sys.executable, "-c", RUN, *arguments], check=True)
    *killed, ended = sorted((tmp_path / "killed").iterdir())
    assert len(killed) * step > 20
    assert outputs(ended / "s" / stage) == new
    finished = [results for results in killed if is_finished(results, stage, old, new)]
    assert finished  # or the kills miss the time between the results and the end
    for results in killed:
        if results not in finished:
            work(results, LATER, stage)
            assert not (results / "s" / ".work").exists()
        execute_cohort(results, [sample], CohortSettings())
        assert outputs(results / "s" / stage) == new
        assert not list(results.rglob(".work"))


def is_finished(results: Path, stage: str, old: dict[str, bytes], new: dict[str, bytes]) -> bool:
    """Look at what a kill left: the files that a manifest tells of are those that it was written with."""
    found = outputs(results / "s" / stage)
    reported = found.get("manifest.json")
    fault, standing = fault_of(results / "s"), next(iter(look(results, ["s"]))).stages[stage]
    if reported == new["manifest.json"]:
        assert found == new
        assert fault is None
        assert standing.state == "done"
        return True
    if reported is not None:
        assert found == old
    if (results / "s" / ".work" / stage / "draft").exists():
        assert fault == f"{stage}: {STOPPED}"
        assert standing.state == "failed"
    return False
