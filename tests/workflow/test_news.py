"""What `pathopipe run` says, piped: of each slide as it ends, and of all at the end."""

import re

import cv2
import numpy as np
import pytest

from tests.workflow.conftest import Project

NO_MPP = "the file does not say how many micrometers a pixel spans: enter it in the sheet's column 'mpp'"


def lines(text: str) -> list[str]:
    """Lines without the time of day, which those of slides must have."""
    return [re.sub(r"^\d\d:\d\d:\d\d ", "@ ", line) for line in text.splitlines()]


@pytest.fixture
def mixed(fresh: Project) -> Project:
    """A good slide, one that is rejected, and one of which a stage fails."""
    cv2.imwrite(str(fresh.folder / "nompp.png"), np.full((300, 300, 3), 200, np.uint8))
    fresh.write_sheet("good\tslide 0.tiff\t", "nompp\tnompp.png\t", "broken\tslide 0.tiff\t")
    blocker = fresh.results / "broken" / ".work" / "tiles"
    blocker.parent.mkdir(parents=True)
    blocker.write_text("in the way")
    return fresh


def test_every_slide_is_named_when_it_ends_and_again_at_the_end(mixed: Project) -> None:
    done = mixed.run("--set", "detect.model=classical")
    assert done.returncode == 1
    reported = lines(done.stdout)
    assert reported[0].startswith("@ 3 slides of ")
    assert any(line.startswith("3 slides to do, about ") for line in reported)
    during = [re.sub(r" \(\d of 3\)$", "", line) for line in reported if line.startswith("@ ")][1:-1]
    assert {"@ good: done", f"@ nompp: rejected: {NO_MPP}", "@ broken: tiles is tried again"} <= set(during)
    assert sum(line.startswith("@ broken: tiles failed: broken/.work/tiles: Not a directory: ") for line in during) == 2
    assert len(during) == 5
    end = reported[reported.index("rejected:") :]
    assert end[1] == f"  nompp: {NO_MPP}"
    assert "@ 3 slides: 1 done, 1 rejected, 1 failed" in end
    assert end[-1] == f"cohort page: {mixed.results / 'cohort' / 'index.html'}"
    assert "slide broken: tiles: broken/.work/tiles: Not a directory: " in done.stderr


def test_a_run_that_stops_early_says_so_and_leaves_the_cohort_alone(finished: Project) -> None:
    pages = {file: file.stat().st_mtime_ns for file in (finished.results / "cohort").iterdir()}
    done = finished.run("--until", "segment", "--set", "segment.min_area_um2=20")
    assert done.returncode == 0, done.stderr
    reported = lines(done.stdout)
    assert sum(re.match(r"@ s\d: done up to segment", line) is not None for line in reported) == 2
    assert reported[-1] == "@ 2 slides: 2 done up to segment"
    assert {file: file.stat().st_mtime_ns for file in (finished.results / "cohort").iterdir()} == pages


def test_the_first_slides_up_to_a_stage_get_no_cohort_page(fresh: Project) -> None:
    done = fresh.run("--until", "tiles", "--only", "s0")
    assert lines(done.stdout)[-1] == "@ 1 slide: 1 done up to tiles"
    assert not (fresh.results / "cohort").exists()


def test_warnings_are_named_at_the_end(fresh: Project) -> None:
    fresh.write_sheet("s0\tslide 0.tiff\t1.5")
    reported = lines(fresh.run("--until", "tissue").stdout)
    (warned,) = reported[reported.index("warnings:") + 1 : -1]
    assert warned.startswith("  s0: ")
    assert "The sheet's mpp is 3.00 times the file's." in warned


def test_a_dry_run_counts_what_would_be_done_and_does_nothing(finished: Project) -> None:
    files = {file: file.stat().st_mtime_ns for file in finished.results.glob("s*/*/*")}
    idle = lines(finished.run("--dry-run").stdout)
    assert idle[-1] == "nothing to do: everything is up to date"
    assert not [line for line in idle if "runs again" in line]
    reported = lines(finished.run("-n", "--set", "segment.min_area_um2=20", "--only", "s1").stdout)
    assert reported[-7:-1] == [
        f"  {stage:<10} 1 slide: s1" for stage in ("segment", "features", "types", "statistics", "grade", "report")
    ]
    assert "nothing was run" in reported[-1]
    assert "segment runs again for 1 slide: its settings changed (min_area_um2: 4 -> 20)" in reported
    assert "grade runs again for 1 slide: what it reads changed (segment)" in reported
    assert {file: file.stat().st_mtime_ns for file in finished.results.glob("s*/*/*")} == files


def test_a_run_with_nothing_to_do_says_so(finished: Project) -> None:
    reported = lines(finished.run().stdout)
    assert "@ nothing to do: everything is up to date" in reported
    assert reported[-2:] == ["@ 2 slides: 2 done", f"cohort page: {finished.results / 'cohort' / 'index.html'}"]
