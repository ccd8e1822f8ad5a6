"""Slides whose nuclei the sample sheet gives: from the file to `nuclei.parquet` and `types.parquet`."""

import gzip
import json
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
import tifffile

from pathopipe.errors import FaultError
from pathopipe.jobs.execution import execute
from pathopipe.jobs.own_outlines import _Sets
from pathopipe.ops.raster import rasterize
from pathopipe.pipeline import Config, DetectSettings
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.outlines import unpack_outlines
from pathopipe.samples import Sample
from pathopipe.units import Grid
from tests.made import seal

CONFIG = Config(detect=DetectSettings(model="classical"))
MODEL = ("tissue", "quality", "tiles", "detect", "segment")
SIZE = (1200, 900)


def run(results: Path, sample: Sample, *stages: str, workers: int = 1) -> dict[str, Any]:
    """Run stages; returns the manifest of the last."""
    made = {}
    for stage in stages:
        made = execute(stage, sample.slide, results, getattr(CONFIG, stage), sample, workers)
    return made


@pytest.fixture(scope="module")
def by_model(small_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sample]:
    """Results of a slide whose nuclei a model found."""
    results, sample = tmp_path_factory.mktemp("own") / "results", Sample("s", small_slide, (0.5, 0.5))
    run(results, sample, *MODEL, "features")
    return results, sample


def nuclei(results: Path) -> Any:
    return pq.read_table(results / "s" / "segment" / "nuclei.parquet").to_pandas()


def outlines(results: Path) -> Any:
    return shapely.from_wkb(nuclei(results)["geometry"].to_numpy())


def feature(shape: Any, name: str = "", kind: str = "detection", **more: Any) -> dict[str, Any]:
    """A feature as QuPath 0.5 exports it."""
    about = {"objectType": kind, "measurements": {"Nucleus: Area µm^2": 30.5, "Circularity": float("nan")}}
    if name:
        about["classification"] = {"name": name, "color": [200, 0, 0]}
    found = {"type": "Feature", "id": "5b1d0a3e-8a9f-4b8e-9d62-2f4a1c6f7e01", "properties": about}
    return found | {"geometry": shapely.geometry.mapping(shape)} | more


def write(path: Path, features: Sequence[Any], *, bare: bool = False) -> Path:
    content = list(features) if bare else {"type": "FeatureCollection", "features": list(features)}
    path.write_text(json.dumps(content))
    return path


@contextmanager
def file_limit(most: int) -> Iterator[None]:
    """Let writes fail beyond so many bytes of a file."""
    before, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


class Given:
    """A copy of the results up to `tiles`, on which files of nuclei are tried."""

    def __init__(self, folder: Path, sample: Sample) -> None:
        self.folder, self.results, self.sample = folder, folder / "given", sample
        run(self.results, sample, "tissue", "quality", "tiles")

    def take(self, file: Path, *more: str, workers: int = 1, **columns: Any) -> dict[str, Any]:
        sample = replace(self.sample, nuclei=file, **columns)
        return run(self.results, sample, "detect", "segment", *more, workers=workers)

    def features(self, features: Sequence[Any], *more: str, **columns: Any) -> dict[str, Any]:
        return self.take(write(self.folder / "nuclei.geojson", features), *more, **columns)

    def bounds(self, left: int, top: int) -> None:
        """Let the slide declare where its scan begins."""
        home = self.results / "s"
        known, sound = read_json(home / "tissue" / "manifest.json"), read_json(home / "quality" / "sound.geojson")
        known["slide_info"]["bounds"] = [left, top, 1000, 800]
        for found in sound["features"]:
            moved = shapely.affinity.translate(shapely.geometry.shape(found["geometry"]), -left, -top)
            found["geometry"] = shapely.geometry.mapping(moved)
        write_json(home / "tissue" / "manifest.json", known)
        write_json(home / "quality" / "sound.geojson", sound)
        seal(self.results, "s", "tissue", "quality")


@pytest.fixture(scope="module")
def given(by_model: tuple[Path, Sample], tmp_path_factory: pytest.TempPathFactory) -> Given:
    return Given(tmp_path_factory.mktemp("given"), by_model[1])


