"""Symbolic links where the program writes and deletes are refused before anything is written, whatever they lead to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pathopipe.errors import RefusalError
from pathopipe.jobs.chosen_model import adopt_models
from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.pipeline import STAGES, CohortSettings, Config
from pathopipe.results.links import find_links, of_results
from pathopipe.running.preparing import prepare
from pathopipe.samples import Sample
from pathopipe.status.slides import look
from pathopipe.status.verification import verify
from tests.canary import KINDS, make_canary, put_link, state

NAMES = ("tissue", "quality", "tiles", "detect", "segment", "features", "types", "statistics", "grade", "report")
FILES = {
    "tissue": ("tissue.geojson", "thumbnail.jpg"),
    "quality": ("quality.geojson", "sound.geojson", "quality.png"),
    "tiles": ("tiles.parquet",),
    "detect": ("detections.parquet", "maps.zarr.zip"),
    "segment": ("nuclei.parquet",),
    "features": ("features.parquet",),
    "types": ("types.parquet",),
    "statistics": ("statistics.parquet", "regions.geojson"),
    "grade": ("grade.json", "heatmap.geojson"),
    "report": ("report.html",),
}
OF_ALL = (
    "pathopipe.json",
    "ro-crate-metadata.json",
    ".pathopipe",
    ".pathopipe/owner.json",
    ".pathopipe/run.log",
    ".pathopipe/config.json.17.tmp",
    ".pathopipe/weights",
    ".pathopipe/weights/0123456789abcdef.safetensors",
    ".work",
    ".work/cohort",
    ".work/cohort/index.html",
    "cohort",
    "cohort/manifest.json",
    "cohort/cohort.tsv",
    "cohort/requirements.txt",
    "cohort/logs",
    "cohort/logs/cohort.log",
)
OF_A_SLIDE = (
    "s",
    "s/ro-crate-metadata.json",
    "s/logs",
    *(f"s/logs/{stage}.log" for stage in NAMES),
    "s/.work",
    "s/.work/tissue",
    "s/.work/tissue/draft",
    "s/.work/tissue/draft/thumbnail.jpg",
    "s/.work/tissue/owner.json",
    "s/.work/tissue/progress.tmp",
    "s/.work/detect/0123456789abcdef/journal.bin",
    *(f"s/{stage}" for stage in NAMES),
    *(f"s/{stage}/{name}" for stage in NAMES for name in (*FILES[stage], "manifest.json", "run.json")),
)
OF_SNAKEMAKE = (
    ".snakemake",
    ".snakemake/locks",
    ".snakemake/locks/0.input.lock",
    ".snakemake/log",
    ".snakemake/metadata",
    ".snakemake/metadata/bWFuaWZlc3Q.json",
    ".snakemake/incomplete",
    ".snakemake/conda",
)


WORST = ("s", "s/tissue", "s/tissue/manifest.json", "s/.work/tissue", "s/logs/tissue.log", ".pathopipe", "cohort")


def combined(*places: str) -> list[tuple[str, str]]:
    """Links that lead out, everywhere, and those of all kinds in some places."""
    return [(place, kind) for place in places for kind in (KINDS if place in WORST else KINDS[:1])]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of a slide that look finished."""
    folder = tmp_path / "results"
    for stage, names in FILES.items():
        for name in (*names, "manifest.json", "run.json"):
            (folder / "s" / stage).mkdir(parents=True, exist_ok=True)
            (folder / "s" / stage / name).write_text("{}")
    return folder


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return make_canary(tmp_path / "somebody else's")


def refused(place: Path, kind: str, canary: Path, results: Path, call: Callable[[], object]) -> None:
    """See that a call names the link and changes nothing, here or there."""
    put_link(place, kind, canary)
    before = state(canary), state(results)
    with pytest.raises(RefusalError) as reported:
        call()
    assert (state(canary), state(results)) == before
    (line,) = reported.value.problems
    assert line.startswith(f"{place}: is a symbolic link")
    assert "delete the link, or put what it points to in its place" in line


def test_the_lists_here_are_complete() -> None:
    assert {stage: contract.writes for stage, contract in STAGES.items()} == FILES


