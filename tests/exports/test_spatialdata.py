"""SpatialData: as it lies in the folder, and as its library opens it."""

from pathlib import Path

import anndata
import geopandas
import numpy as np
import pytest
import zarr

import pathopipe
from pathopipe.exports import spatialdata
from pathopipe.exports.selection import Asked, select
from pathopipe.results.reader import SlideResults
from tests.exports.conftest import REGIONS
from tests.exports.elsewhere import run_elsewhere


@pytest.fixture(scope="module")
def store(finished_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spatialdata") / "n.spatialdata.zarr"
    folder.mkdir()
    asked = Asked(("good",), types=("epithelial",))
    count = spatialdata.write(select(pathopipe.open_results(finished_results), asked), folder)
    assert count > 50
    return folder


def test_shapes_are_outlines_tissue_and_regions_in_pixels(store: Path, good: SlideResults) -> None:
    nuclei, tissue, regions = (
        geopandas.read_parquet(store / "shapes" / name / "shapes.parquet") for name in ("nuclei", "tissue", "regions")
    )
    chosen = good.table("types")["type"] == "epithelial"
    assert nuclei.index.name == "nucleus_id"
    assert nuclei.index.tolist() == np.flatnonzero(chosen).tolist()
    assert nuclei.geometry.geom_equals(good.polygons().geometry[chosen]).all()
    assert tissue.area.sum() == pytest.approx(sum(piece.area for piece in good.tissue()))
    assert regions["name"].tolist() == [*REGIONS, "densest_field", "largest_field"]
    assert regions["class"].tolist() == ["Tumor", "", "", ""]


def test_the_table_is_that_of_anndata_and_names_its_shapes(store: Path, good: SlideResults) -> None:
    table = anndata.io.read_elem(zarr.open_group(store / "tables" / "table", mode="r"))
    features = good.table("features").iloc[table.obs["nucleus_id"]]
    np.testing.assert_array_equal(table[:, "area_um2"].X.ravel(), features["area_um2"].to_numpy(np.float32))
    assert not (table.X == 0).all(axis=0).all()
    assert table.uns["spatialdata_attrs"] == {
        "region": "nuclei",
        "region_key": "element",
        "instance_key": "nucleus_id",
    }
    assert set(table.obs["element"]) == {"nuclei"}


LIBRARY = """
import numpy as np
data = spatialdata.read_zarr(sys.argv[1])
shapes, table = spatialdata.match_element_to_table(data, "nuclei", "table")
in_um = spatialdata.transform(data["nuclei"], to_coordinate_system="global")
centers = np.column_stack([in_um.centroid.x, in_um.centroid.y])
print(len(shapes["nuclei"]), table.n_obs, np.abs(centers - table.obsm["spatial"]).max() < 0.5)
print(np.allclose(in_um.area, table[:, "area_um2"].X.ravel(), rtol=0.02), sorted(data.shapes))
"""


def test_its_library_opens_it_in_micrometers(store: Path, good: SlideResults) -> None:
    first, second = run_elsewhere("spatialdata", LIBRARY, store).splitlines()[-2:]
    count = (good.table("types")["type"] == "epithelial").sum()
    assert first == f"{count} {count} True"
    assert second == "True ['nuclei', 'regions', 'tissue']"
