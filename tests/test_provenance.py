"""Fingerprints change with the code that a stage runs, and with nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from pathopipe import provenance
from pathopipe.artifacts import CONTRACTS
from pathopipe.provenance import Stopwatch, fingerprint, sha256, versions

FILES = {
    "stages/detect.py": "from pathopipe.models.net import run\nfrom pathopipe.stages.base import Job\n",
    "stages/report.py": "def run():\n    from pathopipe.reporting import page\n",
    "stages/base.py": "x = 1\n",
    "models/net.py": (
        '"""Doc."""\nimport pathopipe.ops.area as area\n\nSIDE = 3\n"""Side."""\n\n'
        'def run():\n    """Doc."""\n    return SIDE\n'
    ),
    "ops/area.py": "from pathopipe.units import Grid\n",
    "ops/other.py": "y = 1\n",
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
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    return tmp_path


def changed(package: Path, stage: str, name: str, text: str) -> bool:
    before = fingerprint.__wrapped__(stage)
    (package / name).write_text(text)
    provenance._read.cache_clear()
    return fingerprint.__wrapped__(stage) != before


@pytest.mark.parametrize("name", ["stages/detect.py", "models/net.py", "ops/area.py", "units.py"])
def test_code_that_runs_counts(name: str, package: Path) -> None:
    assert changed(package, "detect", name, FILES[name] + "added = 1\n")


@pytest.mark.parametrize("name", ["ops/other.py", "stages/base.py", "stages/report.py", "reporting/page.py"])
def test_other_code_does_not_count(name: str, package: Path) -> None:
    assert not changed(package, "detect", name, FILES[name] + "added = 1\n")


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    text = "import pathopipe.ops.area as area\nSIDE = (3)  # three\n\n\n\ndef run():\n\n    return SIDE\n"
    assert not changed(package, "detect", "models/net.py", text)
    assert changed(package, "detect", "models/net.py", text.replace("3", "4"))


@pytest.mark.parametrize("name", ["reporting/templates/page.html", "reporting/templates/parts/head.html"])
def test_templates_count_for_pages(name: str, package: Path) -> None:
    assert not changed(package, "detect", name, "<i>")
    (package / name).write_text(FILES[name])
    assert changed(package, "report", name, "<i>")


def test_every_stage_has_a_fingerprint_of_its_own() -> None:
    prints = {stage: fingerprint(stage) for stage in CONTRACTS}
    assert len(set(prints.values())) == len(prints)
    assert fingerprint("tissue") == fingerprint.__wrapped__("tissue")


def test_readers_and_compiled_loops_count_for_tissue() -> None:
    root = Path(provenance.__file__).parent
    names = {str(file.relative_to(root)) for file in provenance._reachable(root / "stages" / "tissue.py")}
    assert {"slide/tiff_backend.py", "slide/resample.py", "jit.py", "units.py", "ops/tissue.py"} <= names
    assert not any(name.startswith(("stages/base", "artifacts", "config")) for name in names)


def test_versions_and_digests(tmp_path: Path) -> None:
    assert {"pathopipe", "python", "numpy", "openslide-bin"} <= set(versions())
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf")


def test_a_run_is_measured() -> None:
    record = Stopwatch().record(workers=3)
    assert record["seconds"] >= 0
    assert record["peak_memory_mb"] > 10
    assert record["workers"] == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell it differently")
def test_the_memory_of_the_process_that_started_it_is_not_counted() -> None:
    code = (
        "import subprocess, sys; held = bytearray(200_000_000); held[::4096] = b'1' * len(held[::4096]);"
        "ask = 'from pathopipe.provenance import Stopwatch; print(Stopwatch().record(1)[\"peak_memory_mb\"])';"
        "print(subprocess.run([sys.executable, '-c', ask], capture_output=True, text=True, check=True).stdout)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(told) < 150
