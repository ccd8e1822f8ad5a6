"""The stage `quality`: painted artifacts are found and left out, sound tissue is not; hard cases give clear answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shapely

from pathopipe.evaluation.perturbation import compressed
from pathopipe.jobs import pixels
from pathopipe.jobs.execution import execute
from pathopipe.ops.quality.inks import INKS
from pathopipe.ops.regions import from_geojson
from pathopipe.pipeline import QualitySettings, TilesSettings, TissueSettings
from pathopipe.results.documents import read_json
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, render
from pathopipe.synthetic.artifacts import Painting, defocus

MPP = 0.5
SIZE = (2000, 1600)
Image = np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture(scope="module")
def tissue() -> Image:
    return render(Scene(*SIZE, mpp=MPP, seed=3, pleomorphism=2, tissue="field"), 0, 0, *SIZE)


def ink(rgb: Image, box: tuple[slice, slice]) -> Image:
    inked = rgb.copy()
    inked[box] = (inked[box] * np.array([0.15, 0.25, 0.7])).astype(np.uint8)
    return inked


def blurred(rgb: Image, where: tuple[slice, slice], defocus_um: float = 12.0) -> Image:
    painting, mask = Painting.of(rgb, MPP), np.zeros(rgb.shape[:2], np.float32)
    mask[where] = 1
    defocus(painting, mask, defocus_um, 0.75)
    return painting.rgb


def run(
    folder: Path, rgb: Image, mpp: float = MPP, workers: int = 1, **settings: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Map an image; returns the manifest and the GeoJSON."""
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "field.png"), rgb[..., ::-1])
    sample = Sample("s", folder / "field.png", (mpp, mpp))
    execute("tissue", "s", folder, TissueSettings(), sample)
    manifest = execute("quality", "s", folder, QualitySettings(**settings), sample, workers)
    return manifest, read_json(folder / "s/quality/quality.geojson")


def area_of(content: dict[str, Any], name: str) -> shapely.Geometry:
    chosen = [entry for entry in content["features"] if entry["properties"]["classification"]["name"] == name]
    return shapely.union_all(from_geojson({"features": chosen}, (0, 0)))


def overlap(found: shapely.Geometry, wanted: shapely.Geometry) -> float:
    return 2 * found.intersection(wanted).area / (found.area + wanted.area)


def test_sound_tissue_is_all_left(tissue: Image, tmp_path: Path) -> None:
    manifest, content = run(tmp_path, tissue)
    assert content["features"] == []
    assert manifest["unfit_share"] == 0
    assert manifest["quality"] == []
    assert 0 < manifest["blur_um"] < 1
    sound, all_of_it = (tmp_path / "s" / name for name in ("quality/sound.geojson", "tissue/tissue.geojson"))
    assert sound.read_bytes() == all_of_it.read_bytes()


@pytest.mark.parametrize(("name", "change"), [("pen", ink), ("out of focus", blurred)], ids=["pen", "out of focus"])
def test_an_artifact_is_found_and_left_out(
    name: str, change: Callable[[Image, tuple[slice, slice]], Image], tissue: Image, tmp_path: Path
) -> None:
    wanted = shapely.box(1000, 400, 2000, 1600)
    manifest, content = run(tmp_path, change(tissue, np.s_[400:1600, 1000:2000]))
    assert overlap(area_of(content, name), wanted) > 0.8
    share = wanted.area / (SIZE[0] * SIZE[1])
    assert manifest["shares"][name] == pytest.approx(share, rel=0.25)
    assert manifest["sound_mm2"] == pytest.approx((1 - share) * SIZE[0] * SIZE[1] * MPP**2 / 1e6, rel=0.2)
    sound = shapely.union_all(from_geojson(read_json(tmp_path / "s/quality/sound.geojson"), (0, 0)))
    assert sound.intersection(area_of(content, name)).area < 0.01 * wanted.area
    properties = content["features"][0]["properties"]
    assert properties["left_out"] is True
    assert properties["objectType"] == "annotation"
    assert ("blur_um" in properties) == (name == "out of focus")
    assert [entry["code"] for entry in manifest["quality"]] == ["unfit"]


def stroke(painting: Painting, where: tuple[slice, slice], name: str) -> None:
    """Draw a stroke of ink whose edge is soft."""
    mask = np.zeros(painting.labels.shape, np.float32)
    mask[where] = 1
    painting.density += cv2.GaussianBlur(mask, (0, 0), 12)[..., None] * np.array(INKS[name], np.float32)


def inks_of(content: dict[str, Any]) -> dict[str, float]:
    """Area of each ink in mm2."""
    found = dict[str, float]()
    for properties in (entry["properties"] for entry in content["features"]):
        if "ink" in properties:
            found[properties["ink"]] = found.get(properties["ink"], 0) + properties["area_mm2"]
    return found


@pytest.mark.parametrize("name", sorted(INKS))
def test_ink_is_told_by_its_color(name: str, tissue: Image, tmp_path: Path) -> None:
    painting, part = Painting.of(tissue, MPP), np.s_[1000:1400, 300:1800]
    stroke(painting, part, name)
    _, content = run(tmp_path, painting.rgb)
    found = inks_of(content)
    assert found[name] > 0.6 * 400 * 1500 * MPP**2 / 1e6
    assert found[name] > 0.98 * sum(found.values())


