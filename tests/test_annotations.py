"""Labels of every kind, and the sheet that lists images with them."""

import json
import struct
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from pathopipe.annotations import Annotated, Outlines, Points, match, read_annotations, read_sheet
from pathopipe.errors import RefusalError

SQUARE = [[2, 1], [5, 1], [5, 4], [2, 4], [2, 1]]
HOLE = [[3, 2], [4, 2], [4, 3], [3, 3], [3, 2]]
FAR = [[8, 6], [10, 6], [10, 8], [8, 8], [8, 6]]


def square() -> np.ndarray:
    """Rows 1 to 3, columns 2 to 4 of 8 x 12 pixels."""
    labels = np.zeros((8, 12), np.int32)
    labels[1:4, 2:5] = 1
    return labels


def reported(action: Callable[[], Any]) -> str:
    with pytest.raises(RefusalError) as caught:
        action()
    return str(caught.value)


def outlines(path: Path, size: tuple[int, int] | None = (8, 12)) -> np.ndarray:
    found = read_annotations(path, size)
    assert isinstance(found, Outlines)
    assert found.labels.dtype == np.int32
    return found.labels


def points(path: Path, size: tuple[int, int] | None = (8, 12)) -> Points:
    found = read_annotations(path, size)
    assert isinstance(found, Points)
    assert found.xy.dtype == np.float64
    return found


def feature(kind: str, coordinates: Any, name: str | None = None, **more: Any) -> dict[str, Any]:
    properties = {} if name is None else {"classification": {"name": name, "color": [200, 0, 0]}}
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "id": "0d1f", "geometry": geometry, "properties": properties, **more}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


# Label images


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_label_images(dtype: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), (square() * 200).astype(dtype))
    assert np.array_equal(outlines(tmp_path / "a.png"), square() * 200)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "uint32", "uint64", "float32"])
def test_tiff_label_images(dtype: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", square().astype(dtype), compression="zlib")
    assert np.array_equal(outlines(tmp_path / "a.tif"), square())


def test_labels_too_large_for_32_bits_are_renumbered(tmp_path: Path) -> None:
    labels = square().astype(np.uint32) * 4_000_000_000
    labels[6:, 6:] = 7
    tifffile.imwrite(tmp_path / "a.tiff", labels)
    found = outlines(tmp_path / "a.tiff")
    assert np.array_equal(found == 2, square() == 1)
    assert np.array_equal(found == 1, labels == 7)


def test_no_nucleus_is_no_mistake(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 12), np.uint8))
    assert not outlines(tmp_path / "a.png").any()
    assert not outlines(write(tmp_path / "a.geojson", [])).any()
    assert len(points(write(tmp_path / "a.tsv", "x\ty\n")).xy) == 0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 12, 3), np.uint8),
        np.full((8, 12), 0.5, np.float32),
        np.full((8, 12), np.nan, np.float32),
        np.full((8, 12), -1, np.int16),
        np.zeros((2, 8, 12), np.uint16),
    ],
)
def test_what_is_no_label_image(image: np.ndarray, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb" if image.shape[-1] == 3 else "minisblack")
    assert "a.tif: is not a label image: give one channel" in reported(lambda: read_annotations(tmp_path / "a.tif"))


def test_color_and_damage_are_no_label_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 12, 3), np.uint8))
    (tmp_path / "b.png").write_bytes(b"\x89PNG but no more")
    for name in ("a.png", "b.png"):
        assert f"{name}: is not a label image" in reported(lambda name=name: read_annotations(tmp_path / name))
    (tmp_path / "c.tif").write_bytes(b"no TIFF at all")
    assert "c.tif: is not a readable TIFF" in reported(lambda: read_annotations(tmp_path / "c.tif"))


def test_labels_of_another_size(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), square().astype(np.uint8))
    said = reported(lambda: read_annotations(tmp_path / "a.png", (8, 13)))
    assert "a.png: is 12 x 8 pixels, its image 13 x 8: give labels of the image's own size" in said


