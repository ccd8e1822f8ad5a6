"""The stage tissue, from a file to its artifacts."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shapely
import tifffile
from PIL import Image

from pathopipe.errors import FaultError, RefusalError
from pathopipe.jobs import pixels
from pathopipe.jobs.execution import execute
from pathopipe.ops.regions import Bins, from_geojson, polygons_to_mask
from pathopipe.pipeline import STAGES, QualitySettings, TilesSettings, TissueSettings
from pathopipe.results.documents import read_json
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, write_slide
from tests.slide.files import write_svs


def run(tmp_path: Path, path: Path, results: str = "results", **sample: Any) -> dict[str, Any]:
    return execute("tissue", "s", tmp_path / results, TissueSettings(), Sample("s", path, **sample))


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tissue with glass around it."""
    path = tmp_path_factory.mktemp("tissue") / "slide.tiff"
    write_slide(Scene(3000, 2400, mpp=0.5, seed=4, pleomorphism=1), path, levels=2)
    return path


def test_a_slide_is_described(pyramid: Path, tmp_path: Path) -> None:
    manifest = run(tmp_path, pyramid)
    assert manifest["state"] == "done"
    assert (manifest["mpp_x"], manifest["mpp_y"], manifest["mpp_source"]) == (0.5, 0.5, "metadata")
    info = manifest["slide_info"]
    assert (info["width"], info["height"], info["levels"], info["format"]) == (3000, 2400, 2, "tiff")
    assert 0.1 < manifest["tissue_mm2"] < 1.8
    assert manifest["counts"]["samples"] > 0
    assert manifest["stain"]["source"] == "macenko"
    assert len(manifest["sha256"]) == 64
    assert "out_of_focus" not in {warning["code"] for warning in manifest["quality"]}


def test_what_the_scanner_left_is_measured(pyramid: Path, tmp_path: Path) -> None:
    before = run(tmp_path, pyramid)["scan"]
    image = tifffile.imread(pyramid, key=0).astype(np.float64)
    warm = image * (1.0, 0.98, 0.9) + np.random.default_rng(0).normal(0, 4, image.shape)
    path = tmp_path / "warm.tif"
    tifffile.imwrite(path, np.clip(warm.round(), 0, 254).astype(np.uint8), photometric="rgb", tile=(256, 256))
    after = run(tmp_path, path, "other", mpp=(0.5, 0.5))["scan"]
    red, green, blue = before["glass"]
    assert after["glass"] == pytest.approx([red, 0.98 * green, 0.9 * blue], abs=2)
    assert after["noise"] == pytest.approx(np.hypot(before["noise"], 4), rel=0.2)
    assert after["sharpness"] > before["sharpness"]
    assert all(value is not None for value in before.values())


def test_polygons_are_valid_and_add_up(pyramid: Path, tmp_path: Path) -> None:
    manifest = run(tmp_path, pyramid)
    content = read_json(tmp_path / "results" / "s" / "tissue" / "tissue.geojson")
    polygons = from_geojson(content, (0, 0))
    assert all(shapely.is_valid(polygon) for polygon in polygons)
    areas = [feature["properties"]["area_mm2"] for feature in content["features"]]
    info = manifest["slide_info"]
    inside = shapely.intersection(polygons, shapely.box(0, 0, info["width"], info["height"]))
    assert areas == pytest.approx((shapely.area(inside) * 0.25 / 1e6).tolist(), abs=1e-6)
    assert sum(areas) == pytest.approx(manifest["tissue_mm2"], abs=1e-4)
    for feature in content["features"]:
        assert feature["properties"]["objectType"] == "annotation"
        assert feature["properties"]["classification"]["name"] == "Tissue"
    bins = Bins(**manifest["bins"])
    covered_mm2 = polygons_to_mask(polygons, bins).sum() * bins.bin_um2 / 1e6
    assert covered_mm2 == pytest.approx(manifest["tissue_mm2"], rel=0.02)


