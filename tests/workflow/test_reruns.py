"""What makes which stage run again: settings, code, the slide; and what does not."""

import os
import shutil
from pathlib import Path

import pytest

from pathopipe.models.architecture import Architecture
from pathopipe.pipeline import STAGES
from tests.models.weights_files import write
from tests.workflow.conftest import ROOT, Project, log_of

STAGES = (*STAGES, "cohort")


def from_stage(stage: str, slides: int = 2) -> dict[str, int]:
    """Jobs of a stage and what follows."""
    return {name: 1 if name == "cohort" else slides for name in STAGES[STAGES.index(stage) :]}


def test_an_untouched_project_reruns_nothing(finished: Project) -> None:
    assert finished.planned() == {}


def test_bare_snakemake_agrees_that_nothing_is_to_be_done(finished: Project) -> None:
    done = finished.snakemake("--dry-run")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_touching_copying_and_moving_a_slide_reruns_nothing(finished: Project) -> None:
    os.utime(finished.folder / "slide 0.tiff")
    (finished.folder / "elsewhere").mkdir()
    shutil.copy(finished.folder / "slide 1.tiff", finished.folder / "elsewhere" / "renamed.tiff")
    (finished.folder / "slide 1.tiff").unlink()
    finished.write_sheet("s0\tslide 0.tiff\t", "s1\telsewhere/renamed.tiff\t")
    assert finished.planned() == {}


def test_another_slide_under_the_same_name_is_analyzed_anew(finished: Project) -> None:
    with (finished.folder / "slide 0.tiff").open("ab") as file:
        file.write(b"\0" * 10)
    assert finished.planned() == from_stage("tissue", slides=1)


@pytest.mark.parametrize(
    ("setting", "stage"),
    [
        ("tissue.margin_um=30", "tissue"),
        ("quality.max_blur_um=2", "quality"),
        ("quality.exclude=pen,fold", "quality"),
        ("tiles.size=256", "tiles"),
        ("detect.model=classical", "detect"),
        ("segment.foreground=0.55", "segment"),
        ("features.groups=shape", "features"),
        ("statistics.min_nuclei=20", "statistics"),
        ("statistics.spatial=false", "statistics"),
        ("grade.nottingham.min_nuclei=20", "grade"),
        ("grade.out_of_scope=true", "grade"),
        ("report.gallery=8", "report"),
    ],
)
def test_a_setting_reruns_its_stage_and_what_follows(finished: Project, setting: str, stage: str) -> None:
    assert finished.planned_with(setting) == from_stage(stage)


def test_other_weights_rerun_detect_and_a_moved_file_reruns_nothing(fresh: Project) -> None:
    """Their paths start where the command was given, as all paths do, and may have blanks."""
    (fresh.folder / "trained").mkdir()
    path, moved = fresh.folder / "trained" / "my weights.safetensors", fresh.folder / "moved.safetensors"
    write(path, architecture=Architecture())
    done = fresh.run("--set", "detect.model=trained/my weights.safetensors", "--until", "detect")
    assert done.returncode == 0, done.stdout + done.stderr + log_of(fresh)
    assert "nucleus model tiny: CC0" in done.stdout
    manifest = (fresh.results / "s0" / "detect" / "manifest.json").read_text()
    assert str(fresh.folder) not in manifest
    assert '"licence": "CC0"' in manifest
    path.rename(moved)
    (fresh.folder / "config.yaml").write_text("detect:\n  model: moved.safetensors\n")
    assert fresh.planned() == from_stage("segment", slides=1)
    bare = fresh.snakemake("--config", 'detect={"model": "moved.safetensors"}', "--", "s0/detect/manifest.json")
    assert "Nothing to be done" in bare.stdout + bare.stderr
    write(moved, architecture=Architecture(), seed=1)
    assert fresh.planned() == from_stage("detect", slides=1)