def test_a_mask_of_all_nuclei_has_one_label_in_many_pieces(tmp_path: Path) -> None:
    mask = np.zeros((8, 12), np.uint8)
    mask[1:3, 1:3] = mask[5:7, 5:7] = 255
    cv2.imwrite(str(tmp_path / "a.png"), mask)
    assert outlines(tmp_path / "a.png").max() == 255  # a nucleus may be cut in two
    mask[1:3, 8:10] = 255
    cv2.imwrite(str(tmp_path / "a.png"), mask)
    assert "like a mask of all nuclei" in reported(lambda: read_annotations(tmp_path / "a.png"))


def test_a_mask_of_types_has_labels_of_many_pieces(tmp_path: Path) -> None:
    mask = np.zeros((40, 40), np.uint8)
    for number, (y, x) in enumerate((y, x) for y in range(1, 40, 6) for x in range(1, 40, 6)):
        mask[y : y + 3, x : x + 3] = 1 + number % 4
    cv2.imwrite(str(tmp_path / "a.png"), mask)
    assert "like a mask of all nuclei or of their types" in reported(lambda: read_annotations(tmp_path / "a.png"))


def test_large_numbers_are_made_small(tmp_path: Path) -> None:
    labels = square().astype(np.uint32)
    labels[0, 0] = 1_999_999_999
    tifffile.imwrite(tmp_path / "a.tif", labels)
    read = outlines(tmp_path / "a.tif")
    assert read.max() == 2
    assert np.array_equal(read > 0, labels > 0)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_labels_of_another_size_are_refused_before_they_are_unpacked(tmp_path: Path, kind: str, monkeypatch) -> None:
    """Heads of files that would take 4 gigabytes; there is hardly anything after them."""
    path = tmp_path / f"a.{kind}"
    if kind == "png":
        head = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 50_000, 16, 0, 0, 0, 0)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)))
    else:
        tifffile.imwrite(path, np.ones((5, 4), np.uint16), metadata=None)
        with tifffile.TiffFile(path, mode="r+") as file:
            for name, length in (("ImageLength", 50_000), ("ImageWidth", 40_000)):
                file.pages[0].tags[name].overwrite(length)
    monkeypatch.setattr("tifffile.imread", lambda *_: pytest.fail("was unpacked"))
    monkeypatch.setattr("cv2.imread", lambda *_: pytest.fail("was unpacked"))
    assert "is 40000 x 50000 pixels, its image 12 x 8" in reported(lambda: read_annotations(path, (8, 12)))
    assert "40000 x 50000 pixels, more than any annotated image" in reported(lambda: read_annotations(path))


def test_labels_of_several_planes_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((3, 8, 12), np.uint8), photometric="minisblack")
    tifffile.imwrite(tmp_path / "a.png", np.ones((8, 12), np.uint8))
    monkeypatch.setattr("tifffile.imread", lambda *_: pytest.fail("was unpacked"))
    monkeypatch.setattr("cv2.imread", lambda *_: pytest.fail("was unpacked"))
    for name in ("a.tif", "a.png"):
        assert "is not a label image" in reported(lambda name=name: read_annotations(tmp_path / name, (8, 12)))


def test_labels_that_are_not_there(tmp_path: Path) -> None:
    assert "can't be read (No such file or directory)" in reported(lambda: read_annotations(tmp_path / "a.png"))


def test_an_unknown_kind_of_file(tmp_path: Path) -> None:
    assert "is not a known kind of labels: they end in .png, " in reported(lambda: read_annotations(tmp_path / "a.xml"))


# GeoJSON


@pytest.mark.parametrize(
    "content",
    [
        {"type": "FeatureCollection", "features": [feature("Polygon", [SQUARE])]},
        [feature("Polygon", [SQUARE])],
        feature("Polygon", [SQUARE, HOLE], name="Tumor"),
        {"type": "MultiPolygon", "coordinates": [[SQUARE]]},
        feature(
            "Polygon", [[[0, 0], [9, 0], [9, 7], [0, 0]]], nucleusGeometry={"type": "Polygon", "coordinates": [SQUARE]}
        ),
    ],
)
def test_polygons_as_qupath_and_others_write_them(content: Any, tmp_path: Path) -> None:
    assert np.array_equal(outlines(write(tmp_path / "a.geojson", content)), square())


