"""Where the workflow catalogue, other workflows and snakedeploy expect things, and that they work from there."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pathopipe.jobs.ownership import owning
from tests.workflow.conftest import ROOT, Project

SNAKEMAKE = (sys.executable, "-m", "snakemake", "--cores", "2")


def module_example(snakefile: Path) -> str:
    """The example of the documentation, with this Snakefile."""
    text = (ROOT / "docs" / "snakemake.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example
    assert '"path/to/pathopipe/workflow/Snakefile"' in example[1]
    return example[1].replace("path/to/pathopipe/workflow/Snakefile", str(snakefile))


PAGES = ("README.md", "CHANGELOG.md", *(f"{folder}/README.md" for folder in ("config", "benchmarks", "recipes")))


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a page with their numbers, without code blocks, tables and pictures."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        fence = line.lstrip().startswith("```")
        code ^= fence
        if not (code or fence or line.lstrip().startswith(("|", "!["))):
            yield number, line


def test_lines_of_prose_fit_in_an_editor() -> None:
    pages = [*(ROOT / page for page in PAGES), *sorted((ROOT / "docs").glob("*.md"))]
    lines = [(page, number, line) for page in pages for number, line in prose(page.read_text(encoding="utf-8"))]
    assert len({page for page, _, _ in lines}) == len(pages) > len(PAGES)
    assert [f"{page.name}:{number}" for page, number, line in lines if len(line) > 120] == []


def test_the_catalogue_finds_what_it_asks_for() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml"):
        assert (ROOT / name).is_file()


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_both_places_of_the_snakefile_plan_the_whole_workflow(fresh: Project, snakefile: str) -> None:
    done = fresh.call(*SNAKEMAKE, "--snakefile", str(ROOT / snakefile), "--configfile", "config.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "\ncohort " in done.stdout + done.stderr
    assert "\ntissue " in done.stdout + done.stderr


@pytest.mark.slow
def test_another_workflow_uses_it_as_a_module_in_its_own_folder(fresh: Project) -> None:
    (fresh.folder / "Snakefile").write_text(module_example(ROOT / "workflow" / "Snakefile"))
    done = fresh.call(*SNAKEMAKE, "--scheduler", "greedy")
    assert done.returncode == 0, done.stderr
    assert json.loads((fresh.results / "cohort" / "manifest.json").read_text())["counts"]["done"] == 1
    assert (fresh.folder / "graded" / "slides.tsv").read_text().startswith("slide\tstate")
    assert (fresh.folder / ".snakemake").is_dir()
    assert not (fresh.results / "graded").exists()
    assert not (fresh.results / ".snakemake").exists()
    assert planned_nothing(fresh.call(*SNAKEMAKE, "--dry-run"))
    changed = fresh.call(*SNAKEMAKE, "--dry-run", "--config", "report={gallery: 3}")
    assert jobs(changed) == {"pathopipe_report": 1, "pathopipe_cohort": 1, "graded": 1}


@pytest.mark.slow
def test_the_small_run_of_a_clone(tmp_path: Path) -> None:
    """As the catalogue and the template of Snakemake's workflows try one; in a copy, to leave the clone as it is."""
    folder = Path(
        shutil.copytree(ROOT / ".test", tmp_path / "test", ignore=shutil.ignore_patterns("results", ".snake*"))
    )
    there = Project(tmp_path)
    command = (*SNAKEMAKE, "--snakefile", str(ROOT / "workflow" / "Snakefile"), "--directory", str(folder))
    done = there.call(*command)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "results" / "cohort" / "manifest.json").read_text())["counts"]["done"] == 1
    assert json.loads((folder / "results" / "field" / "grade" / "grade.json").read_text())["grade"] == "2"
    assert sorted(path.name for path in folder.iterdir()) == [".snakemake", "config", "results", "slides"]
    assert planned_nothing(there.call(*command, "--dry-run"))


