"""Slides with tiles that cannot be decoded: skipped, counted, told, and rejected where they are too many."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from pathopipe.errors import FaultError
from pathopipe.jobs import journal
from pathopipe.jobs.execution import execute
from pathopipe.models.base import Part
from pathopipe.pipeline import Config
from pathopipe.results.documents import read_json
from pathopipe.results.tables import read_table
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, write_slide

TILE = 256
STAGES = ("tissue", "quality", "tiles", "detect", "segment", "features", "types", "statistics", "grade", "report")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides") / "whole.tiff"
    write_slide(Scene(2560, 2048, mpp=0.5, seed=3, tissue="field"), path, levels=2)
    return path


def damaged(whole: Path, path: Path, tiles: list[int]) -> Path:
    """Copy the slide with zeros in these tiles of level 0, which are 256 pixels wide and ten in a row."""
    content = bytearray(whole.read_bytes())
    with tifffile.TiffFile(whole) as tiff:
        page: Any = tiff.pages[0]
        for tile in tiles:
            content[page.dataoffsets[tile] : page.dataoffsets[tile] + page.databytecounts[tile]] = bytes(
                page.databytecounts[tile]
            )
    path.write_bytes(content)
    return path


def run(path: Path, results: Path, size: int = 512, workers: int = 1, until: str = "report") -> Path:
    config = Config.model_validate({"tiles": {"size": size}, "detect": {"model": "classical"}})
    for stage in STAGES[: STAGES.index(until) + 1]:
        execute(stage, "s", results, getattr(config, stage), Sample("s", path), workers)
    return results / "s"


def test_a_damaged_tile_is_glass_counted_and_told_whatever_the_tiles_and_workers(whole: Path, tmp_path: Path) -> None:
    path = damaged(whole, tmp_path / "s.tiff", [2 * 10 + 4])
    folder = run(path, tmp_path / "one")
    detect = read_json(folder / "detect" / "manifest.json")
    assert detect["state"] == "done", detect["reason"]
    assert detect["counts"]["damaged"] == 4
    nuclei = read_table(folder / "segment" / "nuclei.parquet")
    x, y = (np.asarray(nuclei[name]) for name in ("x_px", "y_px"))
    inside = (x > 4 * TILE) & (x < 5 * TILE) & (y > 2 * TILE) & (y < 3 * TILE)
    assert not inside.any()
    assert len(nuclei) > 300
    page = (folder / "report" / "report.html").read_text()
    assert "of the tissue could not be read and is treated as glass: the file is damaged" in page
    for size, workers in ((256, 2), (1024, 1)):
        other = run(path, tmp_path / f"{size}", size, workers, until="segment")
        assert (other / "segment" / "nuclei.parquet").read_bytes() == (
            folder / "segment" / "nuclei.parquet"
        ).read_bytes()
        assert read_json(other / "detect" / "manifest.json")["quality"] == detect["quality"]


def test_a_slide_of_which_too_much_is_lost_is_rejected(whole: Path, tmp_path: Path) -> None:
    path = damaged(whole, tmp_path / "s.tiff", [1 * 10 + column for column in range(10)])
    folder = run(path, tmp_path / "results")
    for stage in ("detect", "segment", "report"):
        manifest = read_json(folder / stage / "manifest.json")
        assert manifest["state"] == "rejected"
        assert "the file is damaged" in manifest["reason"]
        assert "copy or export it again" in manifest["reason"]


def test_a_tiles_record_holds_the_damage_of_its_own_place(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not all that was met before: records would grow with the number of tiles."""
    records, pack = list[int](), journal.pack

    def noting(arrays: journal.Arrays) -> bytes:
        records.append(len(arrays["damaged"]))
        return pack(arrays)

    path = damaged(whole, tmp_path / "s.tiff", [0, 4, 44, 74])
    monkeypatch.setattr(journal, "pack", noting)
    folder = run(path, tmp_path / "results", until="detect")
    assert read_json(folder / "detect" / "manifest.json")["counts"]["damaged"] == 16
    assert len(records) == 20
    assert max(records) < 16


def test_damage_that_an_earlier_job_met_is_counted(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathopipe.models.classical import ClassicalModel

    path, predict, calls = damaged(whole, tmp_path / "s.tiff", [0]), ClassicalModel.predict, list[int]()
    reference = run(path, tmp_path / "reference", until="detect")
    results = run(path, tmp_path / "results", until="tiles").parent

    def failing(model: ClassicalModel, rgb: np.ndarray, part: Part | None = None) -> object:
        calls.append(1)
        if len(calls) == 5:
            raise OSError(5, "Input/output error")
        return predict(model, rgb, part)

    monkeypatch.setattr(ClassicalModel, "predict", failing)
    with pytest.raises(FaultError):
        run(path, results, until="detect")
    folder = run(path, results, until="detect")
    for name in ("detections.parquet", "maps.zarr.zip"):
        assert (folder / "detect" / name).read_bytes() == (reference / "detect" / name).read_bytes()
    assert read_json(folder / "detect" / "manifest.json") == read_json(reference / "detect" / "manifest.json")
