"""Why a stage failed: for outputs without a path of the machine, on a terminal with it."""

import csv
import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pathopipe.errors import ArtifactError, FaultError, PathopipeError, RefusalError
from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.pipeline import CohortSettings, ReportSettings
from pathopipe.results.documents import read_json
from pathopipe.samples import Sample
from tests.stages.finished_slide import finish, reject

SIZE = (256, 200)
PATIENT = "Mustermann, Erika 0.5"
BUG = ": report this bug with the stage's log"
MPP = "7 x 7 micrometers per pixel is implausible (expected 0.05 to 2): put it right, e.g. 0.25 (cf. 1.5/2)"


@pytest.fixture(params=[".", "absolute"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Sample]:
    """A results folder, also as Snakemake's jobs see it, of one slide, in a folder that names a patient."""
    folder = tmp_path / PATIENT
    (folder / "results").mkdir(parents=True)
    sample = finish(folder / "results", "s", folder, SIZE, 12)
    monkeypatch.chdir(folder / "results")
    return Path() if request.param == "." else folder / "results", sample


def system(number: int, file: Path) -> OSError:
    return OSError(number, os.strerror(number), str(file))


@pytest.mark.parametrize(
    ("make", "reported"),
    [
        (lambda slide, *_: system(errno.EIO, slide), "the slide's file: Input/output error: fix this and run again"),
        (lambda _, other, __: system(errno.EIO, other), "a file: Input/output error: fix this and run again"),
        (
            lambda _, __, results: system(errno.EACCES, results / "s" / "report" / "x"),
            "s/report/x: Permission denied: fix this and run again",
        ),
        (
            lambda _, __, results: system(errno.EROFS, results),
            "the results folder: Read-only file system: fix this and run again",
        ),
        (
            lambda _, other, __: OSError(errno.EIO, f"Failed to open local file '{other}'"),
            "the results folder: Input/output error: fix this and run again",
        ),
        (
            lambda _, other, __: system(errno.ENOSPC, other),
            "the results folder: the disk is full: free some space and run again, finished results are kept",
        ),
        (
            lambda _, other, __: ArtifactError("is damaged: delete it and run again", other, "segment/x"),
            "segment/x: is damaged: delete it and run again",
        ),
        (
            lambda _, other, __: RefusalError("is a pickle", path=other, called="the weights' file"),
            "the weights' file: is a pickle",
        ),
        (lambda *_: FaultError(MPP), MPP),
        (lambda _, other, __: OSError(f"cannot identify image file '{other}'"), f"unexpected OSError{BUG}"),
        (lambda _, other, __: KeyError(str(other)), f"unexpected KeyError{BUG}"),
    ],
)
def test_a_fault_is_told_without_paths(
    place: tuple[Path, Sample], make: Callable[..., Exception], reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, sample = place
    error = make(sample.path, sample.path.with_name("Data 0001.dat"), results)

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("pathopipe.stages.report.run", fail)
    with pytest.raises((PathopipeError, OSError, KeyError)) as raised:
        execute("report", "s", results, ReportSettings(), sample)
    fault, shown = results / "s" / ".work" / "report" / "fault.json", raised.value
    assert read_json(fault) == {"reason": reported}
    if isinstance(shown, PathopipeError) and shown.path:
        assert str(shown) == f"{shown.path}: {shown.message}"
        assert shown.path.absolute().is_relative_to(sample.path.parent)
    execute_cohort(results, [sample], CohortSettings())
    assert reasons(results) == {"s": f"report: {reported}"}
    for file in [fault, *(results / "cohort").iterdir()]:
        assert file.name == "run.json" or "Mustermann" not in file.read_text(encoding="utf-8", errors="ignore"), file


def test_numbers_and_full_stops_of_a_rejection_stay(place: tuple[Path, Sample]) -> None:
    results, sample = place
    reject(results, "s", "tissue", MPP)
    execute("report", "s", results, ReportSettings(), sample)
    execute_cohort(results, [sample], CohortSettings())
    assert reasons(results) == {"s": MPP}
    assert MPP in (results / "cohort" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["segment/nuclei.parquet", "tissue/manifest.json", "statistics/statistics.parquet"])
@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_a_file_of_the_results_goes_by_its_name_there(place: tuple[Path, Sample], name: str, how: str) -> None:
    results, sample = place
    if how == "missing":
        (results / "s" / name).unlink()
    else:
        (results / "s" / name).write_bytes(b"{")
    with pytest.raises(FaultError) as raised:
        execute("report", "s", results, ReportSettings(), sample)
    assert str(raised.value).startswith(f"{results / 's' / name}: ")
    reason = read_json(results / "s" / ".work" / "report" / "fault.json")["reason"]
    assert re.match(
        f"{name}: (is damaged: delete it|is missing: run the stage|is not what the stage|cannot be read)", reason
    )


def reasons(results: Path) -> dict[str, str]:
    with (results / "cohort" / "cohort.tsv").open(encoding="utf-8", newline="") as file:
        return {row["slide"]: row["reason"] for row in csv.DictReader(file, delimiter="\t")}
