"""What is exported and given again as nuclei of a slide: the same nuclei, with the same types."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import shapely

from pathopipe.exports.output import export
from pathopipe.exports.selection import Asked, select
from pathopipe.jobs.execution import execute
from pathopipe.pipeline import ORDER, Config
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.reader import open_results
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, write_slide
from tests.made import seal

CONFIG = Config.model_validate({"detect": {"model": "classical"}, "statistics": {"field_mm2": 0.02}})
BOUNDS = [120, 70, 600, 500]
MPP = (0.43, 0.37)
"""Not those of the model, so that outlines have fractions of pixels, and not alike."""


def run(results: Path, sample: Sample, *stages: str) -> dict[str, Any]:
    made = {}
    for stage in stages:
        made = execute(stage, sample.slide, results, getattr(CONFIG, stage), sample)
    return made


def _declare_bounds(results: Path) -> None:
    """Let the slide say that its scan begins elsewhere, as MRXS do; GeoJSON counts from there."""
    home = results / "s" / "tissue"
    known, content = read_json(home / "manifest.json"), read_json(home / "tissue.geojson")
    known["slide_info"]["bounds"] = BOUNDS
    for one in content["features"]:
        moved = shapely.affinity.translate(shapely.geometry.shape(one["geometry"]), -BOUNDS[0], -BOUNDS[1])
        one["geometry"] = shapely.geometry.mapping(moved)
    write_json(home / "manifest.json", known)
    write_json(home / "tissue.geojson", content)
    seal(results, "s", "tissue")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sample]:
    """Results of a slide whose nuclei a model found."""
    folder = tmp_path_factory.mktemp("trip")
    write_slide(Scene(900, 800, mpp=0.4, seed=5, tissue="field"), folder / "s.tiff", levels=1)
    results, sample = folder / "results", Sample("s", folder / "s.tiff", MPP)
    run(results, sample, "tissue")
    _declare_bounds(results)
    run(results, sample, *ORDER[1:])
    return results, sample


def tables(results: Path) -> tuple[Any, Any]:
    return tuple(
        pq.read_table(results / "s" / stage / f"{name}.parquet").to_pandas()
        for stage, name in (("segment", "nuclei"), ("types", "types"))
    )


@pytest.mark.parametrize(
    ("kind", "name"), [("qupath", "n.geojson"), ("qupath", "n.geojson.gz"), ("geoparquet", "n.parquet")]
)
def test_nuclei_come_back_as_they_were(found: tuple[Path, Sample], tmp_path: Path, kind: str, name: str) -> None:
    results, sample = found
    assert open_results(results)["s"].state == "done"
    export(kind, select(open_results(results), Asked()), str(tmp_path / name), results, force=False)
    again = Path(shutil.copytree(results, tmp_path / "results"))
    given = Sample("s", sample.path, MPP, nuclei=tmp_path / name)
    made = run(again, given, "detect", "segment")
    run(again, given, "features", "types")
    before, after = tables(results), tables(again)
    for column in ("nucleus_id", "x_px", "y_px", "area_um2", "geometry"):
        assert after[0][column].tolist() == before[0][column].tolist(), column
    assert after[0]["given_number"].tolist() == before[0]["nucleus_id"].tolist()
    assert after[1]["type"].fillna("").tolist() == before[1]["type"].fillna("").tolist()
    typed = int(before[1]["type"].notna().sum())
    assert made["counts"] == {"given": len(before[0]), "left_out": 0, "nuclei": len(before[0]), "typed": typed}
    assert made["quality"] == []
    assert typed > 20