def test_the_same_slide_gives_the_same_bytes_wherever_it_lies(pyramid: Path, tmp_path: Path) -> None:
    run(tmp_path, pyramid, "one")
    moved = tmp_path / "moved" / "other name.tif"
    moved.parent.mkdir()
    moved.write_bytes(pyramid.read_bytes())
    run(tmp_path, moved, "two")
    for name in (*STAGES["tissue"].writes, "manifest.json"):
        one, two = ((tmp_path / results / "s" / "tissue" / name).read_bytes() for results in ("one", "two"))
        assert one == two, name
        assert b"other name" not in two
        assert str(tmp_path).encode() not in two


def test_a_field_of_view_is_all_tissue(tmp_path: Path) -> None:
    write_slide(Scene(600, 500, mpp=0.5, seed=2, tissue="field"), tmp_path / "f.tiff", levels=1)
    Image.fromarray(tifffile.imread(tmp_path / "f.tiff")).save(tmp_path / "f.png")
    manifest = run(tmp_path, tmp_path / "f.png", mpp=(0.5, 0.5))
    assert manifest["mpp_source"] == "sheet"
    assert manifest["tissue_mm2"] == pytest.approx(600 * 500 * 0.25 / 1e6, rel=0.03)
    assert manifest["scan"]["glass"] is None
    thumbnail = cv2.imread(str(tmp_path / "results" / "s" / "tissue" / "thumbnail.jpg"))
    assert thumbnail.shape == (500, 600, 3)


def flat(path: Path, color: tuple[int, int, int]) -> None:
    Image.fromarray(np.full((600, 800, 3), color, np.uint8)).save(path)


