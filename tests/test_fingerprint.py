"""Fingerprints change with the code that a stage runs, and with nothing else."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pathopipe import fingerprint as module
from pathopipe.fingerprint import UNCOUNTED, computed, counted, fingerprint, handed_down
from pathopipe.pipeline import COHORT, STAGES

ROOT = Path(module.__file__).parent
ALL = (*STAGES, COHORT.name)
FILES = {
    "stages/detect.py": "from pathopipe.models.net import run\nfrom pathopipe.jobs.job import Job\n",
    "stages/report.py": "def run():\n    from pathopipe.reporting import page\n",
    "jobs/job.py": (
        "from typing import TYPE_CHECKING\nfrom pathopipe.jobs.progress import Progress\n"
        "if TYPE_CHECKING:\n    from pathopipe.slide import Slide\n"
    ),
    "jobs/progress.py": "v = 1\n",
    "slide/__init__.py": "w = 1\n",
    "pipeline.py": "x = 1\n",
    "models/__init__.py": "u = 1\n",
    "models/net.py": (
        '"""Doc."""\nimport pathopipe.new.area as area\n\nSIDE = 3\n"""Side."""\n\n'
        'def run():\n    """Doc."""\n    return SIDE\n'
    ),
    "new/area.py": "from pathopipe.units import Grid\nfrom pathopipe.pipeline import Config\n",
    "new/other.py": "y = 1\n",
    "units.py": "Grid = 1\n",
    "reporting/page.py": "z = 1\n",
    "reporting/templates/page.html": "<p>",
    "reporting/templates/parts/head.html": "<b>",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    return tmp_path


def changed(package: Path, stage: str, name: str, text: str) -> bool:
    before = computed(stage)
    (package / name).write_text(text)
    module._read.cache_clear()
    module._data.cache_clear()
    return computed(stage) != before


@pytest.mark.parametrize(
    "name", ["stages/detect.py", "models/net.py", "models/__init__.py", "new/area.py", "units.py", "jobs/job.py"]
)
def test_code_that_runs_counts_in_whatever_folder_it_is(name: str, package: Path) -> None:
    assert changed(package, "detect", name, FILES[name] + "added = 1\n")


@pytest.mark.parametrize(
    "name",
    ["new/other.py", "pipeline.py", "jobs/progress.py", "slide/__init__.py", "stages/report.py", "reporting/page.py"],
)
def test_other_code_does_not_count(name: str, package: Path) -> None:
    assert not changed(package, "detect", name, FILES[name] + "added = 1\n")


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    pass\nexcept OSError:\n    IMPORT\n",
        "try:\n    pass\nfinally:\n    IMPORT\n",
        "if v:\n    pass\nelse:\n    IMPORT\n",
        "match v:\n    case 1:\n        IMPORT\n",
        "class A:\n    async def b(self):\n        with v:\n            IMPORT\n",
    ],
)
def test_imports_count_wherever_they_are(text: str, package: Path) -> None:
    imported = text.replace("IMPORT", "from pathopipe.new import other")
    assert changed(package, "detect", "models/net.py", imported)
    assert changed(package, "detect", "new/other.py", "y = 2\n")


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    text = "import pathopipe.new.area as area\nSIDE = (3)  # three\n\n\n\ndef run():\n\n    return SIDE\n"
    assert not changed(package, "detect", "models/net.py", text)
    assert changed(package, "detect", "models/net.py", text.replace("3", "4"))


def test_trees_of_which_python_says_something_else_have_other_texts() -> None:
    """All constants, names and layers of this package, against the slower text that Python makes of a tree."""
    texts, dumps = list[str](), list[str]()
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.parse(file.read_bytes()).body:
            texts.append(module.text_of(node))
            dumps.append(ast.dump(node, annotate_fields=False))
    numbers = dict(zip(dumps, texts, strict=True))
    assert len({*texts}) == len(numbers) > 5000
    assert [numbers[dump] for dump in dumps] == texts


@pytest.mark.parametrize("name", ["reporting/templates/page.html", "reporting/templates/parts/head.html"])
def test_templates_count_for_pages(name: str, package: Path) -> None:
    assert not changed(package, "detect", name, "<i>")
    (package / name).write_text(FILES[name])
    assert changed(package, "report", name, "<i>")


def test_every_stage_has_a_fingerprint_of_its_own() -> None:
    prints = {stage: fingerprint(stage) for stage in ALL}
    assert len(set(prints.values())) == len(prints)
    assert fingerprint("tissue") == computed("tissue")


ASKED = """
import sys
from pathopipe import fingerprint as module
if "told" in sys.argv:
    module.computed = lambda stage: "computed"
