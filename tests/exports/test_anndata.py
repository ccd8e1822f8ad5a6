"""AnnData: read back by its library, and used by squidpy."""

import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import pathopipe
from pathopipe.errors import RefusalError
from pathopipe.exports import anndata as module
from pathopipe.exports.selection import Asked, select
from pathopipe.results.reader import SlideResults
from tests.exports.conftest import LACKING
from tests.exports.elsewhere import run_elsewhere


def export(results: Path, path: Path, *slides: str, **asked: tuple[str, ...]) -> anndata.AnnData:
    selection = select(pathopipe.open_results(results), Asked(slides, **asked))
    with path.open("wb+") as stream:
        count = module.write(selection, stream)
    found = anndata.read_h5ad(path)
    assert found.n_obs == count
    return found


@pytest.fixture(scope="module")
def table(finished_results: Path, tmp_path_factory: pytest.TempPathFactory) -> anndata.AnnData:
    """Both slides."""
    return export(finished_results, tmp_path_factory.mktemp("anndata") / "n.h5ad")


def test_rows_are_nuclei_and_columns_are_measures(table: anndata.AnnData, good: SlideResults) -> None:
    features, types = good.table("features"), good.table("types")
    here = table[table.obs["slide"] == "good"]
    assert here.obs_names[:2].tolist() == ["good-0", "good-1"]
    assert table.obs_names.is_unique
    measures = [name for name in features.columns if name in table.var_names]
    assert measures == table.var_names.tolist()
    assert len(measures) > 200
    np.testing.assert_array_equal(here.X, features[measures].to_numpy(np.float32))
    assert here.obs["type"].astype(object).fillna("").tolist() == types["type"].fillna("").tolist()
    assert {"tumor", 'tumor; the "rim"'} <= set(here.obs["region"].cat.categories)
    assert table.obs["slide"].cat.categories.tolist() == ["good", "offset"]


def test_what_was_not_measured_of_a_slide_is_nan(table: anndata.AnnData) -> None:
    assert np.isnan(table[table.obs["slide"] == "offset", sorted(LACKING)].X).all()


def test_the_dictionary_is_in_var_and_uns(table: anndata.AnnData) -> None:
    area = table.var.loc["area_um2"]
    assert (area["label"], area["unit"]) == ("Nuclear area", "µm²")
    assert (table.var["meaning"] != "").all()
    assert table.uns["columns"].index.tolist() == table.obs.columns.tolist()


def test_places_are_in_micrometers(table: anndata.AnnData, good: SlideResults) -> None:
    nuclei = good.table("nuclei")
    here = table[table.obs["slide"] == "good"]
    np.testing.assert_allclose(here.obsm["spatial"], nuclei[["x_px", "y_px"]].to_numpy() * 0.5)


def test_neighbors_are_those_of_the_measures(table: anndata.AnnData, good: SlideResults) -> None:
    features, joined = good.table("features"), table.obsp["spatial_connectivities"]
    count = len(features)
    np.testing.assert_array_equal(np.asarray(joined[:count].sum(axis=1)).ravel(), features["degree"])
    assert joined[:count, count:].nnz == 0  # nobody has neighbors in another slide
    apart = table.obsp["spatial_distances"]
    assert (apart != apart.T).nnz == 0
    first, second = apart.nonzero()
    places = table.obsm["spatial"]
    np.testing.assert_allclose(apart.data, np.linalg.norm(places[first] - places[second], axis=1))


def test_of_some_nuclei_the_graph_is_that_part_of_it(
    table: anndata.AnnData, finished_results: Path, tmp_path: Path
) -> None:
    some = export(finished_results, tmp_path / "n.h5ad", types=("epithelial",))
    part = table[table.obs["type"] == "epithelial"]
    assert 0 < some.n_obs < table.n_obs
    assert some.obs_names.tolist() == part.obs_names.tolist()
    assert (some.obsp["spatial_distances"] != part.obsp["spatial_distances"]).nnz == 0
    pd.testing.assert_index_equal(some.var_names, table.var_names)


def test_without_the_package_one_sentence_says_what_to_install(
    finished_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RefusalError, match=r"not installed: pip install 'pathopipe\[anndata\]'$"):
        export(finished_results, tmp_path / "n.h5ad")


SQUIDPY = """
import anndata
table = anndata.read_h5ad(sys.argv[1])
table = table[table.obs["type"].notna()].copy()
squidpy.gr.nhood_enrichment(table, cluster_key="type", n_perms=20, seed=0, show_progress_bar=False)
table.X[table.X != table.X] = 0
squidpy.gr.spatial_autocorr(table, mode="moran", genes=["area_um2", "hematoxylin_mean"])
print(table.uns["type_nhood_enrichment"]["zscore"].shape, table.uns["moranI"].loc["area_um2", "I"])
"""


def test_squidpy_runs_on_it(finished_results: Path, tmp_path: Path) -> None:
    table = export(finished_results, tmp_path / "n.h5ad", "good")
    kinds = table.obs["type"].cat.categories.size
    shape, _, moran = run_elsewhere("squidpy", SQUIDPY, tmp_path / "n.h5ad").splitlines()[-1].rpartition(" ")
    assert shape == f"({kinds}, {kinds})"
    assert -1 < float(moran) < 1
