"""GeoJSON as QuPath reads it: its structure, its coordinates, and all the numbers."""

import gzip
import io
import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

import pathopipe
from pathopipe.errors import ArtifactError
from pathopipe.exports import qupath
from pathopipe.exports.selection import Asked, select
from pathopipe.results.documents import write_json
from pathopipe.results.reader import SlideResults
from tests.exports.conftest import BOUNDS, REGIONS


def written(results: Path, slide: str, **asked: tuple[str, ...]) -> dict[str, Any]:
    selection = select(pathopipe.open_results(results), Asked((slide,), **asked))
    stream = io.BytesIO()
    count = qupath.write(selection, stream)
    content: dict[str, Any] = json.loads(stream.getvalue(), parse_constant=pytest.fail)
    assert len(of_kind(content, "detection")) == count
    return content


def of_kind(content: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one for one in content["features"] if one["properties"]["objectType"] == kind]


def test_nuclei_are_detections_with_class_color_and_measurements(finished_results: Path, good: SlideResults) -> None:
    content = written(finished_results, "good")
    assert content["type"] == "FeatureCollection"
    found = of_kind(content, "detection")
    assert all(set(one) == {"type", "id", "geometry", "properties"} for one in found)
    types, features = good.table("types"), good.table("features")
    said = [one["properties"].get("classification") for one in found]
    assert [one and one["name"] for one in said] == [name or None for name in types["type"]]
    assert all(one["color"] == qupath.COLORS[one["name"]] for one in said if one)
    for name in ("area_um2", "circularity", "hematoxylin_mean", "nearest_um"):
        values = [one["properties"]["measurements"].get(name, np.nan) for one in found]
        np.testing.assert_array_equal(np.array(values, np.float32), features[name].to_numpy(np.float32))
    assert [one["properties"]["measurements"]["nucleus_id"] for one in found] == features["nucleus_id"].tolist()
    # What could not be measured is not there: QuPath takes no null.
    some = features.columns[features.isna().any()]
    assert len(some)
    assert None not in {value for one in found for value in one["properties"]["measurements"].values()}


def test_outlines_are_those_of_the_results(finished_results: Path, good: SlideResults) -> None:
    found = of_kind(written(finished_results, "good"), "detection")
    shapes = [shapely.geometry.shape(one["geometry"]) for one in found]
    assert all(np.allclose(shapely.get_coordinates(shape), shapely.get_coordinates(outline), atol=1e-3)
               for shape, outline in zip(shapes, good.polygons().geometry, strict=True))  # fmt: skip


def test_coordinates_begin_where_the_scan_does(finished_results: Path) -> None:
    here, there = (written(finished_results, name) for name in ("good", "offset"))
    for kind in ("detection", "annotation"):
        first, moved = (
            shapely.geometry.shape(of_kind(content, kind)[0]["geometry"]) for content in (here, there)
        )  # fmt: skip
        assert np.subtract(first.bounds, moved.bounds) == pytest.approx((*BOUNDS[:2], *BOUNDS[:2]))


def test_tissue_and_regions_are_annotations(finished_results: Path, good: SlideResults) -> None:
    found = of_kind(written(finished_results, "good"), "annotation")
    names = [one["properties"]["name"] for one in found]
    tissue = good.tissue()
    assert names == ["Tissue"] * len(tissue) + [*REGIONS, "densest_field", "largest_field"]
    tumor = found[names.index("tumor")]
    assert tumor["properties"]["classification"] == {"name": "Tumor"}
    assert shapely.geometry.shape(tumor["geometry"]).bounds == REGIONS["tumor"][1]
    assert shapely.geometry.shape(found[0]["geometry"]).area == pytest.approx(tissue[0].area)
    some = of_kind(written(finished_results, "good", regions=("tumor",)), "annotation")
    assert [one["properties"]["name"] for one in some if one["properties"]["name"] != "Tissue"] == ["tumor"]


def test_ids_are_uuids_of_the_slide_and_its_outlines(finished_results: Path) -> None:
    ids = {name: [one["id"] for one in of_kind(written(finished_results, name), "detection")] for name in
           ("good", "offset")}  # fmt: skip
    assert all(str(uuid.UUID(one)) == one for one in ids["good"])
    assert len({*ids["good"], *ids["offset"]}) == 2 * len(ids["good"])
    assert ids["good"] == [one["id"] for one in of_kind(written(finished_results, "good"), "detection")]


def test_columns_are_described_behind_the_features(finished_results: Path) -> None:
    content = written(finished_results, "good", measures=("area_um2",))
    said = {column["name"]: column for column in content["columns"]}
    assert said["area_um2"]["schema:unitText"] == "µm²"
    assert {*said} == {*content["features"][0]["properties"]["measurements"]}


def test_what_is_no_number_in_single_precision_is_left_out() -> None:
    values = pa.array([1.5, np.nan, 1e300, None], pa.float64(), from_pandas=False)
    assert qupath._measurement(values, "a").to_pylist() == ['"a":1.5', None, None, None]


def test_packed_is_the_same(finished_results: Path) -> None:
    selection = select(pathopipe.open_results(finished_results), Asked(("good",)))
    plain, packed = io.BytesIO(), io.BytesIO()
    qupath.write(selection, plain)
    qupath.write_packed(selection, packed)
    assert gzip.decompress(packed.getvalue()) == plain.getvalue()
    assert packed.getvalue()[3:8] == bytes(5)  # neither a name nor a time
    assert len(packed.getvalue()) < len(plain.getvalue()) / 2


def test_parts_and_threads_leave_no_trace(finished_results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = written(finished_results, "good")
    monkeypatch.setattr(qupath, "_ROWS", 7)
    monkeypatch.setattr(qupath, "_THREADS", 5)
    assert written(finished_results, "good") == whole


def test_the_quality_map_is_passed_on_and_a_damaged_one_told(finished_results: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(finished_results, tmp_path / "results"))
    path = copied / "good" / "quality" / "quality.geojson"
    fold = {"objectType": "annotation", "name": "fold", "classification": {"name": "fold", "color": [213, 94, 0]}}
    area = {"type": "Feature", "geometry": shapely.geometry.mapping(shapely.box(0, 0, 9, 9)), "properties": fold}
    write_json(path, {"type": "FeatureCollection", "features": [area]})
    found = of_kind(written(copied, "good"), "annotation")
    assert [one for one in found if one["properties"]["name"] == "fold"] == [json.loads(json.dumps(area))]
    path.write_text('{"type": "FeatureCollection", "features": [{"geometry": {"type": "Polygon"}}]}')
    with pytest.raises(ArtifactError, match=r"quality.geojson: is damaged"):
        written(copied, "good")