def fluorescence(path: Path) -> None:
    image = np.full((600, 800, 3), 4, np.uint8)
    rng = np.random.default_rng(0)
    for x, y in rng.integers(0, 600, (80, 2)).tolist():
        cv2.circle(image, (x, y), 9, (10, 20, 240), -1)
    Image.fromarray(image).save(path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: flat(path, (243, 243, 243)), "no tissue was found"),
        (lambda path: flat(path, (128, 128, 128)), "no tissue was found"),
        (lambda path: flat(path, (0, 0, 0)), "dark as in fluorescence"),
        (fluorescence, "dark as in fluorescence"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("a text"), "not a slide or image"),
    ],
)
def test_unusable_slides_are_rejected_with_valid_empty_files(write: Any, words: str, tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    manifest = run(tmp_path, tmp_path / "a.png", mpp=(0.5, 0.5))
    assert manifest["state"] == "rejected"
    assert words in manifest["reason"]
    folder = tmp_path / "results" / "s" / "tissue"
    assert from_geojson(read_json(folder / "tissue.geojson"), (0, 0)) == []
    assert cv2.imread(str(folder / "thumbnail.jpg")).shape == (1, 1, 3)


def test_a_slide_without_mpp_is_rejected(tmp_path: Path) -> None:
    write_svs(tmp_path / "a.svs", np.full((600, 800, 3), 200, np.uint8), mpp=None, compression="jpeg")
    assert "in the sheet's column 'mpp'" in run(tmp_path, tmp_path / "a.svs")["reason"]


def test_sheet_and_file_that_disagree_are_told(pyramid: Path, tmp_path: Path) -> None:
    manifest = run(tmp_path, pyramid, mpp=(0.25, 0.25))
    assert manifest["mpp_source"] == "sheet"
    (warning,) = [warning for warning in manifest["quality"] if warning["code"] == "mpp_conflict"]
    assert warning["message"] == "the sheet's mpp is 0.50 times the file's"
    assert "mpp_conflict" not in {entry["code"] for entry in run(tmp_path, pyramid, mpp=(0.51, 0.5))["quality"]}


def test_blur_is_told(pyramid: Path, tmp_path: Path) -> None:
    blurred = cv2.GaussianBlur(tifffile.imread(pyramid, key=0), (0, 0), 3)
    tifffile.imwrite(tmp_path / "b.tif", blurred, photometric="rgb", tile=(256, 256), metadata=None)
    manifest = run(tmp_path, tmp_path / "b.tif", mpp=(0.5, 0.5))
    assert "out_of_focus" in {warning["code"] for warning in manifest["quality"]}


def regions(path: Path, *boxes: tuple[float, ...], ignored: tuple[tuple[float, ...], ...] = ()) -> Path:
    """Write regions, and others of QuPath's class of what is to be ignored."""
    shapes = [*((box, {}) for box in boxes), *((box, {"classification": {"name": "Ignore*"}}) for box in ignored)]
    features = [
        {"type": "Feature", "geometry": shapely.geometry.mapping(shapely.box(*box)), "properties": said}
        for box, said in shapes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_only_the_regions_of_the_sheet_are_analyzed(tmp_path: Path) -> None:
    write_slide(Scene(1200, 900, mpp=0.5, seed=3, tissue="field"), tmp_path / "f.tiff", levels=1)
    roi = regions(tmp_path / "roi.geojson", (160, 320, 800, 640))
    manifest = run(tmp_path, tmp_path / "f.tiff", roi=roi)
    assert manifest["tissue_mm2"] == pytest.approx(640 * 320 * 0.25 / 1e6, rel=0.01)
    outside = regions(tmp_path / "far.geojson", (5000, 5000, 6000, 6000))
    assert "column 'roi'" in run(tmp_path, tmp_path / "f.tiff", roi=outside)["reason"]
    outside.write_text("{}")
    with pytest.raises(RefusalError, match=r"far\.geojson"):
        run(tmp_path, tmp_path / "f.tiff", roi=outside)


@pytest.mark.parametrize("drawn", [((160, 320, 800, 640),), ()], ids=["of a region", "of the slide"])
def test_what_is_to_be_ignored_is_left_out(tmp_path: Path, drawn: tuple[tuple[float, ...], ...]) -> None:
    write_slide(Scene(1200, 900, mpp=0.5, seed=3, tissue="field"), tmp_path / "f.tiff", levels=1)
    whole = run(tmp_path, tmp_path / "f.tiff", roi=regions(tmp_path / "a.geojson", *drawn) if drawn else None)
    roi = regions(tmp_path / "b.geojson", *drawn, ignored=((320, 320, 480, 480), (5000, 0, 6000, 900)))
    some = run(tmp_path, tmp_path / "f.tiff", roi=roi)
    assert whole["tissue_mm2"] - some["tissue_mm2"] == pytest.approx(160 * 160 * 0.25 / 1e6, rel=0.01)
    content = read_json(tmp_path / "results" / "s" / "tissue" / "tissue.geojson")
    tissue = shapely.union_all(from_geojson(content, (0, 0)))
    assert not tissue.intersects(shapely.box(322, 322, 478, 478))
    everything = regions(tmp_path / "c.geojson", *drawn, ignored=((0, 0, 1300, 1000),))
    assert "column 'roi'" in run(tmp_path, tmp_path / "f.tiff", roi=everything)["reason"]


def test_a_missing_slide_is_a_fault_and_leaves_results_alone(pyramid: Path, tmp_path: Path) -> None:
    run(tmp_path, pyramid)
    before = (tmp_path / "results" / "s" / "tissue" / "manifest.json").read_bytes()
    with pytest.raises(FaultError):
        run(tmp_path, tmp_path / "gone.svs")
    assert (tmp_path / "results" / "s" / "tissue" / "manifest.json").read_bytes() == before


def test_the_real_slide(shared_data: Path, tmp_path: Path) -> None:
    manifest = run(tmp_path, shared_data / "slides" / "CMU-1-Small-Region.svs")
    assert manifest["mpp_x"] == 0.499
    assert 0.5 < manifest["tissue_mm2"] < 1.0
    assert manifest["quality"] == []


def test_a_rejected_slide_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((400, 600, 3), 244, np.uint8))
    sample = Sample("s", tmp_path / "blank.png", mpp=(0.5, 0.5))
    manifest = execute("tissue", "s", tmp_path / "results", TissueSettings(), sample)
    assert manifest["state"] == "rejected"
    assert (manifest["mpp_x"], manifest["mpp_source"]) == (0.5, "sheet")
    assert manifest["slide_info"]["height"] == 400


def test_the_regions_are_among_the_inputs(tmp_path: Path, small_slide: Path) -> None:
    roi = tmp_path / "roi.geojson"
    roi.write_text(json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [400, 0], [400, 300], [0, 300], [0, 0]]]}))
    sample = Sample("s", small_slide, roi=roi)
    manifest = execute("tissue", "s", tmp_path / "results", TissueSettings(), sample)
    assert manifest["inputs"]["roi"] == hashlib.sha256(roi.read_bytes()).hexdigest()
    assert manifest["tissue_mm2"] == pytest.approx(400 * 300 * 0.25e-6, rel=0.1)


