import json
import zlib

import cv2
import numpy as np
import pytest

from pathopipe.reporting.slide_page import SlidePage, render_slide, with_data
from pathopipe.viewer.decimals import from_codes
from pathopipe.viewer.layers import Layer, geojson_layer, outline_layer
from pathopipe.viewer.nuclei import gather
from pathopipe.viewer.packing import Block
from pathopipe.viewer.pyramid import Pyramid, halved, joined
from tests.viewer.made import OCTAGON, Plain, grid_of, made, page_of, part

shapely = pytest.importorskip("shapely")
FEW = 20_000


def told(document) -> dict:
    return json.loads(document.blocks[0].data)


def named(document, prefix: str) -> dict[str, bytes]:
    return {block.name: block.data for block in document.blocks if block.name.startswith(prefix)}


def column(data: bytes, start: int, count: int, width: int) -> np.ndarray:
    planes = np.frombuffer(data, np.uint8, count * width, start).reshape(width, count)
    return sum(planes[k].astype(np.int64) << (8 * k) for k in range(width))


def test_every_nucleus_is_in_one_leaf_with_its_place_and_kind():
    one = made(FEW)
    seen = []
    for number, (left, top, *_, count, outlined) in enumerate(told(one.document)["leaves"]):
        data = zlib.decompress(named(one.document, "v-n")[f"v-n{number}"])
        ids = np.cumsum(column(data, 0, count, 4))
        seen += ids.tolist()
        assert outlined
        assert np.abs(column(data, 4 * count, count, 4) + left - one.x[ids]).max() <= 0.5
        assert np.abs(column(data, 8 * count, count, 4) + top - one.y[ids]).max() <= 0.5
        kinds, rows = column(data, 12 * count, count, 1), ids % (FEW // 2)
        assert (kinds == rows % 5 + 128 * (rows % 3 == 0)).all()
        measured = zlib.decompress(named(one.document, "v-m1-")[f"v-m1-{number}"])
        values = from_codes(column(measured, 0, count, 2).astype(np.uint16))
        assert values == pytest.approx(ids + 0.25, rel=0.006)
    assert sorted(seen) == list(range(FEW))


def test_outlines_enclose_what_they_did():
    x, y = np.array([100.0, 300.5]), np.array([50.5, 1000.0])
    nuclei = gather([part(x, y, 1)], grid_of(Plain(2000, 2000)), 1)
    leaf = nuclei.leaves()[0]
    data = zlib.decompress(nuclei.outlines(0, leaf).data)
    counts = column(data, 0, 2, 2)
    steps = np.column_stack([column(data, 4 + 2 * k * counts.sum(), counts.sum(), 2) for k in (0, 1)])
    steps = (steps >> 1) ^ -(steps & 1)
    for row, ring in enumerate(np.split(steps, [counts[0]])):
        center = np.floor([nuclei.x[row] / 0.5, nuclei.y[row] / 0.5])
        points = (center + np.cumsum(ring, axis=0)) / 2
        assert sorted(map(tuple, points)) == sorted({tuple(point) for point in OCTAGON + np.array([x[row], y[row]])})


def test_outlines_that_lie_between_steps_are_said_to_be_drawn_less_exactly():
    grid = grid_of(Plain(2000, 2000))
    on, off = (gather([part(np.array([100.0 + more]), np.array([50.0]), 1)], grid, 1) for more in (0, 0.2))
    assert (on.rounded_um, off.rounded_um) == pytest.approx((0.0, 0.1), abs=1e-9)
    assert told(made(5).document)["deviation_um"] == 0.3


def test_room_is_kept_to_and_what_matters_comes_first():
    whole = made(FEW, slide=Plain(2000, 1500)).document
    size, places = sum(block.size for block in whole.blocks), ((500.0, 500.0, 700.0, 700.0),)
    shell = len(with_data(render_slide(SlidePage("s1", viewer=True)), b""))
    assert whole.outlined == FEW
    assert len(page_of(whole)) == pytest.approx(shell + size, abs=10)
    found = {}
    for share in (0.5, 0.6, 0.7, 0.9):
        part_of = made(FEW, room=share * size, places=places, slide=Plain(2000, 1500))
        assert part_of.room.left >= 0
        assert sum(block.size for block in part_of.document.blocks) <= share * size
        kept = told(part_of.document)
        near = [leaf[5] for leaf in kept["leaves"] if max(leaf[:2]) < 700 and min(leaf[2:4]) > 500]
        assert near
        assert all(near), "outlines near the place are there"
        found[share] = [measure["there"] for measure in kept["measures"]].count(True), part_of.document.outlined
    assert found[0.5][0] == 0 < found[0.6][0] < 3 == found[0.7][0]
    assert 0 < found[0.5][1] < found[0.9][1] < FEW


def test_outlines_can_be_asked_for_or_left_out():
    everything, nothing = made(FEW, room=1.0, outlines="all").document, made(FEW, outlines="none").document
    assert (everything.outlined, nothing.outlined) == (FEW, 0)
    assert all(measure["there"] for document in (everything, nothing) for measure in told(document)["measures"])
    assert made(FEW, room=1.0).document.outlined == 0, "a point each, even where there is no room"


def test_the_slide_is_read_once_and_shown_at_all_levels():
    one = made(50)
    assert one.slide.read_px == 8000 * 6000
    levels = told(one.document)["levels"]
    assert [level["factor_x"] for level in levels] == [1, 2, 4, 8, 16]
    tiles = named(one.document, "v-i")
    assert "v-i0-0-0" in tiles
    assert "v-i0-15-0" not in tiles, "glass is left out"
    top = cv2.imdecode(np.frombuffer(tiles["v-i4-0-0"], np.uint8), cv2.IMREAD_COLOR)
    assert top.shape == (375, 500, 3)
    assert np.abs(top[100, 100].astype(int) - (190, 160, 230)).max() < 6
    assert np.abs(top[100, 400].astype(int) - 240).max() < 6


def test_little_room_makes_the_overview_coarser_and_places_finer():
    slide = Plain(8000, 6000)
    pyramid = Pyramid.of(slide, 0.5, 400_000)
    assert pyramid.whole == 3
    list(pyramid.overview(slide))
    assert slide.read_px == 1000 * 750
    blocks = next(pyramid.details(slide, [(100.0, 100.0, 700.0, 500.0)]))
    assert {block.name for block in blocks} >= {"v-i0-0-0", "v-i0-1-0", "v-i1-0-0", "v-i2-0-0"}
    assert not any(block.name.startswith("v-i3") for block in blocks)


def test_halving_and_joining_reach_the_last_pixel():
    odd = (np.arange(15) ** 2).astype(np.uint8).reshape(3, 5, 1).repeat(3, axis=2)
    assert halved(odd)[..., 0].tolist() == [[16, 32, 49], [111, 157, 196]]
    corner = joined([odd, odd[:, :2], odd[:1], odd[:1, :2]])
    assert corner.shape == (4, 7, 3)
    assert joined([odd, None, None, None]).shape == odd.shape


def test_layers_of_a_stage_count_as_qupath_does():
    square = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]}
    kind = {"classification": {"name": "Blurred", "color": [200, 10, 0]}}
    content = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": square, "properties": kind}]}
    entry = geojson_layer("quality", "Quality", content, (100.0, 50.0)).entry
    assert sorted(zip(*[iter(entry["shapes"][0]["rings"][0])] * 2, strict=True)) == [
        (100, 50),
        (100, 60),
        (110, 50),
        (110, 60),
    ]
    assert (entry["shapes"][0]["color"], entry["shapes"][0]["label"]) == ("#c80a00", "Blurred")
    assert entry["keys"] == (("#c80a00", "Blurred"),)
    assert not entry["shown"]


def test_a_picture_is_a_layer_too():
    layer = Layer("density", "Density", picture=b"png", extent_px=(10.0, 20.0))
    assert (layer.block, layer.entry["extent"]) == (Block("v-pdensity", b"png"), (10.0, 20.0))
    assert outline_layer("tissue", "Tissue", [shapely.box(0, 0, 1, 1)]).block is None


def test_no_nuclei_in_a_browser(chromium, tmp_path):
    path = tmp_path / "none.html"
    path.write_bytes(page_of(made(0).document))
    with chromium.page(path) as page:
        page.click("[data-do=next]")
        page.wait_for_selector(".viewer-chosen p")
        assert page.inner_text(".viewer-chosen") == "No nucleus here."
        assert "holds 0 nuclei" in page.inner_text(".viewer-holds")
        page.select_option(".viewer-by", label="Nuclear area")
        assert "≤ –" in page.inner_text(".viewer-legend")
