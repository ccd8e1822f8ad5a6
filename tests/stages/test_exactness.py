"""The nuclei of a slide don't depend on tiles, workers, or where the tile grid happens to lie: no seams."""

import functools
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pathopipe.jobs.execution import execute
from pathopipe.pipeline import Config
from pathopipe.results.tables import read_table
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, render

STAGES = ("tissue", "quality", "tiles", "detect", "segment")


def run_stages(
    path: Path,
    results: Path,
    size: int = 512,
    workers: int = 1,
    stages: tuple[str, ...] = STAGES,
    **detect: str,
) -> Path:
    config = Config.model_validate({"tiles": {"size": size}, "detect": {"model": "classical"} | detect})
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


class Runs:
    """Runs of a slide, each made once: the stages that see no tiles once for each number of workers."""

    def __init__(self, slide: Path, folder: Path) -> None:
        self._slide, self._folder = slide, folder
        self._prepared, self.of = functools.cache(self._prepare), functools.cache(self._run)

    def _prepare(self, workers: int) -> Path:
        results = self._folder / f"prepared {workers}"
        run_stages(self._slide, results, workers=workers, stages=STAGES[:2])
        return results

    def _run(self, size: int = 512, workers: int = 1, **detect: str) -> Path:
        results = self._folder / " ".join([str(size), str(workers), *detect.values()])
        shutil.copytree(self._prepared(workers), results)
        return run_stages(self._slide, results, size, workers, STAGES[2:], **detect)


@pytest.fixture(scope="module")
def runs(slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(slide, tmp_path_factory.mktemp("runs"))


def test_tiles_and_workers_change_no_byte(runs: Runs) -> None:
    reference = runs.of(4096, 1)
    assert read_table(reference / "tiles" / "tiles.parquet").num_rows == 1
    for size, workers in ((256, 1), (512, 1), (512, 2), (1024, 2)):
        folder = runs.of(size, workers)
        for name in ("detect/detections.parquet", "detect/maps.zarr.zip", "segment/nuclei.parquet"):
            assert (folder / name).read_bytes() == (reference / name).read_bytes(), (size, workers, name)


def test_workers_and_repetition_change_no_byte_of_a_network(slide: Path, runs: Runs, tmp_path: Path) -> None:
    again = run_stages(slide, tmp_path, 512, 1, model="open", precision="auto")
    folders = [again, *(runs.of(512, workers, model="open", precision="auto") for workers in (1, 2, 3))]
    for name in ("detect/detections.parquet", "detect/maps.zarr.zip", "segment/nuclei.parquet"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1, name


def outlines_of(folder: Path) -> np.ndarray:
    table = read_table(folder / "segment" / "nuclei.parquet")
    return np.asarray(shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False)))


def matched(first: np.ndarray, second: np.ndarray) -> float:
    """Share of the first outlines that one of the second equals, at an IoU of 0.9 or more."""
    pairs = shapely.STRtree(second).query(first, predicate="intersects")
    one, other = first[pairs[0]], second[pairs[1]]
    shared = shapely.area(shapely.intersection(one, other))
    same = shared >= 0.9 * (shapely.area(one) + shapely.area(other) - shared)
    return len(np.unique(pairs[0][same])) / len(first)


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_tiles_change_a_networks_nuclei_by_rounding_only(precision: str, runs: Runs) -> None:
    whole = outlines_of(runs.of(4096, 1, model="open", precision=precision))
    for size in (256, 512, 1024):
        tiled = outlines_of(runs.of(size, 2, model="open", precision=precision))
        assert matched(whole, tiled) >= 0.999
        assert matched(tiled, whole) >= 0.999


def test_precisions_find_the_same_nuclei(runs: Runs) -> None:
    exact, half = (
        outlines_of(runs.of(1024, 2, model="open", precision=precision)) for precision in ("float32", "bfloat16")
    )
    assert abs(len(exact) - len(half)) <= 0.005 * len(exact) + 1
    assert matched(exact, half) > 0.97


@pytest.mark.parametrize("detect", [{}, {"model": "open", "precision": "auto"}], ids=["classical", "open"])
def test_nuclei_do_not_overlap(detect: dict[str, str], runs: Runs) -> None:
    polygons = outlines_of(runs.of(512, 1, **detect))
    assert shapely.is_valid(polygons).all()
    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    pairs = first < second
    shared = shapely.area(shapely.intersection(polygons[first[pairs]], polygons[second[pairs]]))
    assert len(polygons) > 100
    # Pixels of a network's maps are parts of pixels of the slide, and sums of their coordinates are rounded.
    assert shared.max(initial=0) < 1e-6


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
