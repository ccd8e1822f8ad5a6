import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.synthetic import Scene, truth, write_truth
from pathopipe.synthetic.scene import terrain


@pytest.mark.parametrize("pleomorphism", [1, 2, 3])
def test_polygons_are_valid_and_hardly_overlap(pleomorphism: int) -> None:
    polygons = truth(Scene(2000, 2000, pleomorphism=pleomorphism, tissue="field"), 0, 0, 2000, 2000).polygons()
    assert np.all(shapely.is_valid(polygons))
    shared = shapely.area(polygons).sum() - shapely.area(shapely.union_all(polygons))
    assert shared < 1e-3 * shapely.area(polygons).sum()


def test_levels_of_pleomorphism_are_ordered_in_size_and_spread() -> None:
    area = [
        truth(Scene(4000, 4000, seed=3, pleomorphism=level, tissue="field"), 0, 0, 4000, 4000).area_um2
        for level in (1, 2, 3)
    ]
    median = [float(np.median(values)) for values in area]
    spread = [float(values.std() / values.mean()) for values in area]
    assert 35 <= median[0] <= 40
    assert 55 <= median[1] <= 66
    assert median[2] > 95
    assert spread[0] < 0.25 < spread[1] < 0.5 < spread[2]


@pytest.mark.parametrize("pleomorphism", [2, 3])
def test_a_share_of_small_benign_nuclei_remains(pleomorphism: int) -> None:
    kinds = truth(Scene(4000, 4000, seed=3, pleomorphism=pleomorphism, tissue="field"), 0, 0, 4000, 4000).kind
    assert 0.10 <= np.mean(kinds != "epithelial") <= 0.20


@given(dx=st.integers(-5000, 5000), dy=st.integers(-5000, 5000))
@settings(max_examples=10, deadline=None)
def test_a_shifted_scene_has_the_same_nuclei(dx: int, dy: int) -> None:
    scene = Scene(500, 500, seed=8, tissue="field")
    here, there = truth(scene, dx, dy, 300, 200), truth(scene.shifted(dx, dy), 0, 0, 300, 200)
    assert np.allclose(here.outlines_px - [dx, dy], there.outlines_px, atol=1e-6)
    assert np.array_equal(here.area_um2, there.area_um2)


def test_centers_lie_in_tissue() -> None:
    scene = Scene(2500, 2500, seed=4)
    nuclei = truth(scene, 0, 0, 2500, 2500)
    assert len(nuclei) > 300
    assert all(terrain(scene.layout, x * scene.mpp, y * scene.mpp)[0] > 0 for x, y in nuclei.centers_px)


def test_geojson_holds_every_nucleus_once(tmp_path: Path) -> None:
    scene = Scene(1500, 2300, seed=4, origin_x=33)
    expected = truth(scene, 0, 0, 1500, 2300)
    count = write_truth(scene, tmp_path / "truth.geojson")
    features = json.loads((tmp_path / "truth.geojson").read_text())["features"]
    assert count == len(features) == len(expected) > 100
    area = [shapely.from_geojson(json.dumps(feature["geometry"])).area * scene.mpp**2 for feature in features]
    assert np.allclose(area, expected.area_um2, rtol=0.01)
    assert [path.name for path in tmp_path.iterdir()] == ["truth.geojson"]


def test_a_slide_without_nuclei_is_an_empty_collection(tmp_path: Path) -> None:
    assert write_truth(Scene(300, 300, density=0), tmp_path / "truth.geojson") == 0
    assert json.loads((tmp_path / "truth.geojson").read_text()) == {"type": "FeatureCollection", "features": []}