def test_nuclei_taken_out_and_given_again_are_the_same(given: Given, by_model: tuple[Path, Sample]) -> None:
    names = ["Tumor", "Stroma: Positive", "lymphocyte", "Other", ""]
    before = nuclei(by_model[0])
    features = [feature(shape, names[number % 5]) for number, shape in enumerate(outlines(by_model[0]))]
    made = given.features(features, "features", "types")
    after = nuclei(given.results)
    assert after["geometry"].tolist() == before["geometry"].tolist()
    for name in ("nucleus_id", "x_px", "y_px", "area_um2"):
        assert after[name].tolist() == before[name].tolist()
    assert after["given_number"].tolist() == before["nucleus_id"].tolist()
    assert set(after["score"]) == {1.0}
    segment = read_json(given.results / "s" / "segment" / "manifest.json")
    typed = sum(number % 5 < 4 for number in range(len(before)))
    assert segment["counts"] == {"given": len(before), "left_out": 0, "nuclei": len(before), "typed": typed}
    assert segment["quality"] == []
    assert segment["nuclei_format"] == "GeoJSON"
    assert segment["changes"] is None
    assert segment["inputs"]["nuclei"]
    measured = [pq.read_table(home / "s" / "features" / "features.parquet") for home in (by_model[0], given.results)]
    assert measured[0].equals(measured[1])
    assert read_json(given.results / "s" / "features" / "manifest.json")["mpp_checked_by"] == "size"
    types = pq.read_table(given.results / "s" / "types" / "types.parquet").to_pandas()
    expected = ["epithelial", "stromal", "inflammatory", "other", None]
    assert types["type"].tolist() == [expected[number % 5] for number in range(len(before))]
    assert types["p_epithelial"].isna().all()
    assert made["counts"]["unknown"] == len(before) - typed
    assert made["model"] is None


