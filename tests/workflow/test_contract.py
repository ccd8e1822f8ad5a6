"""What a finished cohort holds: the artifact contract, for every slide, through the real workflow."""

import hashlib
import json

import geopandas
import numpy as np
import pandas as pd
import pytest
import zarr

from pathopipe.pipeline import COHORT, STAGES
from pathopipe.record import MANIFEST
from pathopipe.results.names import RUN
from tests.workflow.conftest import Project

SLIDES = ("s0", "s1")
MANIFEST_KEYS = {
    "stage",
    "slide",
    "state",
    "reason",
    "contract",
    "params",
    "inputs",
    "model",
    "mpp_x",
    "mpp_y",
    "mpp_source",
    "counts",
    "versions",
}


def manifest(project: Project, slide: str, stage: str) -> dict:
    return json.loads((project.results / slide / stage / MANIFEST).read_text())


@pytest.mark.parametrize("slide", SLIDES)
@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_writes_its_files_and_manifest(finished_once: Project, slide: str, stage: str) -> None:
    folder = finished_once.results / slide / stage
    assert {file.name for file in folder.iterdir()} == {*STAGES[stage].writes, MANIFEST, RUN}
    content = manifest(finished_once, slide, stage)
    assert set(content) >= MANIFEST_KEYS
    assert (content["stage"], content["slide"], content["state"]) == (stage, slide, "done")
    assert content["contract"] == STAGES[stage].contract
    for name, digest in content["inputs"].items():
        assert hashlib.sha256((finished_once.results / slide / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("slide", SLIDES)
def test_rows_equal_polygons(finished_once: Project, slide: str) -> None:
    folder = finished_once.results / slide
    nuclei = geopandas.read_parquet(folder / "segment" / "nuclei.parquet")
    features = pd.read_parquet(folder / "features" / "features.parquet")
    statistics = pd.read_parquet(folder / "statistics" / "statistics.parquet").iloc[0]
    assert nuclei.crs is None
    assert len(nuclei) > 50
    assert nuclei["nucleus_id"].tolist() == list(range(len(nuclei))) == features["nucleus_id"].tolist()
    assert (statistics["region"], statistics["type"]) == ("slide", "all")
    assert statistics["nuclei_count"] == len(nuclei)
    assert manifest(finished_once, slide, "segment")["counts"]["nuclei"] == len(nuclei)
    whole = features["at_border"] == 0
    assert whole.mean() == pytest.approx(1 - statistics["cut_off_share"])
    np.testing.assert_allclose(statistics["area_um2_mean"], features["area_um2"][whole].mean())
    np.testing.assert_allclose(statistics["hematoxylin_mean_mean"], features["hematoxylin_mean"].mean(), rtol=1e-6)
    np.testing.assert_allclose(features["area_um2"], nuclei["area_um2"])


@pytest.mark.parametrize("slide", SLIDES)
def test_polygons_enclose_their_area(finished_once: Project, slide: str) -> None:
    nuclei = geopandas.read_parquet(finished_once.results / slide / "segment" / "nuclei.parquet")
    content = manifest(finished_once, slide, "tissue")
    area = nuclei.geometry.area * content["mpp_x"] * content["mpp_y"]
    assert nuclei.is_valid.all()
    assert np.abs(area / nuclei["area_um2"] - 1).max() < 0.02
    assert nuclei["score"].between(0, 1).all()


def test_maps_are_a_zarr_that_others_read(finished_once: Project) -> None:
    with zarr.storage.ZipStore(finished_once.results / "s0" / "detect" / "maps.zarr.zip", mode="r") as store:
        maps = zarr.open_array(store, mode="r")
        # Twice as fine as the working resolution of 512 x 640.
        assert (maps.shape, maps.dtype) == ((2, 1024, 1280), np.uint8)
        assert maps[0].max() > 127


def test_grade_says_what_it_rests_on(finished_once: Project) -> None:
    grade = json.loads((finished_once.results / "s0" / "grade" / "grade.json").read_text())
    assert grade["research_use_only"] is True
    assert set(grade) >= {"grader", "grade", "grades", "probabilities", "abstained", "evidence"}
    assert set(grade["probabilities"]) == set(grade["grades"])
    assert grade["evidence"]


def test_the_cohort_lists_all_slides(finished_once: Project) -> None:
    folder = finished_once.results / "cohort"
    assert {file.name for file in folder.iterdir()} >= {*COHORT.writes, MANIFEST}
    table = pd.read_csv(folder / "cohort.tsv", sep="\t")
    assert table["slide"].tolist() == list(SLIDES)
    assert table["state"].tolist() == ["done", "done"]
    pd.testing.assert_series_equal(
        table["slide"], pd.read_parquet(folder / "cohort.parquet")["slide"], check_dtype=False
    )


def test_no_output_says_where_the_slides_lie(finished_once: Project) -> None:
    private = [name.encode() for name in (str(finished_once.folder), finished_once.folder.name, "slide 0.tiff")]
    files = [file for file in finished_once.results.rglob("*") if file.is_file()]
    outputs = [file for file in files if not {".pathopipe", ".snakemake", "logs"} & set(file.parts)]
    assert len(outputs) > 40
    for file in outputs:
        assert not any(name in file.read_bytes() for name in private), file


def test_a_slide_has_at_most_fifty_files(finished_once: Project) -> None:
    assert sum(file.is_file() for file in (finished_once.results / "s0").rglob("*")) <= 50


def test_no_work_is_left_behind(finished_once: Project) -> None:
    assert not list(finished_once.results.rglob(".work"))
    assert not list(finished_once.results.rglob("*.tmp"))
