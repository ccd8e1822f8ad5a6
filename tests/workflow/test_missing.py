"""What is not there any more is made again, by `pathopipe run` and by Snakemake alone, and `status` says so."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pathopipe.identity import identify
from pathopipe.pipeline import COHORT, MAPS, STAGES
from pathopipe.results.folder import SlideFolder
from pathopipe.results.names import CRATE
from pathopipe.status.missing import missing_files, missing_of_cohort
from tests.workflow.conftest import PADDING, Project
from tests.workflow.test_reruns import from_stage

OF_SLIDE = [(stage, f"s0/{stage}/{name}") for stage in STAGES for name in (*STAGES[stage].writes, "manifest.json")]


def bare(project: Project) -> str:
    done = project.snakemake("--dry-run")
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


ALONE = [("segment", "s0/segment/nuclei.parquet"), ("tiles", "s0/tiles/manifest.json"), ("report", f"s0/{CRATE}")]


def test_every_file_that_is_missing_is_seen(finished: Project) -> None:
    """Nothing runs here: what Snakemake makes of it, the next tests see on some of them."""
    for stage, name in (*OF_SLIDE, ("report", f"s0/{CRATE}")):
        with taken_away(finished.results / name):
            found = missing_files(SlideFolder(finished.results, "s0"))
            assert found == {stage: (Path(name).name,)}, name
    for name in (*(f"cohort/{name}" for name in (*COHORT.writes, "manifest.json")), CRATE):
        with taken_away(finished.results / name):
            assert missing_of_cohort(finished.results) == (Path(name).name,), name
    assert missing_files(SlideFolder(finished.results, "s0")) == {}
    assert missing_of_cohort(finished.results) == ()


@contextlib.contextmanager
def taken_away(file: Path) -> Iterator[None]:
    moved = file.rename(file.with_name("elsewhere"))
    yield
    moved.rename(file)


@pytest.mark.parametrize(("stage", "name"), ALONE, ids=[name for _, name in ALONE])
def test_a_deleted_file_is_planned_and_told(finished: Project, stage: str, name: str) -> None:
    (finished.results / name).unlink()
    assert f"{Path(name).name} is missing" in finished.run(command=("status",)).stdout
    assert finished.planned() == from_stage(stage, slides=1)
    assert "Nothing to be done" not in bare(finished)


@pytest.mark.parametrize("name", ["cohort/index.html", CRATE])
def test_a_deleted_file_of_the_cohort_is_planned_and_told(finished: Project, name: str) -> None:
    (finished.results / name).unlink()
    assert f"the cohort: {Path(name).name} is missing" in finished.run(command=("status",)).stdout
    assert finished.planned() == {"cohort": 1}
    assert "Nothing to be done" not in bare(finished)


def test_what_was_deleted_is_the_same_when_it_is_made_again(finished: Project) -> None:
    names = ("s0/segment/nuclei.parquet", "s1/report/report.html", "cohort/index.html")
    before = {name: (finished.results / name).read_bytes() for name in names}
    for name in names:
        (finished.results / name).unlink()
    done = finished.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "segment runs again for 1 slide: nuclei.parquet is missing" in done.stdout
    assert {name: (finished.results / name).read_bytes() for name in names} == before
    assert finished.planned() == {}
    assert "Nothing to be done" in bare(finished)


def test_of_some_slides_only_theirs_are_made_again(finished: Project) -> None:
    for name in ("s0/report/report.html", "s1/tiles/tiles.parquet", "s1/report/report.html"):
        (finished.results / name).unlink()
    assert finished.planned_with(options=("--only", "s0")) == {"report": 1}
    assert finished.planned_with(options=("--only", "s1", "--until", "detect")) == {"tiles": 1, "detect": 1}


def test_maps_are_missing_only_where_they_are_kept(finished: Project) -> None:
    (finished.results / "s0" / "detect" / MAPS).unlink()
    assert finished.planned_with("keep_maps=false") == {}
    assert finished.planned_with() == from_stage("detect", slides=1)


def test_a_stage_that_was_run_by_hand_otherwise_runs_again(finished: Project) -> None:
    assert finished.run(command=("segment", "s0", "--set", "segment.min_area_um2=20")).returncode == 0
    done = finished.run("--dry-run")
    assert "segment runs again for 1 slide: its settings changed (min_area_um2: 20 -> 4)" in done.stdout
    assert finished.planned() == from_stage("segment", slides=1)
    assert finished.run().returncode == 0
    assert finished.planned() == {}
    finished.write_sheet("s0\tslide 0.tiff\t0.6", "s1\tslide 1.tiff\t")
    assert finished.run(command=("tissue", "s0", "--slides", "slides.tsv")).returncode == 0
    finished.write_sheet("s0\tslide 0.tiff\t", "s1\tslide 1.tiff\t")
    assert finished.planned() == from_stage("tissue", slides=1)


def change_between_samples(slide: Path) -> None:
    """Change bytes that an identity does not see."""
    before, content = str(identify(slide)), bytearray(slide.read_bytes())
    content[len(content) - PADDING // 8] ^= 1
    slide.write_bytes(content)
    assert str(identify(slide)) == before


def test_a_file_changed_in_place_is_seen_by_its_time_and_only_once(finished: Project) -> None:
    change_between_samples(finished.folder / "slide 0.tiff")
    assert finished.planned() == from_stage("tissue", slides=1)
    assert "Nothing to be done" not in bare(finished)
    done = finished.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tissue runs again for 1 slide: the slide's file is a different one" in done.stdout
    os.utime(finished.folder / "slide 0.tiff")
    assert finished.planned() == {}
    assert finished.run("--slides", "slides.tsv", command=("verify", "results")).returncode == 0


def test_a_file_changed_in_place_at_its_old_time_is_seen_by_verify(finished: Project) -> None:
    slide = finished.folder / "slide 0.tiff"
    clock = slide.stat()
    change_between_samples(slide)
    os.utime(slide, ns=(clock.st_atime_ns, clock.st_mtime_ns))
    assert finished.planned() == {}
    done = finished.run("--slides", "slides.tsv", command=("verify", "results"))
    assert done.returncode == 1
    assert "s0: its slide was changed in place since the results were made from it" in done.stdout