@pytest.mark.parametrize(("place", "kind"), combined(*OF_ALL, *OF_A_SLIDE))
def test_a_stage_refuses(place: str, kind: str, results: Path, canary: Path, small_slide: Path) -> None:
    sample = Sample("s", small_slide)
    refused(results / place, kind, canary, results, lambda: execute("tissue", "s", results, Config().tissue, sample))


@pytest.mark.parametrize(("place", "kind"), combined(*OF_ALL, *OF_A_SLIDE, *OF_SNAKEMAKE))
def test_a_run_refuses(place: str, kind: str, results: Path, canary: Path, small_slide: Path, tmp_path: Path) -> None:
    (tmp_path / "slides.tsv").write_text(f"slide\tpath\ns\t{small_slide}\n")
    values = {"slides": str(tmp_path / "slides.tsv"), "results": str(results)}
    refused(results / place, kind, canary, results, lambda: prepare(Config(**values)))


@pytest.mark.parametrize("place", OF_ALL)
def test_the_cohort_refuses(place: str, results: Path, canary: Path, small_slide: Path) -> None:
    samples = [Sample("s", small_slide)]
    call = lambda: execute_cohort(results, samples, CohortSettings())  # noqa: E731
    refused(results / place, "outside", canary, results, call)


@pytest.mark.parametrize("place", OF_ALL)
def test_to_keep_weights_refuses(place: str, results: Path, canary: Path) -> None:
    """A stage's own command does so before anything else."""
    refused(results / place, "outside", canary, results, lambda: adopt_models(Config(), results))


def test_a_results_folder_that_is_a_link_or_in_one_is_fine(tmp_path: Path, small_slide: Path) -> None:
    (tmp_path / "disk" / "study" / "results").mkdir(parents=True)
    (tmp_path / "study").symlink_to("disk/study")
    (tmp_path / "linked").symlink_to("study/results")
    for results in (tmp_path / "linked", tmp_path / "study" / "results"):
        execute("tissue", "s", results, Config().tissue, Sample("s", small_slide))
        execute_cohort(results, [Sample("s", small_slide)], CohortSettings())
        assert (tmp_path / "disk" / "study" / "results" / "cohort" / "index.html").exists()
        assert not list(tmp_path.rglob(".work"))


def test_links_of_others_in_a_results_folder_stay(tmp_path: Path, canary: Path, small_slide: Path) -> None:
    """What the program has no name for it does not touch; nor does it a slide that is not in the sheet."""
    results = tmp_path / "new"
    for place in ("notes", "s/notes.txt", "s/tissue/notes.txt", "another_slide", "another_slide_2/tissue"):
        put_link(results / place, "outside", canary)
    before = state(canary)
    execute("tissue", "s", results, Config().tissue, Sample("s", small_slide))
    execute_cohort(results, [Sample("s", small_slide)], CohortSettings())
    assert state(canary) == before
    assert (results / "another_slide").is_symlink()


def test_of_many_links_ten_are_named(results: Path, canary: Path, small_slide: Path, tmp_path: Path) -> None:
    places = [f"s/{stage}/{name}" for stage in NAMES for name in ("manifest.json", "run.json")]
    for place in places:
        put_link(results / place, "outside", canary)
    with pytest.raises(RefusalError) as reported:
        execute("tissue", "s", results, Config().tissue, Sample("s", small_slide))
    *named, last = reported.value.problems
    assert len(named) == 10
    assert len({line.partition(": ")[0] for line in named} & {str(results / place) for place in places}) == 10
    assert last == f"{results}: 10 more symbolic links of this kind"


@pytest.mark.parametrize(("place", "kind"), combined(*OF_ALL, *OF_A_SLIDE))
def test_status_and_verify_only_read(place: str, kind: str, results: Path, canary: Path) -> None:
    put_link(results / place, kind, canary)
    before = state(canary), state(results)
    assert [slide.slide for slide in look(results, ["s"])] == ["s"]
    verify(results)
    assert (state(canary), state(results)) == before


def test_each_folder_is_read_once(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of slides, each look at a disk counts."""
    for name in ("notes", "other"):
        (results / "s" / name).mkdir()
    read, scandir = list[str](), os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: (read.append(str(folder)), scandir(folder))[1])
    assert find_links(results, {"s": of_results(["s"])["s"], "t": of_results(["t"])["t"]}) == []
    assert sorted(read) == sorted(str(results / place) for place in ("s", *(f"s/{stage}" for stage in NAMES), "t"))
