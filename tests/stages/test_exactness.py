"""The nuclei of a slide don't depend on tiles, workers, or where the tile grid happens to lie: no seams."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pathopipe.artifacts import read_table
from pathopipe.config import Config
from pathopipe.samples import Sample
from pathopipe.stages.execution import execute
from pathopipe.synthetic import Scene, render

STAGES = ("tissue", "tiles", "detect", "segment")


def run_stages(path: Path, results: Path, size: int = 512, workers: int = 1, stages: tuple[str, ...] = STAGES) -> Path:
    config = Config.model_validate({"tiles": {"size": size}})
    sample = Sample("s", path, mpp=(0.5, 0.5))
    for stage in stages:
        manifest = execute(stage, "s", results, getattr(config, stage), sample, workers)
        assert manifest["state"] == "done", manifest["reason"]
    return results / "s"


@pytest.fixture(scope="module", params=["synthetic", "CMU-1-Small-Region.svs", "OS-1-detail.ome.tif"])
def slide(request: pytest.FixtureRequest) -> Path:
    if request.param == "synthetic":
        return request.getfixturevalue("small_slide")
    return request.getfixturevalue("shared_data") / "slides" / request.param


def test_tiles_and_workers_change_no_byte(slide: Path, tmp_path: Path) -> None:
    reference = run_stages(slide, tmp_path / "whole", size=4096)
    assert read_table(reference / "tiles" / "tiles.parquet").num_rows == 1
    for size, workers in ((256, 1), (512, 1), (512, 2), (1024, 2)):
        folder = run_stages(slide, tmp_path / f"{size}-{workers}", size, workers)
        for name in ("detect/detections.parquet", "detect/maps.zarr.zip", "segment/nuclei.parquet"):
            assert (folder / name).read_bytes() == (reference / name).read_bytes(), (size, workers, name)


def test_nuclei_do_not_overlap(slide: Path, tmp_path: Path) -> None:
    table = read_table(run_stages(slide, tmp_path) / "segment" / "nuclei.parquet")
    polygons = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    assert shapely.is_valid(polygons).all()
    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    pairs = first < second
    shared = shapely.area(shapely.intersection(polygons[first[pairs]], polygons[second[pairs]]))
    assert len(polygons) > 100
    assert np.all(shared == 0)


def write_image(scene: Scene, path: Path) -> Path:
    pixels = render(scene, 0, 0, scene.width_px, scene.height_px)
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path


@pytest.fixture(scope="module")
def unshifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scene = Scene(1000, 900, mpp=0.5, seed=11, tissue="field")
    folder = tmp_path_factory.mktemp("unshifted")
    return run_stages(write_image(scene, folder / "a.png"), folder / "results")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dx=st.integers(-100, 100), dy=st.integers(-100, 100))
def test_a_shifted_scene_has_the_same_nuclei(
    dx: int, dy: int, unshifted: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reference = unshifted
    folder = tmp_path_factory.mktemp("shifted")
    moved = Scene(1000, 900, mpp=0.5, seed=11, tissue="field", origin_x=dx, origin_y=dy)
    path = write_image(moved, folder / "b.png")
    run_stages(path, folder / "results", size=256, stages=("tissue",))
    # What is decided per slide is decided once: the sampled windows of the stain estimate shift with the frame.
    manifest = folder / "results" / "s" / "tissue" / "manifest.json"
    stain = json.loads((reference / "tissue" / "manifest.json").read_text())["stain"]
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"stain": stain}))
    result = run_stages(path, folder / "results", size=256, stages=STAGES[1:])
    assert inner(result, dx, dy) == inner(reference, 0, 0)
    assert len(inner(reference, 0, 0)) > 30


def inner(folder: Path, dx: int, dy: int) -> set[bytes]:
    """Outlines, in the coordinates of the unshifted scene, of the nuclei that are far from both frames."""
    table = read_table(folder / "segment" / "nuclei.parquet")
    polygons = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    x, y = table["x_px"].to_numpy() + dx, table["y_px"].to_numpy() + dy
    # The detector looks 88 pixels far, and a nucleus depends on seeds within 99 pixels of its own.
    near = 100 + 190
    far = (x > near) & (x < 1000 - near) & (y > near) & (y < 900 - near)
    moved = shapely.transform(polygons[far], lambda xy: np.add(xy, (dx, dy)))
    return set(shapely.to_wkb(moved))
