"""A symbolic link that is put somewhere while a stage runs is not followed: what it leads to stays as it is."""

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pathopipe.errors import FaultError
from pathopipe.jobs.execution import execute, execute_cohort, predate
from pathopipe.jobs.leftovers import sweep
from pathopipe.pipeline import CohortSettings, Config
from pathopipe.provenance import sha256
from pathopipe.results.documents import write_json
from pathopipe.results.unfinished import fault_of
from pathopipe.samples import Sample
from tests.canary import make_canary, put_link, state

LINK = "is a symbolic link, and nothing is written or deleted through one"
SEGMENT = ("tissue", "quality", "tiles", "detect")


@pytest.fixture(scope="module")
def once(small_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results of the stages before `segment`."""
    folder = tmp_path_factory.mktemp("once")
    for stage in SEGMENT:
        run(stage, folder, small_slide)
    return folder


@pytest.fixture
def results(once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(once, tmp_path / "results"))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return make_canary(tmp_path / "somebody else's")


def run(stage: str, results: Path, slide: Path) -> dict[str, Any]:
    return execute(stage, "s", results, getattr(Config(), stage), Sample("s", slide, (0.5, 0.5)))


def meanwhile(patch: pytest.MonkeyPatch, stage: str, happen: Callable[[], None], *, late: bool) -> None:
    """Let something happen before a stage writes its files, or when they are to be put into place."""
    module = importlib.import_module(f"pathopipe.stages.{stage}")
    original = module.run

    def changed(job: Any) -> Any:
        if late:
            outcome = original(job)
            happen()
            return outcome
        happen()
        return original(job)

    patch.setattr(module, "run", changed)


class Move:
    """A folder is moved elsewhere and a link put in its place, as one does where a disk gets full."""

    def __init__(self, place: Path, away: Path) -> None:
        self.place, self.away = place, away
        self.before: object = None

    def __call__(self) -> None:
        if self.place.exists():
            self.place.rename(self.away)
        else:
            make_canary(self.away)
        self.place.symlink_to(self.away)
        self.before = state(self.away)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("stage", ["tissue", "segment"])
@pytest.mark.parametrize("place", ["s", "s/{}", "s/.work", "s/.work/{}", "s/.work/{}/draft"])
def test_a_folder_that_is_moved_away(
    place: str,
    stage: str,
    late: bool,
    results: Path,
    small_slide: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    move = Move(results / place.format(stage), tmp_path / "away")
    meanwhile(monkeypatch, stage, move, late=late)
    with pytest.raises(FaultError, match=rf"{move.place}: {LINK}"):
        run(stage, results, small_slide)
    assert state(move.away) == move.before
    if (place, stage) != ("s/{}", "tissue"):  # what was moved there is just what would have been written
        assert fault_of(results / "s") is not None


@pytest.mark.parametrize("place", ["cohort", ".work", ".work/cohort"])
def test_a_folder_of_the_cohort_that_is_moved_away(
    place: str, results: Path, small_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Move(results / place, tmp_path / "away")
    meanwhile(monkeypatch, "cohort", move, late=True)
    with pytest.raises(FaultError, match=rf"{move.place}: {LINK}"):
        execute_cohort(results, [Sample("s", small_slide)], CohortSettings())
    assert state(move.away) == move.before


@pytest.mark.parametrize("place", ["s/.work", "s/.work/tiles", "s/.work/tiles/draft"])
def test_links_of_one_slide_do_not_stop_the_cohort(place: str, results: Path, canary: Path, small_slide: Path) -> None:
    """What looks as if it were to be cleared away stays."""
    (results / "s" / ".work" / "tiles").mkdir(parents=True)
    (canary / "empty").mkdir()
    (canary / "owner.json").unlink()
    write_json(canary / "publishing.json", {"manifest": sha256(results / "s" / "tiles" / "manifest.json")})
    put_link(results / place, "outside", canary)
    before = state(canary)
    sweep(results / "s")
    execute_cohort(results, [Sample("s", small_slide)], CohortSettings())
    assert state(canary) == before
    assert (results / place).is_symlink()


def test_dating_the_cohort_back_dates_nothing_else(results: Path, canary: Path, small_slide: Path) -> None:
    execute_cohort(results, [Sample("s", small_slide)], CohortSettings())
    for place in ("cohort/index.html", "ro-crate-metadata.json"):
        put_link(results / place, "outside", canary)
    before = state(canary)
    predate(results)
    assert state(canary) == before


@pytest.mark.parametrize("kind", ["folder", "journal"])
def test_pieces_that_are_moved_away(
    kind: str, results: Path, small_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal of an earlier job lies behind a link, as does that of another one, which is to be deleted."""
    from pathopipe.jobs.job import Job

    original, canary = Job.journal, make_canary(tmp_path / "away")

    def changed(job: Job[Any]) -> Any:
        if kind == "folder":
            (job.draft.parent / "0123456789abcdef").symlink_to(canary)
        else:
            with original(job):
                pass
            (folder,) = (path for path in job.draft.parent.iterdir() if path.is_dir() and path != job.draft)
            (folder / "journal").unlink()
            (folder / "journal").symlink_to(canary / "notes.txt")
        return original(job)

    monkeypatch.setattr(Job, "journal", changed)
    before = state(canary)
    with pytest.raises(FaultError, match=LINK):
        run("segment", results, small_slide)
    assert state(canary) == before
