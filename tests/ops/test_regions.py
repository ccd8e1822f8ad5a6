"""Masks and polygons are two forms of one thing."""

import json

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pathopipe.ops.regions import (
    Bins,
    Region,
    cut_mask,
    distinct_names,
    from_geojson,
    mask_to_polygons,
    origin_of,
    parse_regions,
    polygons_cover,
    polygons_to_mask,
    to_geojson,
)

MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.booleans())
SIDES = st.sampled_from([(16.0, 16.0), (16.032064128, 15.9), (1.0, 3.0), (35.2422907489, 35.24)])


def bins_of(mask: np.ndarray, sides: tuple[float, float] = (16.0, 16.0)) -> Bins:
    return Bins(mask.shape[1], mask.shape[0], *sides, 64.0)


@given(mask=MASKS, sides=SIDES)
@pytest.mark.parametrize("origin", [(0.0, 0.0), (1024.0, 77.0)])
def test_a_mask_survives_the_way_through_a_file(
    mask: np.ndarray, sides: tuple[float, float], origin: tuple[float, float]
) -> None:
    bins = bins_of(mask, sides)
    polygons = mask_to_polygons(mask, bins)
    content = json.loads(json.dumps(to_geojson(polygons, [{"n": i} for i, _ in enumerate(polygons)], origin)))
    np.testing.assert_array_equal(polygons_to_mask(from_geojson(content, origin), bins), mask)


def test_geojson_begins_where_the_scan_does() -> None:
    square = shapely.box(100, 200, 116, 216)
    corner = to_geojson([square], [{}], origin_of([90, 180, 500, 400]))["features"][0]["geometry"]["coordinates"][0]
    assert (min(x for x, _ in corner), min(y for _, y in corner)) == (10, 20)
    assert origin_of(None) == (0, 0)


@given(mask=MASKS, sides=SIDES)
def test_polygons_are_valid_and_cover_the_mask(mask: np.ndarray, sides: tuple[float, float]) -> None:
    polygons = mask_to_polygons(mask, bins_of(mask, sides))
    assert all(shapely.is_valid(polygon) for polygon in polygons)
    assert sum(polygon.area for polygon in polygons) == pytest.approx(mask.sum() * sides[0] * sides[1])
    tops = [(polygon.bounds[1], polygon.bounds[0]) for polygon in polygons]
    assert tops == sorted(tops)


def test_a_rectangle_has_four_corners() -> None:
    mask = np.zeros((5, 6), bool)
    mask[1:4, 2:6] = True
    (polygon,) = mask_to_polygons(mask, bins_of(mask))
    assert polygon.equals(shapely.box(32, 16, 96, 64))
    assert shapely.get_num_coordinates(polygon) == 5


@given(mask=MASKS, sides=SIDES, data=st.data())
def test_cutting_looks_up_cells(mask: np.ndarray, sides: tuple[float, float], data: st.DataObject) -> None:
    bins = bins_of(mask, sides)
    x = np.array(data.draw(st.lists(st.floats(-50, 500), min_size=1, max_size=8)))
    y = np.array(data.draw(st.lists(st.floats(-50, 500), min_size=1, max_size=8)))

    def expected(px: float, py: float) -> bool:
        column, row = int(np.floor(px / sides[0])), int(np.floor(py / sides[1]))
        return 0 <= column < bins.width and 0 <= row < bins.height and bool(mask[row, column])

    assert cut_mask(mask, bins, x, y).tolist() == [[expected(px, py) for px in x] for py in y]


def test_any_polygon_covers_the_cells_whose_center_it_holds() -> None:
    bins = Bins(10, 8, 10.0, 10.0, 64.0)
    triangle = shapely.Polygon([(0, 0), (100, 0), (0, 80)])
    mask = polygons_cover([triangle], bins)
    expected = [[triangle.contains(shapely.Point(10 * x + 5, 10 * y + 5)) for x in range(10)] for y in range(8)]
    assert mask.tolist() == expected


def test_a_polygon_that_crosses_itself_is_mended() -> None:
    bins = Bins(10, 10, 10.0, 10.0, 64.0)
    bow_tie = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    assert polygons_cover([bow_tie], bins).sum() == pytest.approx(50, abs=10)


SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]}
FEATURE = {"type": "Feature", "geometry": SQUARE, "properties": {}}


@pytest.mark.parametrize(
    "content",
    [
        SQUARE,
        FEATURE,
        [FEATURE],
        {"type": "FeatureCollection", "features": [FEATURE]},
        {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]},
    ],
)
def test_regions_of_other_programs_are_read(content: object) -> None:
    (polygon,) = from_geojson(content, (0, 0))  # type: ignore[arg-type]
    assert polygon.area == 16