def test_the_empty_sheet_of_a_clone_says_what_to_do_first(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    done = Project(tmp_path).call(*SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"))
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("pathopipe: ")]
    assert "lists no slides" in line
    assert "pathopipe init FOLDER" in line


def test_what_init_writes_goes_before_the_empty_configuration_of_a_clone(fresh: Project) -> None:
    shutil.copytree(ROOT / "config", fresh.folder / "config")
    done = fresh.call(*SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--dry-run")
    assert jobs(done)["tissue"] == 1


@pytest.mark.parametrize(
    ("row", "setting", "words"),
    [
        ("a b\tslide 0.tiff\t", "keep_maps=true", "line 2: slide id 'a b'"),
        ("a\tgone.tiff\t", "keep_maps=true", "gone.tiff is missing"),
        ("a\tslide 0.tiff\t", "keep_map=true", "did you mean 'keep_maps'"),
        ("a\tslide 0.tiff\t", "detect={model: nope}", "there is no nucleus model 'nope'"),
    ],
)
def test_snakemake_itself_refuses_in_a_sentence(fresh: Project, row: str, setting: str, words: str) -> None:
    fresh.write_sheet(row)
    done = fresh.snakemake("--config", setting)
    assert done.returncode == 2
    assert no_frames(done.stderr)
    assert [words in line for line in done.stderr.splitlines() if line.startswith("pathopipe: ")] == [True]


def test_snakemake_itself_leaves_a_folder_that_is_in_use_alone(fresh: Project) -> None:
    with owning(fresh.results):
        done = fresh.snakemake(PATHOPIPE_OWNS="")
    assert done.returncode == 2
    assert no_frames(done.stderr)
    assert "is working on this results folder" in done.stderr.splitlines()[-1]
    assert not (fresh.results / "s0").exists()


@pytest.mark.slow
def test_snakemake_itself_says_what_was_rejected_and_what_failed(fresh: Project) -> None:
    (fresh.folder / "empty.svs").write_bytes(b"")
    fresh.write_sheet("good\tslide 0.tiff\t", "bad\tempty.svs\t")
    done = fresh.snakemake("--scheduler", "greedy")
    assert done.returncode == 0, done.stderr
    assert "rejected:\n  bad: the file is empty: copy or export it again\n" in done.stdout
    (fresh.results / "good" / "segment" / "nuclei.parquet").write_bytes(b"broken")
    failed = fresh.snakemake("--scheduler", "greedy", "--forcerun", "features", "--retries", "0")
    assert failed.returncode == 1
    assert "pathopipe: slide good: features: " in failed.stderr


@pytest.mark.parametrize(
    "target", [("s0/segment/nuclei.parquet",), ("--directory", ".", "--", "results/s0/segment/nuclei.parquet")]
)
def test_one_file_is_a_target_by_its_path_from_the_results_or_from_here(
    fresh: Project, target: tuple[str, ...]
) -> None:
    done = fresh.snakemake("--dry-run", *target)
    assert jobs(done) == {"tissue": 1, "quality": 1, "tiles": 1, "detect": 1, "segment": 1}


def test_a_results_folder_may_be_a_link(fresh: Project) -> None:
    (fresh.folder / "elsewhere").mkdir()
    fresh.results.symlink_to("elsewhere")
    assert jobs(fresh.snakemake("--dry-run", "s0/tiles/tiles.parquet")) == {"tissue": 1, "quality": 1, "tiles": 1}


def test_blanks_in_the_name_of_a_folder_that_is_not_worked_in(fresh: Project) -> None:
    done = fresh.snakemake(
        "--directory", ".", "--config", "results=my results", "--", "my results/s0/tiles/tiles.parquet"
    )
    assert done.returncode == 0, done.stderr
    assert (fresh.folder / "my results" / "s0" / "logs" / "tiles.log").is_file()


def test_braces_in_its_name_are_refused_where_they_would_be_wildcards(fresh: Project) -> None:
    here = fresh.snakemake("--dry-run", "--config", "results=of_{a}")
    assert here.returncode == 0, here.stderr
    done = fresh.snakemake("--dry-run", "--directory", ".", "--config", "results=of_{a}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("pathopipe: of_{a}: a results folder with braces")


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    table = re.search(r"job +count\n[- ]+\n(.*?)\n\n", done.stdout + done.stderr, re.DOTALL)
    assert table, done.stderr
    rows = dict(line.split() for line in table[1].splitlines())
    return {rule: int(count) for rule, count in rows.items() if rule not in {"total", "all"}}


def planned_nothing(done: subprocess.CompletedProcess) -> bool:
    return done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr


def no_frames(text: str) -> bool:
    return not re.search(r'Traceback|^ *File "|Error in file|RefusalError', text, re.MULTILINE)


@pytest.mark.skipif(importlib.util.find_spec("snakedeploy") is None, reason="snakedeploy is not installed")
def test_snakedeploy_deploys_it(fresh: Project, tmp_path: Path) -> None:
    """From a folder, as nothing is fetched here; of one it declares the Snakefile by half of its path only."""
    deployed = tmp_path / "deployed"
    command = (sys.executable, "-m", "snakedeploy.client", "deploy-workflow")
    subprocess.run([*command, str(ROOT), str(deployed), "--branch", "main", "--name", "pathopipe"], check=True)
    snakefile = deployed / "workflow" / "Snakefile"
    written = snakefile.read_text()
    assert '"workflow/Snakefile"' in written
    snakefile.write_text(written.replace('"workflow/Snakefile"', f'"{ROOT}/workflow/Snakefile"'))
    assert (deployed / "config" / "config.yaml").is_file()
    settings = ("--config", f"slides={fresh.folder}/slides.tsv", f"results={fresh.results}")
    done = fresh.call(*SNAKEMAKE, "--directory", str(deployed), "--snakefile", str(snakefile), *settings, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "\ntissue " in done.stdout + done.stderr