print(*(module.fingerprint(stage) for stage in ("tissue", "cohort")))
"""


def asked(package: Path, *arguments: str, **environment: str) -> list[str]:
    """What another process says of a copy of the package."""
    paths = {**os.environ, "PYTHONPATH": str(package.parent), **environment}
    command = [sys.executable, "-c", ASKED, *arguments]
    return subprocess.run(command, env=paths, check=True, capture_output=True, text=True).stdout.split()


def test_what_a_process_computed_holds_for_those_that_it_starts_while_no_file_changes(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(ROOT, tmp_path / "pathopipe", ignore=shutil.ignore_patterns("__pycache__", "shipped")))
    code = f"from pathopipe.fingerprint import *; print(handed_down(('tissue', 'cohort'))['{module._HANDED_DOWN}'])"
    paths = {**os.environ, "PYTHONPATH": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", code], env=paths, check=True, capture_output=True, text=True).stdout
    before = asked(copy)
    assert asked(copy, "told", PATHOPIPE_CODE=told) == before == [computed("tissue"), computed("cohort")]
    assert (
        asked(copy, "told", PATHOPIPE_CODE=handed_down(("tissue", "cohort"))[module._HANDED_DOWN]) == ["computed"] * 2
    )
    for damaged in ("", "[", "[]", '{"code": 3}', told.replace('"tissue"', '"tiles"')):
        assert asked(copy, PATHOPIPE_CODE=damaged) == before
    units = copy / "units.py"
    units.write_text(units.read_text() + "added = 1\n")
    after = asked(copy, PATHOPIPE_CODE=told)
    assert after == asked(copy)
    assert not {*after} & {*before}
    shutil.copystat(ROOT / "units.py", units)
    assert asked(copy, PATHOPIPE_CODE=told) == after


def constants(file: Path) -> Iterator[tuple[ast.Module, ast.Constant]]:
    """Numbers and texts of a module that are no docstrings, the last of each kind, in a tree of its own."""
    kinds = dict[type, int]()
    for number, node in enumerate(nodes(ast.parse(file.read_bytes()))):
        kinds[type(node.value)] = number
    for number in kinds.values():
        tree = ast.parse(file.read_bytes())
        yield tree, nodes(tree)[number]


def nodes(tree: ast.Module) -> list[ast.Constant]:
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in texts and type(node.value) in {int, float, str}
    ]


@pytest.mark.parametrize("stage", ALL)
def test_every_constant_of_every_module_that_a_stage_imports_counts(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module is not written: what is read of it is what would be read of it with another constant."""
    before, read, tried = computed(stage), module._read, 0
    for file in counted(stage):
        for tree, constant in constants(file) if file.suffix == ".py" else ():
            constant.value = f"{constant.value} " if isinstance(constant.value, str) else constant.value + 1
            other = (module._digest(module.text_of(module._bare(tree))), read(file)[1])
            monkeypatch.setattr(
                module, "_read", lambda path, file=file, other=other: other if path == file else read(path)
            )
            assert computed(stage) != before, (file, ast.unparse(constant))
            tried += 1
    assert tried > 20


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        ("tissue", {"slide/tiff_backend.py", "slide/resample.py", "jit.py", "units.py", "ops/tissue.py"}),
        ("detect", {"results/maps.py", "results/tables.py", "models/registry.py", "jobs/journal.py"}),
        ("segment", {"results/maps.py", "results/tables.py", "ops/assign.py"}),
        ("grade", {"grading/criteria.py", "grading/registry.py", "results/tables.py"}),
        ("report", {"reporting/templates/slide.html", "slide/opening.py"}),
        ("cohort", {"reporting/templates/cohort.html", "reporting/cohort_table.py"}),
    ],
)
def test_formats_readers_and_graders_count(stage: str, names: set[str]) -> None:
    assert names <= {str(file.relative_to(ROOT)) for file in counted(stage)}


def test_readers_of_slides_count_for_the_stages_that_read_pixels_alone() -> None:
    reading = {stage for stage in STAGES if any(file.parent.name == "slide" for file in counted(stage))}
    assert reading == {name for name, stage in STAGES.items() if stage.reads_pixels}


def test_what_does_not_count_is_there_and_has_a_reason() -> None:
    for name, reason in UNCOUNTED.items():
        assert ROOT.joinpath(*name.split(".")).with_suffix(".py").is_file(), name
        assert len(reason) > 20
    names = {str(file.relative_to(ROOT)) for stage in ALL for file in counted(stage)}
    assert not names & {f"{name.replace('.', '/')}.py" for name in UNCOUNTED}


def test_a_new_measure_makes_no_grade_run_again() -> None:
    names = {str(file.relative_to(ROOT)) for file in counted("grade")}
    assert "results/schemas/counts.py" in names
    assert not {name for name in names if name.startswith("results/schemas/measures/")}
    assert not names & {"results/schemas/features.py", "results/schemas/statistics.py", "results/schemas/spatial.py"}