def test_each_part_of_a_multipolygon_is_a_nucleus_and_gets_room(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [feature("MultiPolygon", [[SQUARE], [FAR]])])
    labels = outlines(path, None)
    assert labels.shape == (8, 10)
    assert (labels == 1).sum() == 9
    assert (labels == 2).sum() == 4


@pytest.mark.parametrize("first", [True, False])
def test_the_annotation_around_nuclei_is_no_nucleus(first: bool, tmp_path: Path) -> None:
    def box(x: float, y: float, side: float) -> dict[str, Any]:
        ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
        return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}

    nuclei = [box(10 * number, 5, 6) for number in range(4)]
    path = write(tmp_path / "a.geojson", json.dumps(nuclei))
    assert outlines(path, (40, 40)).max() == 4
    around = box(0, 0, 38)
    write(path, json.dumps([around, *nuclei] if first else [*nuclei, around]))
    said = reported(lambda: read_annotations(path, (40, 40)))
    assert "the polygon that begins at x 0, y 0 encloses 4 others: export the nuclei without the annotation" in said


def test_points_of_qupath_have_the_class_as_their_type(tmp_path: Path) -> None:
    content = [
        feature("Point", [1.25, 2], "Tumor"),
        feature("MultiPoint", [[3, 4], [12, 8]], "Immune cells"),
        feature("Point", [0, 0]),
    ]
    found = points(write(tmp_path / "a.geojson", content))
    assert found.xy.tolist() == [[1.25, 2], [3, 4], [12, 8], [0, 0]]
    assert found.types == ("Tumor", "Immune cells", "Immune cells", "")
    assert points(write(tmp_path / "a.geojson", content[-1:])).types is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{not json", "a.geojson: is not GeoJSON"),
        ("[" * 100_000, "a.geojson: is not GeoJSON"),
        ("3", "a.geojson: is not GeoJSON of polygons or points"),
        ([{"shapes": []}], "a.geojson, feature 1: holds an invalid geometry"),
        ([feature("Polygon", [SQUARE]), feature("Polygon", ["x"])], "feature 2: holds an invalid geometry"),
        ([feature("Polygon", [])], "feature 1: holds a geometry without coordinates"),
        ('[{"type": "Point", "coordinates": [NaN, 1]}]', "feature 1: holds a geometry without coordinates"),
        ([feature("LineString", SQUARE)], "feature 1: holds a LineString, expected polygons or points"),
        ([feature("Polygon", [SQUARE]), feature("Point", [1, 1])], "holds both polygons and points"),
        (
            [feature("Point", [1, 1]), feature("Point", [13, 1])],
            "1 of 2 points lie outside the image, which is 12 x",
        ),
        ([feature("Polygon", [[[20, 1], [22, 1], [22, 3], [20, 1]]])], "1 of 1 polygons lie outside"),
    ],
)
def test_damaged_geojson(content: Any, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.geojson", content)
    said = reported(lambda: read_annotations(path, (8, 12)))
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_nucleus_may_reach_beyond_the_image(tmp_path: Path) -> None:
    path = write(tmp_path / "a.geojson", [feature("Polygon", [[[-2, -2], [2, -2], [2, 2], [-2, 2], [-2, -2]]])])
    assert outlines(path).sum() == 4


# Tables of points


def test_whole_numbers_are_pixels_whose_middles_count(tmp_path: Path) -> None:
    found = points(write(tmp_path / "a.tsv", "x\ty\ttype\n3\t5\ttumor\n11\t7\t\n"))
    assert found.xy.tolist() == [[3.5, 5.5], [11.5, 7.5]]
    assert found.types == ("tumor", "")


def test_other_numbers_are_coordinates(tmp_path: Path) -> None:
    found = points(write(tmp_path / "a.csv", "\ufeffid,y,x\n1,5,3.0\n2,7.5,12\n"))
    assert found.xy.tolist() == [[3, 5], [12, 7.5]]
    assert found.types is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a\tb\n1\t2\n", "the column 'x' is missing"),
        ("x\ty\n1\t2\n1\tb\n", "a.tsv, line 3: y is 'b', expected a number of pixels"),
        ("x\ty\n1\n", "a.tsv, line 2: y is '', expected a number"),
        ("x\ty\nnan\t2\n", "x is 'nan'"),
        ("x\ty\n1\t2\t3\n", "line 2: has 3 cells, the header has 2"),
        ("x\ty\n1\t2\n12\t2\n", "1 of 2 points lie outside the image, which is 12 x 8 pixels, the first at x 12.5"),
        ("x\ty\n-0.5\t2\n", "1 of 1 points lie outside"),
    ],
)
def test_damaged_tables_of_points(text: str, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", text)
    assert sentence in reported(lambda: read_annotations(path, (8, 12)))


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"x\ty\n\xff\xfe\n")
    assert "a.tsv: is not text in UTF-8" in reported(lambda: read_annotations(tmp_path / "a.tsv"))
    assert "b.csv: cannot be read (No such file" in reported(lambda: read_annotations(tmp_path / "b.csv"))