def test_two_inks_are_told_apart(tissue: Image, tmp_path: Path) -> None:
    painting, area = Painting.of(tissue, MPP), 400 * 1500 * MPP**2 / 1e6
    for name, part in (("blue", np.s_[200:600, 200:1700]), ("red", np.s_[1000:1400, 200:1700])):
        stroke(painting, part, name)
    _, content = run(tmp_path, painting.rgb)
    found = inks_of(content)
    assert found["blue"] == pytest.approx(area, rel=0.3)
    assert found["red"] == pytest.approx(area, rel=0.3)


def test_blocks_of_strong_compression_are_reported_and_left(tissue: Image, tmp_path: Path) -> None:
    manifest, content = run(tmp_path, compressed(tissue, 10))
    assert manifest["shares"]["JPEG blocks"] > 0.9
    assert manifest["unfit_share"] == 0
    assert {entry["properties"]["classification"]["name"] for entry in content["features"]} == {"JPEG blocks"}
    manifest, _ = run(tmp_path, compressed(tissue, 85))
    assert manifest["shares"]["JPEG blocks"] == 0


def test_what_is_not_excluded_is_reported_and_left(tissue: Image, tmp_path: Path) -> None:
    manifest, content = run(tmp_path, ink(tissue, np.s_[400:1600, 1000:2000]), exclude=("fold",))
    assert manifest["shares"]["pen"] > 0.3
    assert manifest["unfit_share"] == 0
    assert not any(entry["properties"]["left_out"] for entry in content["features"])


def test_any_number_of_workers_gives_the_same_bytes(tissue: Image, tmp_path: Path) -> None:
    image = blurred(ink(tissue, np.s_[:500, :500]), np.s_[800:, :])
    for workers in (1, 2):
        run(tmp_path / str(workers), image, workers=workers)
    for name in ("quality.geojson", "sound.geojson", "quality.png"):
        one, two = (tmp_path / workers / "s/quality" / name for workers in ("1", "2"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(("change", "word"), [(ink, "pen"), (blurred, "out of focus")], ids=["inked", "blurred"])
def test_where_nothing_is_left_the_map_is_whole_and_tiles_says_why(
    change: Callable[[Image, tuple[slice, slice]], Image], word: str, tissue: Image, tmp_path: Path
) -> None:
    manifest, content = run(tmp_path, change(tissue, np.s_[:, :]))
    assert manifest["state"] == "done"
    assert manifest["unfit_share"] > 0.9
    assert [entry["code"] for entry in manifest["quality"]] == ["mostly_unfit"]
    assert area_of(content, word).area > 0.9 * SIZE[0] * SIZE[1]
    if manifest["unfit_share"] == 1:
        tiles = execute("tiles", "s", tmp_path, TilesSettings())
        assert tiles["state"] == "rejected"
        assert word in tiles["reason"]


def test_a_tiny_field_has_no_map_and_one_number(tissue: Image, tmp_path: Path) -> None:
    manifest, content = run(tmp_path, np.ascontiguousarray(tissue[:256, :256]))
    assert content["features"] == []
    assert manifest["unfit_share"] == 0
    sharp = manifest["blur_um"]
    manifest, content = run(tmp_path, blurred(tissue, np.s_[:, :])[:256, :256])
    assert content["features"] == []
    assert manifest["blur_um"] > 2 * sharp
    assert [entry["code"] for entry in manifest["quality"]] == ["out_of_focus"]


def test_coarse_pixels_do_not_tell_whether_tissue_is_in_focus(tissue: Image, tmp_path: Path) -> None:
    manifest, _ = run(tmp_path, cv2.resize(tissue, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), mpp=2.0)
    assert manifest["blur_um"] is None
    assert manifest["shares"]["out of focus"] == 0


def test_geojson_counts_from_where_the_scan_begins(
    tissue: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = ink(tissue, np.s_[400:1600, 1000:2000])
    _, plain = run(tmp_path / "plain", image)
    really_open = pixels.open_slide

    def bounded(*arguments: Any, **options: Any) -> Any:
        slide = really_open(*arguments, **options)
        slide.backend.bounds = (320, 160, 1600, 1400)
        return slide

    monkeypatch.setattr(pixels, "open_slide", bounded)
    _, moved = run(tmp_path / "bounded", image)
    offset = np.subtract(area_of(plain, "pen").bounds, area_of(moved, "pen").bounds)
    np.testing.assert_allclose(offset, [320, 160, 320, 160])


def test_a_rejected_slide_has_empty_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    sample = Sample("s", tmp_path / "a.png")
    execute("tissue", "s", tmp_path, TissueSettings(), sample)
    assert execute("quality", "s", tmp_path, QualitySettings(), sample)["state"] == "rejected"
    for name in ("quality.geojson", "sound.geojson"):
        assert json.loads((tmp_path / "s/quality" / name).read_text())["features"] == []
