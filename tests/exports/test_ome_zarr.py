"""Labels as OME-Zarr: each pixel of the grid has its nucleus, and the pyramid fits; validated by ome-zarr-models."""

from pathlib import Path

import numpy as np
import pytest
import zarr

import pathopipe
from pathopipe.exports import ome_zarr
from pathopipe.exports.selection import Asked, select
from pathopipe.ops.raster import rasterize
from pathopipe.ops.wkb import from_wkb
from pathopipe.results.reader import SlideResults
from tests.exports.elsewhere import run_elsewhere

SIDE = 64
"""Of chunks, so that nuclei lie across their borders."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ome_zarr, "_SIDE", SIDE)
    monkeypatch.setattr(ome_zarr, "_HELD", 2)


def export(results: Path, folder: Path, **asked: tuple[str, ...]) -> zarr.Group:
    folder.mkdir()
    ome_zarr.write(select(pathopipe.open_results(results), Asked(("good",), **asked)), folder)
    return zarr.open_group(folder, mode="r")


def expected(good: SlideResults) -> np.ndarray:
    grid = good.manifest("segment")["grid"]
    coords, offsets = from_wkb(good.arrow("nuclei", ["geometry"])["geometry"].combine_chunks())
    coords /= (grid["factor_x"], grid["factor_y"])
    return rasterize(coords, offsets, (grid["height"], grid["width"]))


def test_a_pixel_has_the_number_of_its_nucleus_plus_one(
    finished_results: Path, tmp_path: Path, good: SlideResults
) -> None:
    found = export(finished_results, tmp_path / "n.ome.zarr")["0"][:]
    np.testing.assert_array_equal(found, expected(good))
    ids = good.table("nuclei")["nucleus_id"]
    assert set(np.unique(found)) == {0, *(ids + 1)}
    grid = good.manifest("segment")["grid"]
    um2 = np.bincount(found.ravel(), minlength=len(ids) + 1)[1:] * grid["mpp_x"] * grid["mpp_y"]
    np.testing.assert_allclose(um2, good.table("nuclei")["area_um2"], rtol=0.02)


def test_types_select_nuclei_that_keep_their_numbers(
    finished_results: Path, tmp_path: Path, good: SlideResults
) -> None:
    found = np.unique(export(finished_results, tmp_path / "n.ome.zarr", types=("epithelial",))["0"][:])
    chosen = good.table("types").query("type == 'epithelial'")["nucleus_id"]
    assert set(found) == {0, *(chosen + 1)}


def test_levels_are_every_second_pixel_at_its_place(finished_results: Path, tmp_path: Path, good: SlideResults) -> None:
    group = export(finished_results, tmp_path / "n.ome.zarr")
    (scales,) = group.attrs["ome"]["multiscales"]
    grid = good.manifest("segment")["grid"]
    names = [dataset["path"] for dataset in scales["datasets"]]
    assert sorted(group.array_keys()) == names
    assert max(group[names[-1]].shape) <= SIDE < max(group[names[-2]].shape)
    for level, dataset in enumerate(scales["datasets"]):
        np.testing.assert_array_equal(group[dataset["path"]][:], group["0"][:: 2**level, :: 2**level])
        scale, translation = dataset["coordinateTransformations"]
        assert scale["scale"] == [grid["mpp_y"] * 2**level, grid["mpp_x"] * 2**level]
        assert translation["translation"] == [grid["mpp_y"] / 2, grid["mpp_x"] / 2]


MODELS = """
import ome_zarr_models, zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
group = ome_zarr_models.open_ome_zarr(zarr.open_group(sys.argv[1], mode="r"))
(node,) = [node for node in Reader(parse_url(sys.argv[1]))() if node.data]
print(type(group).__module__, type(group).__name__, node.data[0].shape, int(node.data[0].max().compute()))
"""


def test_its_libraries_open_it(finished_results: Path, tmp_path: Path, good: SlideResults) -> None:
    export(finished_results, tmp_path / "n.ome.zarr")
    said = run_elsewhere("ome_zarr", MODELS, tmp_path / "n.ome.zarr").splitlines()[-1]
    grid, count = good.manifest("segment")["grid"], len(good.table("nuclei"))
    assert said == f"ome_zarr_models.v05.image_label ImageLabel ({grid['height']}, {grid['width']}) {count}"
