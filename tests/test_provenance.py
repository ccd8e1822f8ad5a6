"""A result tells what made it, and what that took."""

import subprocess
import sys
from pathlib import Path

import pytest

from pathopipe.provenance import Stopwatch, sha256, versions


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
    reported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(reported) < 150