# Sheets and folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one/a.png", "one/b.png", "two/a.png", "labels/a.png", "labels/b.tsv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_sheet_lists_images_with_their_labels(folder: Path) -> None:
    text = (
        "image\tlabels\tmpp\tpatient\tshare\tsite\n"
        "one/a.png\tlabels/a.png\t0.25\tP1\t2\tGent\n"
        "# left out\n"
        f"{folder}/one/b.png\tlabels/b.tsv\t0.5\n"
        "two/a.png\tlabels/a.png\t0.25\n"
    )
    assert read_sheet(write(folder / "sheet.tsv", text)) == [
        Annotated("one/a.png", folder / "one/a.png", folder / "labels/a.png", 0.25, "P1", 2.0),
        Annotated("b", folder / "one/b.png", folder / "labels/b.tsv", 0.5),
        Annotated("two/a.png", folder / "two/a.png", folder / "labels/a.png", 0.25),
    ]


def test_all_mistakes_of_a_sheet_are_told_at_once(folder: Path) -> None:
    text = (
        "image,labels,mpp,share\n"
        "one/a.png,labels/a.png,0.25,1\n"
        "one/c.png,labels/c.png,0.25,1\n"
        "one/../one/a.png,labels/a.png,half,1\n"
        ",labels/a.png,20,-1\n"
        f"{'x' * 300}.png,sheet.xml,0.5,1\n"
    )
    write(folder / "sheet.xml", "")
    said = reported(lambda: read_sheet(write(folder / "sheet.csv", text))).splitlines()
    expected = [
        "line 3: the file ",
        "line 3: the file ",
        "line 4: the image one/../one/a.png is already in line 2",
        "line 4: mpp 'half' is not a plausible number of micrometers per pixel, expected 0.05 to 2",
        "line 5: names no image",
        "line 5: mpp '20' is not a plausible",
        "line 5: share '-1' is not a number above 0",
        "line 6: the file ",
        "line 6: the labels sheet.xml are not of a known kind",
    ]
    assert len(said) == len(expected)
    for line, sentence in zip(said, expected, strict=True):
        assert line.startswith(f"{folder / 'sheet.csv'}, {sentence}")


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("image\tmpp\tmpp\n", ["the column 'labels' is missing", "the column 'mpp' appears twice"]),
        ("", ["the column 'image' is missing", "the column 'labels' is missing", "the column 'mpp' is missing"]),
        ("image\tlabels\tmpp\n", ["lists no images"]),
    ],
)
def test_a_sheet_without_columns_or_lines(text: str, sentences: list[str], tmp_path: Path) -> None:
    path = write(tmp_path / "sheet.tsv", text)
    assert reported(lambda: read_sheet(path)).splitlines() == [f"{path}: {sentence}" for sentence in sentences]


