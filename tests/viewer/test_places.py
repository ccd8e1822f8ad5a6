"""Every layer of the viewer lies where the pixels and nuclei do, also on a slide that says where its scan begins."""

import base64
import json
import re
from dataclasses import replace

import numpy as np

from pathopipe.jobs.execution import execute
from pathopipe.pipeline import ReportSettings
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.heat_map import Square, heat_map_of
from pathopipe.results.manifests import read_manifest
from tests.made import seal
from tests.stages.finished_slide import SIZE, finish

BOUNDS = [100, 60, 1400, 1000]


def polygon(left: int, top: int, right: int, bottom: int, **properties) -> dict:
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
    }


def moved(content: dict) -> dict:
    """The same polygons, counted from where the scan begins."""
    features = [
        feature
        | {
            "geometry": feature["geometry"]
            | {"coordinates": (np.array(feature["geometry"]["coordinates"]) - BOUNDS[:2]).tolist()}
        }
        for feature in content["features"]
    ]
    return content | {"features": features}


def layers(folder, bounded: bool) -> dict[str, list]:
    """Rings of each layer of a slide's page."""
    sample, home = finish(folder / "results", "s1", folder), folder / "results" / "s1"
    ink = {"classification": {"name": "Ink", "color": [1, 2, 3]}}
    tissue = read_manifest(home / "tissue" / "manifest.json", "tissue")
    made = {
        home / "quality" / "quality.geojson": [polygon(160, 80, 320, 240, **ink)],
        folder / "roi.geojson": [
            polygon(200, 100, 900, 700, name="tumor"),
            polygon(0, 0, 50, 50, classification={"name": "Ignore*"}),
        ],
        home / "grade" / "heatmap.geojson": heat_map_of([Square(500.0, 500.0, 400.0, 400.0, 9, 0.5)], tissue)[
            "features"
        ],
    }
    for path, features in made.items():
        write_json(path, {"type": "FeatureCollection", "features": features})
    if bounded:
        for path in (*made, home / "tissue" / "tissue.geojson", home / "quality" / "sound.geojson"):
            write_json(path, moved(read_json(path)))
        tissue["slide_info"]["bounds"] = BOUNDS
        write_json(home / "tissue" / "manifest.json", tissue)
    seal(folder / "results", "s1")
    execute("report", "s1", folder / "results", ReportSettings(), replace(sample, roi=folder / "roi.geojson"))
    page = (home / "report" / "report.html").read_text(encoding="utf-8")
    told = json.loads(base64.b64decode(re.search(r'id="v-manifest">([^<]+)<', page)[1]))
    return {layer["name"]: [shape["rings"] for shape in layer["shapes"]] for layer in told["layers"]}


def test_layers_count_pixels_as_tables_do_whatever_the_bounds(tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "bounded").mkdir()
    plain, bounded = layers(tmp_path / "plain", bounded=False), layers(tmp_path / "bounded", bounded=True)
    assert set(plain) >= {"tissue", "regions", "ignored", "quality", "tiles", "heat", "density"}
    assert bounded == plain
    assert np.reshape(plain["quality"][0][0], (-1, 2)).min(axis=0).tolist() == [160, 80]
    assert np.reshape(plain["tissue"][0][0], (-1, 2)).max(axis=0).tolist() == list(SIZE)
