"""``pathopipe bench``: what it prints is what the stages wrote down."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from pathopipe.cli.bench import bench
from pathopipe.errors import FaultError
from pathopipe.pipeline import STAGES
from pathopipe.results.documents import read_json


def test_every_stage_has_a_line_with_its_figures(small_slide: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(bench, ["--slide", str(small_slide), "--keep", str(tmp_path)], catch_exceptions=False)
    table = done.output.splitlines()[2 : 3 + len(STAGES)]
    lines = {line.split()[0]: line.split() for line in table}
    assert list(lines) == [*STAGES, "all"]
    folder = tmp_path / "results" / "bench"
    area = read_json(folder / "tissue" / "manifest.json")["tissue_mm2"]
    for stage in STAGES:
        record = read_json(folder / stage / "run.json")
        assert float(lines[stage][1]) == pytest.approx(record["seconds"], abs=0.051)
        assert float(lines[stage][2]) == pytest.approx(record["seconds"] / area, abs=0.0051)
        assert float(lines[stage][4]) == pytest.approx(record["peak_memory_mb"], abs=0.51)
    spent = read_json(folder / "detect" / "run.json")["spent"]
    assert 0 < spent["network"] <= spent["model"]
    assert lines["detect"][-1].endswith("%")
    assert "without the network" in done.output


def test_what_is_kept_may_lie_beside_the_caller(
    small_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bench.main(["--slide", str(small_slide), "--keep", "kept"], "bench", standalone_mode=False)
    assert (tmp_path / "kept" / "results" / "bench" / "report" / "report.html").exists()


def test_a_slide_that_is_rejected_says_why(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "glass.png"), np.full((400, 600, 3), 244, np.uint8))
    arguments = ["--slide", str(tmp_path / "glass.png"), "--mpp", "0.5", "--keep", str(tmp_path / "kept")]
    with pytest.raises(FaultError, match=r"the slide was rejected: .*tissue"):
        bench.main(arguments, "bench", standalone_mode=False)