def test_columns_nearly_named_as_one_that_is_known_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "sheet.tsv", "image path\tlabels\tmpp\tPatient_ID\tShare\tsite\n")
    assert reported(lambda: read_sheet(path)).splitlines() == [
        f"{path}: the column '{name}' is not known: did you mean '{meant}'? Rename it"
        for name, meant in (("image path", "image"), ("Patient_ID", "patient"), ("Share", "share"))
    ]


def test_a_sheet_as_excel_writes_it_with_names_as_another_system_does(tmp_path: Path) -> None:
    names = [unicodedata.normalize("NFD", name) for name in ("é.png", "é labels.png")]
    for name in names:
        (tmp_path / name).touch()
    path = tmp_path / "sheet.txt"
    path.write_bytes("sep=;\r\nimage;labels;mpp\r\né.png;é labels.png;0.25\r\n".encode("utf-16"))
    assert read_sheet(path) == [Annotated("é", tmp_path / names[0], tmp_path / names[1], 0.25)]


def test_folders_are_matched_by_name(folder: Path) -> None:
    (folder / "one" / "images.tsv").touch()
    (folder / "one" / ".hidden.png").touch()
    assert match(folder / "one", folder / "labels", 0.25) == [
        Annotated("a", folder / "one/a.png", folder / "labels/a.png", 0.25),
        Annotated("b", folder / "one/b.png", folder / "labels/b.tsv", 0.25),
    ]


def test_labels_may_lie_beside_their_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "a.geojson").touch()
    assert match(tmp_path, tmp_path, 0.5) == [Annotated("a", tmp_path / "a.png", tmp_path / "a.geojson", 0.5)]


def test_folders_that_do_not_match(folder: Path) -> None:
    assert "no labels for 1 of 2, the first is 'b'" in reported(lambda: match(folder / "one", folder / "two", 0.5))
    assert "there are no images" in reported(lambda: match(folder, folder, 0.5))
    assert "mpp '25' is not a plausible number" in reported(lambda: match(folder / "one", folder / "labels", 25))
    (folder / "one" / "a.jpg").touch()
    assert "there are several images named 'a'" in reported(lambda: match(folder / "one", folder / "labels", 0.5))


@pytest.mark.parametrize("far", [3e4, 1e12])
def test_a_polygon_beyond_any_image_is_refused_where_its_size_is_not_known(far: float, tmp_path: Path) -> None:
    polygon = {"type": "Polygon", "coordinates": [[[0, 0], [far, 0], [far, far], [0, 0]]]}
    (tmp_path / "a.geojson").write_text(json.dumps(polygon))
    with pytest.raises(RefusalError, match=r"holds a polygon that reaches to x .*, beyond any annotated image"):
        read_annotations(tmp_path / "a.geojson")


def test_outlines_are_points_at_their_centroids_with_their_types(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    hidden = [[3, 2], [4, 2], [4, 3], [3, 3], [3, 2]]
    shapes = [feature("Polygon", [SQUARE], "Tumor"), feature("Polygon", [hidden], "Stroma"), feature("Polygon", [FAR])]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": shapes}))
    found = read_annotations(path, (8, 12))
    assert isinstance(found, Outlines)
    assert found.types == ("Tumor", "Stroma", "")
    marked = found.points()
    assert marked.xy.tolist() == [[3.5, 2.5], [9.0, 7.0]], "the second lies in the first, which keeps its pixels"
    assert marked.types == ("Tumor", "")


def test_labels_without_types_are_points_without() -> None:
    marked = Outlines(square()).points()
    assert (marked.xy.tolist(), marked.types) == ([[3.5, 2.5]], None)
    assert Outlines(np.zeros((4, 4), np.int32)).points().xy.shape == (0, 2)
