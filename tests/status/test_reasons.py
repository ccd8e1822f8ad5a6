"""Why finished stages run again is said per stage and cause."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pathopipe.jobs.asked import made_by
from pathopipe.pipeline import ORDER, STAGES, Config
from pathopipe.provenance import sha256
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.folder import SlideFolder
from pathopipe.samples import Sample
from pathopipe.status.reasons import Wanted, causes_of, reasons_to_run_again, stages_to_force
from pathopipe.status.slide_file import with_content
from tests.made import leave_outputs

Change = Callable[[dict], object]


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    """What one finished slide was made by: the sheet gives its mpp, regions and tissue."""
    (tmp_path / "roi.geojson").write_text("{}")
    sample = Sample("s", tmp_path / "s.svs", (0.25, 0.26), roi=tmp_path / "roi.geojson", extra={"tissue": "breast"})
    wanted = Wanted(made_by(Config()), sample, "1-x")
    for number, stage in enumerate(ORDER):
        manifest = {**wanted.made_by[stage], "stage": stage, "slide": "s", "state": "done", "inputs": {}}
        if "roi" in STAGES[stage].columns:
            manifest["inputs"]["roi"] = sha256(tmp_path / "roi.geojson")
        manifest |= {"identity": "1-x", "mpp_x": 0.25, "mpp_y": 0.26, "mpp_source": "sheet"}
        manifest |= {"about": {"tissue": "breast"}} if stage == "grade" else {}
        write_json(tmp_path / "results" / "s" / stage / "manifest.json", manifest)
        os.utime(tmp_path / "results" / "s" / stage / "manifest.json", (1e9 + number, 1e9 + number))
    leave_outputs(tmp_path / "results", "s")
    return wanted


def causes(folder: Path, wanted: Wanted) -> dict[str, str]:
    return causes_of(SlideFolder(folder / "results", "s"), wanted)


def follow(*stages: str, origin: str) -> dict[str, str]:
    return dict.fromkeys(stages, f"what it reads changed ({origin})")


def test_what_is_up_to_date_does_not_run_again(tmp_path: Path, wanted: Wanted) -> None:
    assert causes(tmp_path, wanted) == {}
    assert causes(tmp_path, replace(wanted, identity=None)) == {}
    assert reasons_to_run_again([(SlideFolder(tmp_path / "results", "s"), wanted)]) == []


def test_a_slide_that_nobody_touched_does_not_run_again(tmp_path: Path, wanted: Wanted) -> None:
    assert causes_of(SlideFolder(tmp_path / "results", "other"), wanted) == {}


@pytest.mark.parametrize(
    ("stage", "change", "cause"),
    [
        (
            "segment",
            lambda made: made["params"].update(min_area_um2=20),
            "its settings changed (min_area_um2: 20 -> 4)",
        ),
        ("segment", lambda made: made["params"].pop("foreground"), "its settings changed (foreground: 0.5)"),
        (
            "grade",
            lambda made: made["params"]["nottingham"].update(min_nuclei=5, min_share=0.9),
            "its settings changed (nottingham.min_nuclei: 5 -> 10, nottingham.min_share: 0.9 -> 0.4)",
        ),
        ("features", lambda made: made.update(contract=0), "the format of its files changed (version 0 -> {contract})"),
        ("detect", lambda made: made.update(code="0"), "its code changed"),
        ("tissue", lambda made: made.update(identity="2-y"), "the slide's file is a different one"),
        ("tissue", lambda made: made.update(mpp_source="metadata"), "the sheet changed (mpp)"),
        ("tissue", lambda made: made["inputs"].pop("roi"), "the sheet changed (roi)"),
        ("statistics", lambda made: made["inputs"].pop("roi"), "the sheet changed (roi)"),
        ("segment", lambda made: made["inputs"].update(nuclei="0"), "the sheet changed (nuclei)"),
        ("detect", lambda made: made["inputs"].update(nuclei="0"), "the sheet changed (nuclei)"),
        ("segment", lambda made: made["inputs"].update(nuclei_before="0"), "the sheet changed (nuclei_before)"),
        ("grade", lambda made: made.update(about={"stain": "H&E"}), "the sheet changed (tissue, stain)"),
        (
            "report",
            lambda made: (made["params"].update(gallery=1), made.update(code="0")),
            "its settings changed (gallery: 1 -> 12); its code changed",
        ),
    ],
)
def test_each_cause_is_told(tmp_path: Path, wanted: Wanted, stage: str, change: Change, cause: str) -> None:
    file = tmp_path / "results" / "s" / stage / "manifest.json"
    made, clock = read_json(file), file.stat().st_mtime
    change(made)
    write_json(file, made)
    os.utime(file, (clock, clock))
    found = causes(tmp_path, wanted)
    assert found.pop(stage) == cause.format(**wanted.made_by[stage])
    assert set(found.values()) <= {f"what it reads changed ({stage})"}
    assert ("report" in found) == (stage != "report")


def test_what_follows_names_where_the_change_began(tmp_path: Path, wanted: Wanted) -> None:
    changed = {**wanted.made_by, "segment": {**wanted.made_by["segment"], "code": "0"}}
    changed["grade"] = {**wanted.made_by["grade"], "code": "0"}
    assert causes(tmp_path, replace(wanted, made_by=changed)) == {
        "segment": "its code changed",
        **follow("features", "types", "statistics", origin="segment"),
        "grade": "its code changed; what it reads changed (segment)",
        **follow("report", origin="segment, grade"),
    }


def test_a_run_that_ends_early_or_is_told_what_to_run(tmp_path: Path, wanted: Wanted) -> None:
    assert causes(tmp_path, replace(wanted, again="features", last="grade")) == {
        "features": "you asked for it",
        **follow("types", "statistics", "grade", origin="features"),
    }
    assert causes(tmp_path, replace(wanted, again="report", last="grade")) == {}


def test_what_was_not_finished_or_ran_again_is_something_new_to_read(tmp_path: Path, wanted: Wanted) -> None:
    manifest = {**wanted.made_by["features"], "new": True}
    write_json(tmp_path / "results" / "s" / "features" / "manifest.json", manifest)
    assert causes(tmp_path, wanted) == follow("types", "statistics", "grade", "report", origin="features")
    (tmp_path / "results" / "s" / "features" / "manifest.json").unlink()
    missing = {"features": "manifest.json is missing"}
    assert causes(tmp_path, wanted) == missing | follow("types", "statistics", "grade", "report", origin="features")
    (tmp_path / "results" / "s" / ".work" / "features").mkdir(parents=True)
    write_json(tmp_path / "results" / "s" / ".work" / "features" / "fault.json", {"reason": "the disk is full"})
    assert causes(tmp_path, wanted) == follow("types", "statistics", "grade", "report", origin="features")


def test_a_slide_without_mpp_that_was_rejected_is_not_compared_by_it(tmp_path: Path, wanted: Wanted) -> None:
    file = tmp_path / "results" / "s" / "tissue" / "manifest.json"
    made, clock = read_json(file) | {"mpp_x": None, "mpp_y": None, "mpp_source": None}, file.stat().st_mtime
    write_json(file, made)
    os.utime(file, (clock, clock))
    assert causes(tmp_path, wanted) == {}


def test_slides_are_counted_by_cause_in_the_order_of_the_stages(tmp_path: Path, wanted: Wanted) -> None:
    other = {**wanted.made_by, "report": {**wanted.made_by["report"], "code": "0"}}
    made = SlideFolder(tmp_path / "results", "s")
    slides = [(made, replace(wanted, made_by=other)), *[(made, replace(wanted, again="grade"))] * 2]
    assert reasons_to_run_again(slides) == [
        "grade runs again for 2 slides: you asked for it",
        "report runs again for 2 slides: what it reads changed (grade)",
        "report runs again for 1 slide: its code changed",
    ]


def edit(folder: Path, stage: str, **changes: object) -> None:
    file = folder / "results" / "s" / stage / "manifest.json"
    clock = file.stat().st_mtime
    write_json(file, read_json(file) | changes)
    os.utime(file, (clock, clock))


def forced(folder: Path, wanted: Wanted) -> list[str]:
    return stages_to_force(SlideFolder(folder / "results", "s"), wanted)


def test_what_snakemake_cannot_see_is_forced(tmp_path: Path, wanted: Wanted) -> None:
    assert forced(tmp_path, wanted) == []
    edit(tmp_path, "detect", code="0", contract=0)  # it knows these itself
    assert forced(tmp_path, wanted) == []
    edit(tmp_path, "tiles", params={"size": 512})
    edit(tmp_path, "grade", about={})
    (tmp_path / "results" / "s" / "segment" / "nuclei.parquet").unlink()
    (tmp_path / "results" / "s" / "features" / "manifest.json").write_text("{")
    assert forced(tmp_path, wanted) == ["tiles", "segment", "features", "grade"]
    assert forced(tmp_path, replace(wanted, last="segment")) == ["tiles", "segment"]
    told = causes(tmp_path, wanted)
    assert told["segment"].startswith("nuclei.parquet is missing; ")
    assert told["features"].startswith("its manifest is damaged; ")


def test_a_rerun_that_was_stopped_is_taken_up(tmp_path: Path, wanted: Wanted) -> None:
    since = {"features": 1e9 + 100, "report": 1e9 + 1}  # the report has been made since
    assert forced(tmp_path, replace(wanted, left=since)) == ["features"]
    assert causes(tmp_path, replace(wanted, left=since)) == {
        "features": "you asked for it in a run that was stopped",
        **follow("types", "statistics", "grade", "report", origin="features"),
    }


def test_a_file_of_the_same_samples_and_other_bytes_is_another_one(tmp_path: Path, wanted: Wanted) -> None:
    edit(tmp_path, "tissue", sha256="ab" * 32)
    assert forced(tmp_path, replace(wanted, identity=with_content("1-x", "cd" * 32))) == ["tissue"]
    assert forced(tmp_path, replace(wanted, identity=with_content("1-x", "ab" * 32))) == []