def test_the_mask_covers_a_field_to_its_last_pixel(tmp_path: Path) -> None:
    """1000 px at 0.25 mpp are 31.25 cells."""
    write_slide(Scene(1000, 1000, mpp=0.25, seed=3, tissue="field"), tmp_path / "a.tiff", levels=1)
    manifest = execute("tissue", "s", tmp_path / "results", TissueSettings(), Sample("s", tmp_path / "a.tiff"))
    assert manifest["bins"]["width"] == manifest["bins"]["height"] == 32
    (tissue,) = from_geojson(read_json(tmp_path / "results" / "s" / "tissue" / "tissue.geojson"), (0, 0))
    assert tissue.covers(shapely.box(0, 0, 1000, 1000))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 40), (40, 1), (2, 2), (8, 8), (3, 500)])
@pytest.mark.parametrize("mpp", [0.05, 0.25, 0.5, 2.0])
def test_an_image_of_few_pixels_is_analyzed_or_rejected(width: int, height: int, mpp: float, tmp_path: Path) -> None:
    Image.fromarray(np.full((height, width, 3), (150, 60, 140), np.uint8)).save(tmp_path / "a.png")
    manifest = run(tmp_path, tmp_path / "a.png", mpp=(mpp, mpp))
    small = min(width, height) * mpp < 4 or width * height * mpp**2 < 100
    assert (manifest["state"] == "rejected") == small
    assert not small or f"{width} x {height} pixels" in manifest["reason"]
    assert small or manifest["tissue_mm2"] > 0


def test_an_image_larger_than_any_slide_is_rejected(tmp_path: Path) -> None:
    # 100,000 x 100,000 pixels, nearly all of whose tiles were left out.
    tiles = (-(-100_000 // 1024)) ** 2
    tile = np.full((1024, 1024, 3), 200, np.uint8).tobytes()
    content = iter([tile, *[b""] * (tiles - 1)])
    options = {"shape": (100_000, 100_000, 3), "dtype": np.uint8, "tile": (1024, 1024), "photometric": "rgb"}
    tifffile.imwrite(tmp_path / "a.tif", content, compression=1, metadata=None, **options)
    manifest = run(tmp_path, tmp_path / "a.tif", mpp=(2.0, 2.0))
    assert "200 x 200 mm" in manifest["reason"]


def test_regions_count_from_where_the_scan_begins(
    pyramid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, offset = tmp_path / "plain", np.array([320.0, 160.0])
    roi = shapely.box(600, 500, 2200, 1900)
    for name, moved in (("plain", roi), ("bounded", shapely.transform(roi, lambda xy: xy - offset))):
        (tmp_path / f"{name}.json").write_text(shapely.to_geojson(moved))
    run(plain, pyramid, roi=tmp_path / "plain.json")
    really_open = pixels.open_slide

    def bounded(*arguments: Any, **options: Any) -> Any:
        slide = really_open(*arguments, **options)
        slide.backend.bounds = (320, 160, 2000, 2000)
        return slide

    monkeypatch.setattr(pixels, "open_slide", bounded)
    run(tmp_path, pyramid, roi=tmp_path / "bounded.json")
    tables, corners = [], []
    for folder in (plain, tmp_path):
        execute("quality", "s", folder / "results", QualitySettings(), Sample("s", pyramid))
        execute("tiles", "s", folder / "results", TilesSettings())
        tables.append((folder / "results" / "s" / "tiles" / "tiles.parquet").read_bytes())
        content = read_json(folder / "results" / "s" / "tissue" / "tissue.geojson")
        corners.append(np.array(from_geojson(content, (0, 0))[0].bounds))
    assert tables[0] == tables[1]
    np.testing.assert_array_equal(corners[0] - corners[1], [320, 160, 320, 160])