def test_mpp_in_the_sheet_reruns_the_slide(finished: Project) -> None:
    finished.write_sheet("s0\tslide 0.tiff\t0.6", "s1\tslide 1.tiff\t")
    assert finished.planned() == from_stage("tissue", slides=1)


def test_tissue_and_stain_in_the_sheet_rerun_the_grade_of_that_slide(finished: Project) -> None:
    header = "slide\tpath\tmpp\ttissue\tstain"
    finished.write_sheet("s0\tslide 0.tiff\t\tbreast\tH&E", "s1\tslide 1.tiff\t\t\t", header=header)
    assert finished.planned() == from_stage("grade", slides=1)


def test_a_rerun_on_demand(finished: Project) -> None:
    assert finished.planned_with(options=("--rerun", "features")) == from_stage("features")
    only = finished.planned_with(options=("--rerun", "features", "--only", "s1"))
    assert only == {"features": 1, "types": 1, "statistics": 1, "grade": 1, "report": 1}


def test_adding_a_slide_runs_only_that_one(finished: Project) -> None:
    shutil.copy(finished.folder / "slide 0.tiff", finished.folder / "third.tiff")
    finished.write_sheet("s0\tslide 0.tiff\t", "s1\tslide 1.tiff\t", "s2\tthird.tiff\t")
    assert finished.planned() == from_stage("tissue", slides=1)


def test_removing_a_slide_updates_the_cohort(finished: Project) -> None:
    finished.write_sheet("s0\tslide 0.tiff\t")
    assert finished.planned() == {"cohort": 1}


def edited_package(folder: Path, module: str, old: str, new: str) -> str:
    """A copy of the package with one edit; the folder to put on the path."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "workflow", "profiles", "config", "envs"):
        (folder / name).symlink_to(ROOT / name)
    file = folder / "src" / "pathopipe" / module
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return str(folder / "src")


@pytest.mark.parametrize(
    ("module", "old", "new", "stage"),
    [
        ("stages/segment.py", "BLOCK = 2048", "BLOCK = 1024", "segment"),
        ("ops/path_costs.py", "STRAIGHT: Final = 5", "STRAIGHT: Final = 10", "segment"),
        ("stages/features.py", '"""Stage features', '"""The stage features', None),
        ("stages/segment.py", "BLOCK = 2048", "# a comment\nBLOCK = 2048", None),
    ],
)
def test_code_reruns_its_stage_but_comments_do_not(
    finished: Project, tmp_path: Path, module: str, old: str, new: str, stage: str | None
) -> None:
    path = edited_package(tmp_path / "edited", module, old, new)
    assert finished.planned(PYTHONPATH=path) == (from_stage(stage) if stage else {})


def test_a_rerun_gives_the_same_bytes(finished: Project) -> None:
    def contents() -> dict[Path, bytes]:
        files = (file for slide in ("s0", "s1", "cohort") for file in (finished.results / slide).rglob("*"))
        return {file: file.read_bytes() for file in files if file.is_file() and not volatile(file)}

    before = contents()
    done = finished.run("--rerun", "tissue", "--cores", "1")
    assert done.returncode == 0, done.stderr
    after = contents()
    assert before.keys() == after.keys()
    assert [file for file in before if before[file] != after[file]] == []


def volatile(file: Path) -> bool:
    return file.name == "run.json" or "logs" in file.parts


def test_maps_that_are_not_kept_are_made_again_only_for_other_settings_of_segment(fresh: Project) -> None:
    done = fresh.run("--set", "keep_maps=false")
    assert done.returncode == 0, done.stdout + done.stderr + log_of(fresh)
    assert not (fresh.results / "s0" / "detect" / "maps.zarr.zip").exists()
    assert (fresh.results / "s0" / "detect" / "detections.parquet").exists()
    assert fresh.planned_with("keep_maps=false") == {}
    assert fresh.planned_with("keep_maps=false", "grade.nottingham.min_nuclei=5") == from_stage("grade", slides=1)
    again = fresh.planned_with("keep_maps=false", "segment.min_area_um2=9")
    assert again == from_stage("detect", slides=1)
