"""Results to export: of a slide with regions, of one with bounds that lacks measures, and of a rejected one."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

import pathopipe
from pathopipe.jobs.execution import execute
from pathopipe.pipeline import ORDER, Config
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.reader import SlideResults
from pathopipe.results.schemas.features import GROUPS
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, write_slide
from tests.made import seal
from tests.once import once

PATIENT = "Mustermann Erika"
REGIONS = {"tumor": ("Tumor", (0, 0, 350, 600)), 'the "rim"': ("", (300, 0, 500, 600))}
BOUNDS = [100, 50, 500, 400]
LACKING = frozenset(column.name for column in GROUPS["chromatin"])


def _draw(path: Path) -> None:
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(shapely.box(*box)),
            "properties": {"name": name} | ({"classification": {"name": kind}} if kind else {}),
        }
        for name, (kind, box) in REGIONS.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def _copy_with_bounds(results: Path) -> None:
    """Another slide, without regions; not all was measured, and QuPath counts from elsewhere."""
    home = Path(shutil.copytree(results / "good", results / "offset"))
    known = read_json(home / "tissue" / "manifest.json")
    known["slide_info"]["bounds"] = BOUNDS
    for name in ("tissue/tissue.geojson", "statistics/regions.geojson"):
        content = read_json(home / name)
        kept = [one for one in content["features"] if one["properties"].get("name") not in REGIONS]
        for one in kept:
            shape = shapely.affinity.translate(shapely.geometry.shape(one["geometry"]), -BOUNDS[0], -BOUNDS[1])
            one["geometry"] = shapely.geometry.mapping(shape)
        write_json(home / name, content | {"features": kept})
    write_json(home / "tissue" / "manifest.json", known)
    features = pq.read_table(home / "features" / "features.parquet")
    some = [name for name in features.column_names if name not in LACKING]
    pq.write_table(features.select(some), home / "features" / "features.parquet")
    seal(results, "offset")
    for stage in ORDER:  # none is newer than what follows it
        (home / stage / "manifest.json").touch()


def _finish(place: Path) -> None:
    folder = place / PATIENT
    folder.mkdir()
    write_slide(Scene(700, 600, mpp=0.5, seed=3, tissue="field"), folder / "good.tiff", levels=1)
    cv2.imwrite(str(folder / "blank.png"), np.full((600, 700, 3), 245, np.uint8))
    _draw(folder / "roi.geojson")
    good = Sample("good", folder / "good.tiff", patient=PATIENT, roi=folder / "roi.geojson")
    settings = {"detect": {"model": "classical"}, "statistics": {"field_mm2": 0.04}}
    config = Config.model_validate(settings)
    for sample in (Sample("blank", folder / "blank.png", (0.5, 0.5)), good):
        for stage in ORDER:
            execute(stage, sample.slide, folder / "results", getattr(config, stage), sample)
    _copy_with_bounds(folder / "results")


@pytest.fixture(scope="session")
def finished_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed: copy it."""
    return once(tmp_path_factory, "exports", _finish) / PATIENT / "results"


@pytest.fixture
def good(finished_results: Path) -> SlideResults:
    return pathopipe.open_results(finished_results)["good"]
