"""How far slides are, from manifests, work folders and locks as runs leave them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pathopipe.jobs.asked import note
from pathopipe.jobs.ownership import Lock, running_on
from pathopipe.pipeline import MAPS, ORDER, STAGES
from pathopipe.provenance import sha256
from pathopipe.results.documents import write_json
from pathopipe.results.names import ASKED, CRATE
from pathopipe.status.estimate import seconds_left
from pathopipe.status.slides import SlideStatus, look
from tests.made import leave_outputs, manifest

NOW = 1_800_000_000.0


def finish(
    results: Path, slide: str, *stages: str, begin: float = NOW, seconds: float = 60.0, **content: object
) -> float:
    """Leave what finished stages leave, one after the other; returns when the last ended."""
    folder, clock = results / slide, begin
    for stage in stages:
        reads = (name for name in STAGES[stage].reads if name.endswith("manifest.json"))
        inputs = {name: sha256(folder / name) for name in reads}
        file, clock = folder / stage / "manifest.json", clock + seconds
        write_json(file, manifest(stage, slide, inputs=inputs) | content)
        write_json(file.with_name("run.json"), {"seconds": seconds})
        leave_outputs(results, slide, stage)
        os.utime(file, (clock, clock))
    return clock


def work(results: Path, slide: str, stage: str, name: str = "", **content: object) -> Path:
    folder = results / slide / ".work" / stage
    folder.mkdir(parents=True, exist_ok=True)
    if name:
        write_json(folder / name, content)
    return folder


@pytest.fixture
def living_run(tmp_path: Path) -> Iterator[None]:
    lock = Lock(tmp_path / ".pathopipe" / "owner.json")
    assert lock.take() is None
    yield
    lock.release()


def standing(results: Path, slide: str = "s") -> SlideStatus:
    return look(results, [slide])[0]


def states(slide: SlideStatus) -> list[str]:
    return [stage.state for stage in slide.stages.values()]


def test_a_slide_that_nobody_touched_waits(tmp_path: Path) -> None:
    slide = standing(tmp_path)
    assert states(slide) == ["waiting"] * len(ORDER)
    assert (slide.state, slide.begun) == ("waiting", False)
    assert list(tmp_path.iterdir()) == []


def test_finished_stages_are_done_and_the_next_waits(tmp_path: Path) -> None:
    finish(tmp_path, "s", "tissue", "quality", "tiles")
    slide = standing(tmp_path)
    assert states(slide) == ["done"] * 3 + ["waiting"] * (len(ORDER) - 3)
    assert (slide.state, slide.begun) == ("begun", True)
    finish(tmp_path, "s", *ORDER)
    assert standing(tmp_path).state == "done"


def test_a_stage_with_a_living_owner_runs(tmp_path: Path) -> None:
    finish(tmp_path, "s", "tissue", "quality", "tiles")
    lock = Lock(work(tmp_path, "s", "detect", "progress.json", done=25, total=1000, unit="tiles") / "owner.json")
    assert lock.take() is None
    slide = standing(tmp_path)
    assert states(slide) == ["done"] * 3 + ["running"] + ["waiting"] * (len(ORDER) - 4)
    assert (slide.state, slide.reported, slide.stages["detect"].share) == (
        "running",
        "detect: 25 of 1,000 tiles",
        0.025,
    )
    assert lock.held
    lock.release()


def test_what_a_dead_owner_left_failed_unless_a_run_will_take_it_up(tmp_path: Path) -> None:
    work(tmp_path, "s", "tissue", "owner.json", host="gone", processes={"1": "1"})
    os.utime(tmp_path / "s" / ".work" / "tissue" / "owner.json", (1, 1))
    slide = standing(tmp_path)
    assert states(slide) == ["failed"] + ["waiting"] * (len(ORDER) - 1)
    assert "was stopped before it finished" in slide.reported


def test_during_a_run_a_stopped_stage_waits_for_its_turn(tmp_path: Path, living_run: None) -> None:
    assert running_on(tmp_path)
    work(tmp_path, "s", "tissue")
    assert standing(tmp_path).state == "waiting"


def test_a_fault_is_told(tmp_path: Path, living_run: None) -> None:
    finish(tmp_path, "s", "tissue", "quality")
    work(tmp_path, "s", "tiles", "fault.json", reason="the disk is full")
    slide = standing(tmp_path)
    assert states(slide) == ["done", "done", "failed"] + ["waiting"] * (len(ORDER) - 3)
    assert (slide.state, slide.reported) == ("failed", "tiles: the disk is full")


def test_a_rejection_is_told_from_the_stage_on_that_made_it(tmp_path: Path) -> None:
    finish(tmp_path, "s", "tissue", "quality")
    end = finish(tmp_path, "s", "tiles", state="rejected", reason="no tissue", begin=NOW + 60)
    finish(tmp_path, "s", *ORDER[3:], state="rejected", reason="no tissue", begin=end)
    slide = standing(tmp_path)
    assert states(slide) == ["done"] * 2 + ["rejected"] * (len(ORDER) - 2)
    assert (slide.state, slide.reported) == ("rejected", "tiles: no tissue")


def test_a_rejected_slide_counts_as_such_before_its_page_is_written(tmp_path: Path) -> None:
    finish(tmp_path, "s", "tissue", state="rejected", reason="no tissue")
    slide = standing(tmp_path)
    assert states(slide) == ["rejected"] + ["waiting"] * (len(ORDER) - 1)
    assert (slide.state, slide.rejection) == ("rejected", "no tissue")


def test_up_to_the_last_stage_that_was_asked_for_a_slide_is_done(tmp_path: Path) -> None:
    finish(tmp_path, "s", "tissue", "quality", "tiles")
    assert standing(tmp_path).up_to("tiles").state == "done"
    assert standing(tmp_path).up_to("detect").state == "begun"


def asked(results: Path, *, last: str = "report", again: str | None = None, **settings: object) -> None:
    """Note what a run was asked for that begins when the stages have long ended."""
    made_by = {stage: {"params": settings if stage == "segment" else {}} for stage in ORDER}
    note(results, ["s"], last, again, made_by)
    os.utime(results / ASKED, (NOW - 1, NOW - 1))


@pytest.fixture
def earlier(tmp_path: Path, living_run: None) -> Path:
    """Two finished slides of an earlier run, while a run goes on."""
    for slide in ("s", "other"):
        finish(tmp_path, slide, *ORDER, begin=1e9, params={})
    return tmp_path


@pytest.mark.parametrize(
    ("how", "done"),
    [
        ({}, len(ORDER)),
        ({"min_area_um2": 20}, 4),
        ({"min_area_um2": 20, "last": "detect"}, len(ORDER)),
        ({"again": "grade"}, ORDER.index("grade")),
    ],
)
def test_during_a_run_what_it_will_do_again_waits(earlier: Path, how: dict, done: int) -> None:
    asked(earlier, **how)
    assert states(standing(earlier)) == ["done"] * done + ["waiting"] * (len(ORDER) - done)
    assert standing(earlier, "other").state == "done"


def test_what_a_run_has_done_again_is_done(earlier: Path) -> None:
    asked(earlier, min_area_um2=20)
    finish(earlier, "s", "segment", begin=NOW, params={"min_area_um2": 20})
    assert states(standing(earlier)) == ["done"] * 5 + ["waiting"] * (len(ORDER) - 5)


def test_a_fault_of_an_earlier_run_waits_to_be_tried_again(tmp_path: Path, living_run: None) -> None:
    for slide in ("s", "other"):
        fault = work(tmp_path, slide, "tissue", "fault.json", reason="the disk is full") / "fault.json"
        os.utime(fault, (1e9, 1e9))
    asked(tmp_path)
    assert [standing(tmp_path, slide).state for slide in ("s", "other")] == ["waiting", "failed"]
    os.utime(tmp_path / "s" / ".work" / "tissue" / "fault.json", (NOW, NOW))
    assert standing(tmp_path).state == "failed"


def test_results_that_an_earlier_stage_overtook_wait(tmp_path: Path) -> None:
    end = finish(tmp_path, "s", *ORDER)
    finish(tmp_path, "s", "segment", begin=end, reason="other settings")
    assert states(standing(tmp_path)) == ["done"] * 5 + ["waiting"] * (len(ORDER) - 5)


def test_a_stage_that_found_the_same_again_overtakes_nothing(tmp_path: Path) -> None:
    end = finish(tmp_path, "s", *ORDER)
    finish(tmp_path, "s", "segment", begin=end)
    assert standing(tmp_path).state == "done"


def test_the_time_left_follows_from_what_finished_stages_took(tmp_path: Path) -> None:
    begin = NOW
    for slide in ("a", "b"):
        begin = finish(tmp_path, slide, *ORDER, begin=begin)
    left = seconds_left(tmp_path, look(tmp_path, ["a", "b", "c", "d", "e"]))
    assert left == pytest.approx(3 * len(ORDER) * 60)


def test_what_ran_side_by_side_halves_the_time_left(tmp_path: Path) -> None:
    """And a night between two runs does not count."""
    for slide in ("a", "b"):
        finish(tmp_path, slide, *ORDER)
    for slide in ("c", "d"):
        finish(tmp_path, slide, *ORDER, begin=NOW + 50_000)
    left = seconds_left(tmp_path, look(tmp_path, ["a", "b", "c", "d", "e", "f", "g"]))
    assert left == pytest.approx(3 * len(ORDER) * 60 / 2, rel=0.15)


def test_before_anything_is_finished_the_sizes_of_the_slides_say_what_is_left(tmp_path: Path) -> None:
    def left(size: int) -> float:
        identities = {"a": {"identity": f"{size}-0"}, "b": {"identity": "unreadable"}}
        write_json(tmp_path / ".pathopipe" / "identities.json", identities)
        return seconds_left(tmp_path, look(tmp_path, ["a", "b"]))

    assert 0 < left(10**6) < left(10**9) / 10


def test_what_is_done_of_a_running_stage_is_not_left(tmp_path: Path) -> None:
    finish(tmp_path, "a", *ORDER)
    finish(tmp_path, "b", *ORDER[:-1], begin=NOW + 60 * len(ORDER))
    lock = Lock(work(tmp_path, "b", "report", "progress.json", done=3, total=4, unit="fields") / "owner.json")
    lock.take()
    assert seconds_left(tmp_path, look(tmp_path, ["a", "b"])) == pytest.approx(60 / 4)
    lock.release()


@pytest.mark.parametrize(("stage", "name"), [(stage, name) for stage in ORDER for name in STAGES[stage].writes])
def test_a_stage_whose_file_was_deleted_waits_and_says_so(tmp_path: Path, stage: str, name: str) -> None:
    finish(tmp_path, "s", *ORDER)
    write_json(tmp_path / "s" / CRATE, {"@graph": [{"@id": f"detect/{MAPS}", "@type": "File", "sha256": "0"}]})
    assert standing(tmp_path).state == "done"
    (tmp_path / "s" / stage / name).unlink()
    slide, done = standing(tmp_path), ORDER.index(stage)
    assert (slide.state, slide.reported) == ("begun", f"{stage}: {name} is missing")
    assert states(slide) == ["done"] * done + ["waiting"] * (len(ORDER) - done)


@pytest.mark.parametrize("stage", ORDER[:-1])
def test_a_deleted_manifest_or_folder_is_missing_where_later_stages_have_been(tmp_path: Path, stage: str) -> None:
    finish(tmp_path, "s", *ORDER)
    (tmp_path / "s" / stage / "manifest.json").unlink()
    assert standing(tmp_path).reported == f"{stage}: manifest.json is missing"
    for name in STAGES[stage].writes:
        (tmp_path / "s" / stage / name).unlink()
    assert standing(tmp_path).reported.endswith("manifest.json are missing")


def test_a_deleted_description_is_missing(tmp_path: Path) -> None:
    finish(tmp_path, "s", *ORDER)
    (tmp_path / "s" / CRATE).unlink()
    assert standing(tmp_path).reported == f"report: {CRATE} is missing"


def test_maps_that_were_not_kept_are_not_missing(tmp_path: Path) -> None:
    finish(tmp_path, "s", *ORDER)
    (tmp_path / "s" / "detect" / MAPS).unlink()
    assert standing(tmp_path).state == "done"
    write_json(tmp_path / "s" / CRATE, {"@graph": [{"@id": f"detect/{MAPS}", "@type": "File", "sha256": "0"}]})
    assert standing(tmp_path).state == "begun"
    assert look(tmp_path, ["s"], keep_maps=False)[0].state == "done"