def test_no_model_runs_where_nuclei_are_given(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was made, or the slide was opened")

    monkeypatch.setattr("pathopipe.stages.detect.create", refuse)
    monkeypatch.setattr("pathopipe.stages.detect.open_slide_of", refuse)
    given.features([feature(shapely.Point(600, 450).buffer(12))])
    detect = read_json(given.results / "s" / "detect" / "manifest.json")
    assert detect["model"] is None
    assert detect["counts"] == {"seeds": 0}
    assert len(pq.read_table(given.results / "s" / "detect" / "detections.parquet")) == 0
    assert len(nuclei(given.results)) == 1


def test_types_are_told_by_the_model_where_none_came_along(given: Given) -> None:
    made = given.features([feature(shapely.Point(600, 450).buffer(12))], "features", "types")
    assert made["model"]["name"]


def test_other_files_of_the_same_nuclei_give_the_same(given: Given, by_model: tuple[Path, Sample]) -> None:
    shapes = outlines(by_model[0])
    bare = write(given.folder / "bare.geojson", [feature(shape) for shape in shapes], bare=True)
    (given.folder / "packed.geojson.gz").write_bytes(gzip.compress(bare.read_bytes()))
    marked = given.folder / "marked.geojson"
    marked.write_text("\ufeff\n" + bare.read_text(), encoding="utf-8")
    cells = [
        feature(shape.buffer(9), kind="cell") | {"nucleusGeometry": feature(shape)["geometry"]} for shape in shapes
    ]
    cell = write(given.folder / "cells.geojson", cells)
    old = [feature(shape) | {"id": "PathDetectionObject", "properties": {"classification": None}} for shape in shapes]
    old = write(given.folder / "old.geojson", old)
    ours = by_model[0] / "s" / "segment" / "nuclei.parquet"
    expected = nuclei(by_model[0])["geometry"].tolist()
    for file in (bare, given.folder / "packed.geojson.gz", marked, cell, old, ours):
        assert given.take(file)["quality"] == [], file.name
        assert nuclei(given.results)["geometry"].tolist() == expected, file.name


def test_a_label_image_gives_its_nuclei(given: Given, by_model: tuple[Path, Sample]) -> None:
    grid = Grid(**read_json(by_model[0] / "s" / "segment" / "manifest.json")["grid"])
    coords, offsets = unpack_outlines(Path("t"), nuclei(by_model[0])["geometry"].to_numpy(), grid)
    assert grid.factor_x == 1, "the grid is the slide's own, so that labels lie on it"
    labels = rasterize(coords, offsets, (grid.height, grid.width))
    tiled, strips, png = given.folder / "tiled.tif", given.folder / "strips.tiff", given.folder / "labels.png"
    tifffile.imwrite(tiled, labels.astype(np.uint32), tile=(256, 256), compression="zlib")
    tifffile.imwrite(strips, labels.astype(np.uint16))
    cv2.imwrite(str(png), labels.astype(np.uint16))
    expected = nuclei(by_model[0]).sort_values("nucleus_id")
    for file in (tiled, strips, png):
        made = given.take(file)
        assert made["quality"] == [], file.name
        assert made["nuclei_format"] == "label image"
        found = nuclei(given.results)
        assert sorted(found["geometry"]) == sorted(expected["geometry"]), file.name
        by_label = found.set_index("given_number").sort_index()
        assert by_label["geometry"].tolist() == expected["geometry"].tolist()
    half = given.folder / "half.tif"
    tifffile.imwrite(half, np.ascontiguousarray(labels[::2, ::2]).astype(np.uint16))
    made = given.take(half)
    assert made["counts"]["given"] == len(np.unique(labels[::2, ::2])) - 1
    assert nuclei(given.results)["area_um2"].sum() == pytest.approx(expected["area_um2"].sum(), rel=0.02)
    odd = given.folder / "odd.tif"
    tifffile.imwrite(odd, np.zeros((500, 700), np.uint16))
    assert given.take(odd)["reason"].startswith("the file in the column 'nuclei' is a label image of 700 x 500 pixels")


def test_declared_bounds_are_added_to_geojson_and_not_to_tables(tmp_path: Path, by_model: tuple[Path, Sample]) -> None:
    slide = Given(tmp_path, by_model[1])
    slide.bounds(100, 50)
    disc = shapely.Point(500, 400).buffer(12)
    slide.features([feature(disc)])
    found = nuclei(slide.results)
    assert (found["x_px"][0], found["y_px"][0]) == pytest.approx((600, 450), abs=0.6)
    ours = by_model[0] / "s" / "segment" / "nuclei.parquet"
    slide.take(ours)
    assert nuclei(slide.results)["geometry"].tolist() == nuclei(by_model[0])["geometry"].tolist()


def test_the_number_of_workers_changes_nothing(given: Given, by_model: tuple[Path, Sample]) -> None:
    rng = np.random.default_rng(1)
    discs = [shapely.Point(*rng.uniform((20, 20), (1180, 880))).buffer(rng.uniform(3, 20)) for _ in range(800)]
    file = write(given.folder / "many.geojson", [feature(disc) for disc in discs])
    path, found = given.results / "s" / "segment", set()
    for workers in (1, 3):
        made = given.take(file, workers=workers, nuclei_before=by_model[0] / "s" / "segment" / "nuclei.parquet")
        found.add(((path / "nuclei.parquet").read_bytes(), (path / "manifest.json").read_bytes()))
    assert len(found) == 1
    assert "overlap others" in made["quality"][-1]["message"]


def test_how_the_slide_is_cut_into_blocks_changes_nothing_but_the_order(
    given: Given, by_model: tuple[Path, Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    discs = [shapely.Point(*rng.uniform((0, 0), (1200, 900))).buffer(rng.uniform(3, 40)) for _ in range(900)]
    file = write(given.folder / "many.geojson", [feature(disc) for disc in discs])
    found = list[Any]()
    for side in (2048, 128, 64):
        for module in ("own_nuclei", "own_outlines"):
            monkeypatch.setattr(f"pathopipe.jobs.{module}.BLOCK", side)
        made = given.take(file, nuclei_before=by_model[0] / "s" / "segment" / "nuclei.parquet")
        table = nuclei(given.results).drop(columns="nucleus_id").sort_values(["given_number", "x_px"])
        found.append((table.to_dict("list"), made["changes"], made["counts"], made["quality"]))
    assert found[1] == found[0]
    assert found[2] == found[0]
    assert 0 < found[0][1]["changed"] < found[0][1]["before"]


def test_how_a_label_image_is_cut_into_windows_changes_nothing(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, labels = np.random.default_rng(4), np.zeros((900, 1200), np.uint16)
    for number in range(1, 400):
        cv2.circle(labels, tuple(int(value) for value in rng.uniform((0, 0), (1200, 900))), 14, number, -1)
    tifffile.imwrite(given.folder / "labels.tif", labels, tile=(128, 128))
    found = []
    for side in (2048, 100):
        monkeypatch.setattr("pathopipe.annotations.own.label_image._BLOCK", side)
        made = given.take(given.folder / "labels.tif")
        table = nuclei(given.results).sort_values("given_number")
        found.append((table["given_number"].tolist(), table["geometry"].tolist(), made["counts"], made["quality"]))
    assert found[0] == found[1]
    assert found[0][2]["given"] == len(np.unique(labels)) - 1


def test_corrections_are_counted(given: Given, by_model: tuple[Path, Sample]) -> None:
    shapes, kinds = outlines(by_model[0]), ["Tumor", "Stroma"]
    old = [feature(shape, kinds[number % 2]) for number, shape in enumerate(shapes)]
    new = [feature(shape, kinds[number % 2]) for number, shape in enumerate(shapes)][5:]
    new[0] = feature(shapes[5], "Stroma" if 5 % 2 == 0 else "Tumor")
    new[1] = feature(shapely.affinity.scale(shapes[6], 0.9, 0.9), kinds[0])
    room = next(
        point
        for x in range(50, 1150, 10)
        for y in range(50, 850, 10)
        if (point := shapely.Point(x, y).buffer(6)) and not shapely.intersects(shapes, point.buffer(9)).any()
    )
    # It shares a few pixels with one before, too few to be the same.
    before = write(given.folder / "before.geojson", [*old, feature(shapely.affinity.translate(room, 7), "Tumor")])
    made = given.features([*new, feature(room, "Tumor")], nuclei_before=before)
    total = len(shapes)
    expected = {"before": total + 1, "kept": total - 6, "changed": 1, "deleted": 6, "added": 1, "retyped": 1}
    assert made["changes"] == expected
    assert set(made["inputs"]) >= {"nuclei", "nuclei_before"}
    bare = write(given.folder / "untyped.geojson", [feature(shape) for shape in shapes])
    assert given.features(new, nuclei_before=bare)["changes"]["retyped"] is None


A = shapely.Point(600, 450).buffer(12)
DUMBBELL = [(590, 440, 600, 450), (606, 440, 612, 446), (600, 445.2, 606, 445.3)]
LINE = {"type": "LineString", "coordinates": [[1, 1], [5, 5]]}


@pytest.mark.parametrize(
    ("features", "counts", "told"),
    [
        ([feature(A), feature(A)], (2, 1, 1), "1 lie mostly under others or beyond the border"),
        ([feature(A), feature(shapely.affinity.translate(A, 15))], (2, 0, 2), "1 overlap others"),
        ([feature(A), feature(A.buffer(-9))], (2, 1, 1), "1 lie mostly under others"),
        ([feature(A), feature(shapely.affinity.translate(A, 4))], (2, 1, 1), "1 lie mostly under others"),
        ([feature(A.difference(A.buffer(-6)))], (1, 0, 1), "1 have holes, which are filled"),
        ([feature(A.union(shapely.affinity.translate(A, 80)))], (1, 0, 2), "1 consist of several parts"),
        ([feature(A), feature(A, geometry=LINE)], (2, 1, 1), "1 are points or lines"),
        ([feature(A), feature(shapely.Point(5, 5).buffer(0.1))], (2, 1, 1), "1 are smaller than a pixel of the grid"),
        ([feature(A), feature(shapely.box(50, 50, 800, 800))], (2, 1, 1), "1 are larger than 100 µm"),
        ([feature(A), feature(A.buffer(5), kind="annotation")], (2, 1, 1), "1 are annotations beside detections"),
        ([feature(A), feature(A.buffer(5), name="Ignore*")], (2, 1, 1), "1 are of a class 'Ignore' or are tiles"),
        ([feature(A), feature(A, geometry=None)], (2, 1, 1), "1 have no valid geometry"),
        ([feature(A), feature(A, geometry={"type": "Polygon", "coordinates": [[[1, 2]]]})], (2, 1, 1), "no valid"),
        ([feature(A), feature(A, geometry={"type": "Polygon", "coordinates": "x"})], (2, 1, 1), "no valid geometry"),
        ([feature(A), 7, None], (3, 2, 1), "2 have no valid geometry"),
        (
            [feature(shapely.union_all([shapely.box(*box) for box in DUMBBELL]))],
            (1, 0, 1),
            "1 fall into pieces, of which the largest counts",
        ),
        ([feature(A, "Blob"), feature(shapely.affinity.translate(A, 50), "Tumor")], (2, 0, 2), "no type: 'Blob'"),
    ],
)
def test_what_is_not_taken_as_it_is_is_counted_and_told(
    given: Given, features: list[Any], counts: tuple[int, int, int], told: str
) -> None:
    made = given.features(features)
    assert made["state"] == "done", made["reason"]
    assert tuple(made["counts"][name] for name in ("given", "left_out", "nuclei")) == counts
    (entry,) = made["quality"]
    assert told in entry["message"]
    assert all(shape.is_valid for shape in outlines(given.results))


def test_nuclei_that_people_drew_as_annotations_are_taken_where_nothing_was_detected(given: Given) -> None:
    made = given.features([feature(A, "Tumor", "annotation")])
    assert made["counts"]["nuclei"] == made["counts"]["typed"] == 1


FAR = shapely.affinity.translate(A, 5000)


def test_regions_beside_detections_are_no_nuclei_that_were_given(given: Given) -> None:
    """As QuPath exports all objects, with its tissue, regions and what lies beside them."""
    pieces = [feature(shapely.box(x, 0, x + 250, 5), "Fold", "annotation") for x in range(0, 900, 300)]
    holes = shapely.box(0, 0, 1200, 900).difference(shapely.box(300, 300, 900, 800))
    regions = [feature(holes, "Tissue", "annotation"), *pieces, feature(holes, "Ignore*", "annotation")]
    made = given.features([*regions, feature(A, "Tumor"), *regions])
    assert made["state"] == "done", made["reason"]
    assert made["quality"] == []
    assert made["counts"] == {"given": 1, "left_out": 0, "nuclei": 1, "typed": 1}
    made = given.features([feature(A), *(feature(FAR, kind="annotation") for _ in range(9))])
    assert made["counts"] == {"given": 10, "left_out": 9, "nuclei": 1, "typed": 0}
    assert "9 are annotations beside detections" in made["quality"][0]["message"]


def test_an_outline_is_as_large_as_its_pixels(tmp_path: Path, small_slide: Path) -> None:
    """What `features` reads is no larger than what it takes for a nucleus, wherever centers of pixels lie."""
    slide = Given(tmp_path, Sample("s", small_slide, (0.49, 0.49)))
    wide = shapely.box(100.45, 100, 304.52, 110)
    assert wide.bounds[2] - wide.bounds[0] < 100 / 0.49
    made = slide.features([feature(A), feature(wide)])
    assert made["grid"]["mpp_x"] == pytest.approx(0.49), "of which 100 µm are no whole number"
    assert "1 are larger than 100 µm" in made["quality"][0]["message"]
    slide.features([feature(A), feature(wide)], "features")


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("own_nuclei", "own_outlines"):
        monkeypatch.setattr(f"pathopipe.jobs.{module}.BLOCK", 256)
    monkeypatch.setattr("pathopipe.annotations.own.base.PER_BATCH", 7)


@pytest.mark.usefixtures("small_pieces")
def test_killed_on_the_way_it_goes_on_with_its_file_and_begins_anew_with_another(
    given: Given, by_model: tuple[Path, Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes, look, done = outlines(by_model[0]), _Sets.look, list[Any]()
    first = write(given.folder / "first.geojson", [feature(shape) for shape in shapes])
    moved = [feature(shapely.affinity.translate(shape, 3, 2), "Tumor") for shape in shapes[::-1]]
    other = write(given.folder / "other.geojson", moved)

    def until(limit: int) -> None:
        def killed(sets: Any, block: Any) -> Any:
            if len(done) == limit:
                raise KeyboardInterrupt
            done.append(block)
            return look(sets, block)

        done.clear()
        monkeypatch.setattr(_Sets, "look", killed)

    def table() -> bytes:
        return (given.results / "s" / "segment" / "nuclei.parquet").read_bytes()

    expected = {}
    for file in (first, other):
        until(-1)
        given.take(file)
        expected[file] = table()
    blocks = len(done)
    assert blocks > 6
    for after, limit in ((first, blocks - 4), (other, blocks)):
        until(4)
        with pytest.raises(KeyboardInterrupt):
            given.take(first)
        until(-1)
        given.take(after)
        assert len(done) == limit
        assert table() == expected[after]


@pytest.mark.usefixtures("small_pieces")
def test_a_full_disk_is_a_fault_and_later_the_results_are_the_same(given: Given, by_model: tuple[Path, Sample]) -> None:
    file = write(given.folder / "full.geojson", [feature(shape) for shape in outlines(by_model[0])])
    given.take(file)
    path = given.results / "s" / "segment" / "nuclei.parquet"
    expected, finished = path.read_bytes(), read_json(path.with_name("manifest.json"))
    with file_limit(5_000), pytest.raises(FaultError, match="File too large"):
        run(given.results, replace(given.sample, nuclei=file), "segment")
    assert path.read_bytes() == expected
    assert run(given.results, replace(given.sample, nuclei=file), "segment") == finished
    assert path.read_bytes() == expected


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty: export the nuclei again"),
        (b"nuclei", "is neither GeoJSON, GeoParquet nor a label image"),
        (b'{"type": "FeatureCollection", "features": []}', "holds no nuclei: export them again"),
        (b"[]", "holds no nuclei"),
        (json.dumps([feature(A)] * 3).encode()[:-200], "ends in the middle of a feature: copy or export it again"),
        (gzip.compress(json.dumps([feature(A)] * 3).encode())[:-20], "ends in the middle of a feature"),
        (b'[{"type": "Feature",, }]' + b" " * 50, "is not GeoJSON in UTF-8: export the nuclei again"),
        (b'[{"type": "\xff"}]', "is not GeoJSON in UTF-8"),
        (b"[" * 100_000, "is not GeoJSON in UTF-8"),
        (json.dumps([feature(A, geometry=LINE)]).encode(), "can be used: 1 of 1 are points or lines"),
        (json.dumps([feature(A), feature(FAR)]).encode(), "has 1 of 2 outlines outside the slide, which is 1200 x 900"),
        (b"PAR1" + bytes(100), "is no readable GeoParquet: copy or export it again"),
        (b"II*\0" + bytes(100), "is no readable TIFF: copy or export the labels again"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8) + b"\0\0\0\x09" * 2 + bytes(50), "is no readable PNG"),
    ],
)
def test_a_file_that_cannot_be_used_rejects_the_slide_in_a_sentence(given: Given, content: bytes, told: str) -> None:
    file = given.folder / "Jane Doe.geojson"
    file.write_bytes(content)
    made = given.take(file)
    assert made["state"] == "rejected"
    assert made["reason"].startswith("the file in the column 'nuclei' ")
    assert told in made["reason"]
    assert "Jane" not in json.dumps(made)
    assert len(nuclei(given.results)) == 0


def test_nuclei_beside_the_tissue_are_those_of_another_slide(tmp_path: Path, by_model: tuple[Path, Sample]) -> None:
    slide = Given(tmp_path, by_model[1])
    home = slide.results / "s"
    bins = read_json(home / "tissue" / "manifest.json")["bins"]
    corner = shapely.geometry.mapping(shapely.box(0, 0, 10 * bins["bin_px_x"], 10 * bins["bin_px_y"]))
    tissue = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": corner, "properties": {}}]}
    (home / "quality" / "sound.geojson").write_text(json.dumps(tissue))
    seal(slide.results, "s", "quality")
    inside = shapely.Point(80, 80).buffer(12)
    made = slide.features([feature(A), feature(shapely.affinity.translate(A, 40)), feature(inside)])
    assert "has only 1 of 3 outlines in the tissue: give the file of this slide" in made["reason"]
    regions = write(tmp_path / "roi.geojson", [])
    made = slide.features([feature(A), feature(shapely.affinity.translate(A, 40)), feature(inside)], roi=regions)
    assert made["counts"] == {"given": 3, "left_out": 2, "nuclei": 1, "typed": 0}


def test_masks_damaged_and_missing_files(given: Given, tmp_path: Path) -> None:
    mask = np.zeros((900, 1200), np.uint8)
    for x in range(20, 1180, 40):
        cv2.circle(mask, (x, 450), 9, 255, -1)
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    assert "like a mask of all nuclei" in given.take(tmp_path / "mask.tif")["reason"]
    tifffile.imwrite(tmp_path / "colors.tif", np.zeros((900, 1200, 3), np.uint8), photometric="rgb")
    assert "is not a label image" in given.take(tmp_path / "colors.tif")["reason"]
    data = (tmp_path / "mask.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[: len(data) // 2])
    assert given.take(tmp_path / "cut.tif")["state"] == "rejected"
    with pytest.raises(FaultError, match="No such file"):
        given.take(tmp_path / "absent.geojson")
