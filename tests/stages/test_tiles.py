"""Tiles cover the tissue, each place once, whatever their size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pathopipe.jobs.execution import execute
from pathopipe.ops.regions import Bins, cut_mask, from_geojson, polygons_to_mask
from pathopipe.pipeline import QualitySettings, TilesSettings, TissueSettings
from pathopipe.results.documents import read_json
from pathopipe.results.tables import read_table
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, write_slide
from pathopipe.units import Grid


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide with glass around its tissue, at 0.3 mpp: 1.67 level-0 pixels per working pixel."""
    folder = tmp_path_factory.mktemp("tiles")
    write_slide(Scene(3000, 2400, mpp=0.3, seed=4), folder / "slide.tiff", levels=1)
    for stage, settings in (("tissue", TissueSettings()), ("quality", QualitySettings())):
        execute(stage, "s", folder, settings, Sample("s", folder / "slide.tiff"))
    return folder


def tiles(results: Path, size: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    manifest = execute("tiles", "s", results, TilesSettings(size=size))
    table = read_table(results / "s" / "tiles" / "tiles.parquet")
    return manifest, {name: table.column(name).to_numpy() for name in table.column_names}


def coverage(results: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each working pixel is covered, and whether it is tissue."""
    manifest, table = tiles(results, size)
    grid = Grid(**manifest["grid"])
    covered = np.zeros((grid.height, grid.width), int)
    for number in range(len(table["tile_id"])):
        x, y, width, height = (table[f"grid_{name}_px"][number] for name in ("x", "y", "width", "height"))
        covered[y : y + height, x : x + width] += 1
    bins = Bins(**read_json(results / "s" / "tissue" / "manifest.json")["bins"])
    mask = polygons_to_mask(from_geojson(read_json(results / "s" / "tissue" / "tissue.geojson"), (0, 0)), bins)
    x_px, y_px = (np.arange(grid.width) + 0.5) * grid.factor_x, (np.arange(grid.height) + 0.5) * grid.factor_y
    return covered, cut_mask(mask, bins, x_px, y_px)


@pytest.mark.parametrize("size", [256, 512, 1024, 65536])
def test_every_place_with_tissue_is_covered_once(size: int, results: Path) -> None:
    covered, tissue = coverage(results, size)
    assert covered.max() == 1
    assert (covered[tissue] == 1).all()


def test_no_tile_lies_on_glass_alone(results: Path) -> None:
    manifest, table = tiles(results, 256)
    covered, tissue = coverage(results, 256)
    assert (covered == 0).any()
    assert manifest["counts"]["tiles"] == len(table["tile_id"])
    for number, share in enumerate(table["tissue_share"]):
        x, y, width, height = (table[f"grid_{name}_px"][number] for name in ("x", "y", "width", "height"))
        assert share == pytest.approx(tissue[y : y + height, x : x + width].mean())
        assert share > 0


def test_coordinates_are_level_0_pixels_in_rows(results: Path) -> None:
    manifest, table = tiles(results, 512)
    factor = manifest["grid"]["factor_x"]
    assert factor == pytest.approx(0.5 / 0.3)
    assert manifest["mpp_x"] == 0.3
    for name in ("x", "y", "width", "height"):
        np.testing.assert_allclose(table[f"{name}_px"], table[f"grid_{name}_px"] * factor)
    assert (table["tile_id"] == np.arange(len(table["tile_id"]))).all()
    order = np.lexsort((table["x_px"], table["y_px"]))
    assert (order == np.arange(len(order))).all()


def test_a_rejected_slide_has_a_table_without_rows(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    for stage, settings in (("tissue", TissueSettings()), ("quality", QualitySettings())):
        execute(stage, "s", tmp_path, settings, Sample("s", tmp_path / "a.png"))
    manifest, table = tiles(tmp_path, 512)
    assert manifest["state"] == "rejected"
    assert "is empty" in manifest["reason"]
    assert len(table["tile_id"]) == 0
