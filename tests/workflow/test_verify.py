"""`pathopipe verify`: silent on results as they were written, one sentence for each thing that is not."""

import json
import shutil
from pathlib import Path

import pytest

from pathopipe.provenance import sha256
from pathopipe.results.names import CRATE
from tests.workflow.conftest import Project


def verify(project: Project, *options: str) -> tuple[int, list[str]]:
    done = project.run("results", *options, command=("verify",))
    spoiled = any(
        "changed since it was" in line or "missing" in line or "is damaged" in line for line in done.stdout.splitlines()
    )
    assert ("delete the result files that changed or are damaged: 'pathopipe run'" in done.stderr) == spoiled
    return done.returncode, done.stdout.splitlines()


def test_results_as_they_were_written(finished: Project) -> None:
    code, lines = verify(finished, "--slides", "slides.tsv")
    assert (code, len(lines)) == (0, 1)
    assert lines[0].startswith("2 slides: all 62 files")


def test_each_change_is_told_once(finished: Project) -> None:
    slide = finished.results / "s0"
    with (slide / "report" / "report.html").open("a") as page:
        page.write("\n")
    (slide / "tiles" / "notes.txt").write_text("mine")
    (finished.results / "s1" / "detect" / "maps.zarr.zip").unlink()
    (finished.results / "cohort" / "cohort.tsv").write_text("slide\n")
    code, lines = verify(finished)
    assert code == 1
    assert lines == [
        "s0: report/report.html changed since it was written",
        "s0: tiles/notes.txt does not belong to the run",
        "s1: detect/maps.zarr.zip is missing",
        "the cohort: cohort/cohort.tsv changed since it was written",
    ]


def test_what_was_made_from_another_file_is_named(finished: Project) -> None:
    nuclei = finished.results / "s0" / "segment" / "nuclei.parquet"
    nuclei.write_bytes(nuclei.read_bytes() + b"\n")
    code, lines = verify(finished)
    assert code == 1
    assert lines == [
        "s0: segment/nuclei.parquet changed since it was written",
        *(
            f"s0: {stage} was made from a different segment/nuclei.parquet than the present one"
            for stage in ("features", "types", "statistics", "grade", "report")
        ),
    ]


def test_an_edited_file_that_was_taken_over_is_told(finished: Project) -> None:
    """As if the stages after it had run on it: manifests and descriptions agree with the file as it is now."""
    nuclei = finished.results / "s0" / "segment" / "nuclei.parquet"
    changed = {sha256(nuclei): nuclei.write_bytes(nuclei.read_bytes() + b"\n") and sha256(nuclei)}
    manifests = [f"s0/{stage}/manifest.json" for stage in ("features", "types", "statistics", "grade", "report")]
    for name in (*manifests, f"s0/{CRATE}", "cohort/manifest.json", CRATE):
        file = finished.results / name
        before, text = sha256(file), file.read_text()
        for old, new in changed.items():
            text = text.replace(old, new)
        file.write_text(text)
        changed[before] = sha256(file)
    assert verify(finished) == (
        1,
        ["s0: segment/nuclei.parquet changed since it was written"],
    )


def test_a_damaged_manifest_is_told(finished: Project) -> None:
    manifest = finished.results / "s0" / "tiles" / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["grid"]
    manifest.write_text(json.dumps(content))
    code, lines = verify(finished)
    assert code == 1
    assert "s0: tiles/manifest.json is damaged, or of an earlier version" in lines


def test_a_slide_that_is_another_one_now(finished: Project) -> None:
    shutil.copy(finished.folder / "slide 1.tiff", finished.folder / "slide 0.tiff")
    (finished.folder / "slide 1.tiff").unlink()
    assert verify(finished)[0] == 0
    code, lines = verify(finished, "--slides", "slides.tsv")
    assert code == 1
    assert lines[0] == "s0: its slide differs from the one that the results were made from"
    assert "1 slides have no file at the path in the sheet" in lines[1]
    assert lines[1].endswith(": s1")


@pytest.mark.parametrize("slide", ["s0", "."])
def test_a_missing_description_is_told(finished: Project, slide: str) -> None:
    (finished.results / slide / CRATE).unlink()
    code, lines = verify(finished)
    assert code == 1
    assert f"{CRATE} is missing or damaged" in lines[0]


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_other_code_libraries_and_weights_are_told(finished: Project) -> None:
    detect = finished.results / "s0" / "detect" / "manifest.json"
    content = json.loads(detect.read_text())
    versions, model = content["versions"] | {"numpy": "1.0"}, content["model"] | {"sha256": "0" * 64}
    edit(detect, code="another", versions=versions, model=model)
    code, lines = verify(finished)
    assert code == 1
    assert "the weights of 'open' are not those that 1 slides were made with" in lines
    assert "'detect' of 1 slides was made with code that differs from what is installed" in lines
    assert any(line.startswith("1 slides were made with numpy 1.0, ") for line in lines)


def test_an_unfinished_slide_is_checked_as_far_as_it_is(finished: Project) -> None:
    shutil.rmtree(finished.results / "cohort")
    for name in ("report", "grade"):
        shutil.rmtree(finished.results / "s1" / name)
    (finished.results / "s1" / CRATE).unlink()
    code, lines = verify(finished)
    assert code == 0
    assert lines[0] == "1 slides are not finished: what is there was checked: s1"


def test_a_folder_without_results_is_refused(fresh: Project) -> None:
    fresh.results.mkdir()
    done = fresh.run("results", command=("verify",))
    assert done.returncode == 2
    assert "contains no results of pathopipe" in done.stderr