@pytest.mark.parametrize(
    "shape", [{"type": "Point", "coordinates": [1, 2]}, {"type": "Nonsense"}, {"type": "Polygon"}, None, 3]
)
def test_what_is_no_polygon_is_refused(shape: object) -> None:
    with pytest.raises(ValueError, match="holds a"):
        from_geojson({"type": "Feature", "geometry": shape}, (0, 0))


@pytest.mark.parametrize(
    ("text", "words"),
    [("no JSON", "is not GeoJSON"), ("[]", "holds no polygons"), ("3", "is not GeoJSON"), ("{}", "is no")],
)
def test_a_persons_text_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_regions(text, (0, 0))


@pytest.mark.parametrize(
    ("coordinates", "sentence"),
    [
        ("[[[0, 0], [1e12, 0], [1e12, 1e12], [0, 0]]]", "holds coordinates beyond any slide"),
        ("[[[0, 0], [-1e300, 0], [5, 5], [0, 0]]]", "holds coordinates beyond any slide"),
        ("[[[0, 0], [1e999, 0], [5, 5], [0, 0]]]", "holds coordinates beyond any slide"),
        ("[" * 10**5, "is not GeoJSON of polygons: it is nested too deeply"),
        ("[[" + "[0, 0]," * 1_000_001 + "[0, 0]]]", "holds more than 1,000,000 points: simplify the regions"),
    ],
    ids=["far", "huge", "infinite", "deep", "many"],
)
def test_regions_that_no_slide_has_are_refused(coordinates: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_regions(f'{{"type": "Polygon", "coordinates": {coordinates}}}', (0, 0))


def drawn(**properties: object) -> dict[str, object]:
    return {"type": "Feature", "geometry": SQUARE, "properties": properties}


@pytest.mark.parametrize(
    ("properties", "name", "kind"),
    [
        ({}, "", ""),
        ({"name": "Tumor 1"}, "Tumor 1", ""),
        ({"name": "A", "classification": {"name": "Tumor", "color": [200, 0, 0]}}, "A", "Tumor"),
        ({"classification": {"names": ["Tumor", "in situ"]}}, "", "Tumor: in situ"),
        ({"classification": "Stroma"}, "", "Stroma"),
        ({"classification": {"names": 3}, "name": ["x"]}, "", ""),
        ({"name": "  two\n\tlines\x00 "}, "two lines", ""),
        ({"name": "n" * 300}, "n" * 100, ""),
    ],
)
def test_regions_have_the_names_and_classes_that_qupath_gives_them(
    properties: dict[str, object], name: str, kind: str
) -> None:
    (region,) = parse_regions(json.dumps(drawn(**properties)), (10, 20))
    assert (region.name, region.kind) == (name, kind)
    assert [polygon.bounds for polygon in region.polygons] == [(10, 20, 14, 24)]


@pytest.mark.parametrize("content", [SQUARE, {**FEATURE, "properties": None}, {**FEATURE, "properties": [1]}])
def test_a_region_need_not_have_a_name(content: object) -> None:
    (region,) = parse_regions(json.dumps(content), (0, 0))
    assert (region.name, region.kind, len(region.polygons)) == ("", "", 1)


def test_each_feature_is_a_region_with_all_its_polygons() -> None:
    both = {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"], [[[9, 9], [12, 9], [12, 12], [9, 9]]]]}
    none = {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": []}, "properties": {"name": "b"}}
    first = {"type": "Feature", "geometry": both, "properties": {"name": "a"}}
    found = parse_regions(json.dumps([first, none, drawn(name="c")]), (0, 0))
    assert [(region.name, len(region.polygons)) for region in found] == [("a", 2), ("c", 1)]


@pytest.mark.parametrize(
    ("kind", "ignored"), [("Ignore*", True), ("ignore", True), ("Ignored: fold", True), ("Tumor", False), ("", False)]
)
def test_classes_that_begin_with_ignore_are_ignored(kind: str, ignored: bool) -> None:
    assert Region("a", kind, ()).ignored == ignored
    assert not Region("Ignore", "", ()).ignored


def test_names_of_regions_are_told_apart() -> None:
    said = [("a", ""), ("a", "Tumor"), ("", "Tumor"), ("", ""), ("", ""), ("slide", ""), ("Tumor", ""), ("a 2", "")]
    regions = [Region(name, kind, ()) for name, kind in said]
    names = distinct_names(regions, ("slide",))
    assert names == ["a", "a 3", "Tumor 2", "region", "region 2", "slide 2", "Tumor", "a 2"]
