"""Files of nuclei as they come, hostile and damaged ones too: outlines, or a sentence."""

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import tifffile

from pathopipe.annotations.own import base
from pathopipe.annotations.own.base import Batch, Frame, Tally
from pathopipe.annotations.own.reading import read_own_nuclei
from pathopipe.errors import SlideRejectedError

FRAME = Frame(400, 300, (0.0, 0.0), 100.0)
DISCS = [shapely.Point(10 * number + 10, 50).buffer(4) for number in range(20)]
SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20], [10, 10]]


def read(path: Path, content: bytes | None = None, frame: Frame = FRAME) -> tuple[list[Batch], Tally]:
    tally = Tally()
    if content is not None:
        path.write_bytes(content)
    return list(read_own_nuclei(path, frame, "nuclei", tally)), tally


def told(path: Path, content: bytes | None = None) -> str:
    with pytest.raises(SlideRejectedError) as error:
        read(path, content)
    return str(error.value)


def table(**columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"geometry": shapely.to_wkb(DISCS)} | columns), out)
    return out.getvalue()


def polygon(points: Any, name: str = "") -> dict[str, Any]:
    about = {"objectType": "detection"} | ({"classification": {"name": name}} if name else {})
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [points]}, "properties": about}


def test_rows_of_a_table_are_numbered_across_its_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathopipe.annotations.own.geoparquet.PER_BATCH", 3)
    batches, tally = read(tmp_path / "a.parquet", table())
    assert np.concatenate([batch.numbers for batch in batches]).tolist() == list(range(20))
    assert tally.found == 20


def test_a_table_of_several_slides_is_not_that_of_one(tmp_path: Path) -> None:
    batches, _ = read(tmp_path / "one.parquet", table(slide=["a"] * 20))
    assert sum(map(len, batches)) == 20
    assert "holds nuclei of several slides: export this slide alone, with --only" in told(
        tmp_path / "two.parquet", table(slide=["a"] * 10 + ["b"] * 10)
    )


def test_a_damaged_table_rejects_the_slide(tmp_path: Path) -> None:
    whole = table(type=["epithelial"] * 20)
    damaged = [whole[:1000] + b"\xff" * 1000 + whole[2000:], whole.replace(b"epithelial", b"epith\xe3lial")]
    for content in damaged:
        assert "is no readable GeoParquet: copy or export it again" in told(tmp_path / "a.parquet", content)


def test_numbers_beyond_all_measure_are_no_geometry(tmp_path: Path) -> None:
    huge = json.dumps([polygon(SQUARE), polygon([[10**400, 1], [1, 2], [3, 4]])]).encode()
    others = b",".join(
        json.dumps(polygon(SQUARE)).replace("[10, 10]", points).encode()
        for points in ("[1e999, 1]", "[NaN, 1]", "[-Infinity, 1]", '["a", 1]', "[{}, 1]", "[null, 1]")
    )
    batches, tally = read(tmp_path / "a.geojson", huge[:-1] + b"," + others + b"]")
    assert (sum(map(len, batches)), tally.found) == (1, 8)
    assert tally.left_out["have no valid geometry"] == 7


@pytest.mark.parametrize("name", ["\ud800", "a" * 10_000, "two\nlines\t\x1b[31m"])
def test_names_of_classes_are_told_as_short_printable_text(tmp_path: Path, name: str) -> None:
    _, tally = read(tmp_path / "a.geojson", json.dumps([polygon(SQUARE, f"Blob {name}")]).encode())
    (shown,) = tally.unknown
    assert shown.startswith("Blob")
    assert shown.isprintable()
    assert len(shown.encode()) <= 100


def test_labels_larger_than_numbers_go_are_refused(tmp_path: Path) -> None:
    labels = np.zeros((300, 400), np.uint64)
    labels[10:20, 10:20] = 4_000_000_000
    tifffile.imwrite(tmp_path / "a.tif", labels)
    assert read(tmp_path / "a.tif")[0][0].numbers.tolist() == [4_000_000_000]
    labels[labels > 0] = 2**64 - 1
    tifffile.imwrite(tmp_path / "a.tif", labels)
    assert "is not a label image" in told(tmp_path / "a.tif")


def test_of_a_stack_it_is_not_known_which_image_counts_and_of_a_pyramid_it_is(tmp_path: Path) -> None:
    labels = np.zeros((300, 400), np.uint16)
    labels[10:20, 10:20] = 7
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([labels, labels]), photometric="minisblack")
    assert "is not a label image: give one channel" in told(tmp_path / "stack.tif")
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as out:
        out.write(labels)
        out.write(np.ascontiguousarray(labels[::2, ::2]))
    assert read(tmp_path / "pyramid.tif")[0][0].numbers.tolist() == [7]


def _broken(tag: int, value: int) -> bytes:
    """A TIFF of which the value of a tag was overwritten."""
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((300, 400), np.uint16), tile=(64, 64), compression="zlib")
    out.seek(0)
    with tifffile.TiffFile(out) as file:
        place = file.pages.first.tags[tag].valueoffset
    content = bytearray(out.getvalue())
    content[place : place + 2] = value.to_bytes(2, "little")
    return bytes(content)


@pytest.mark.parametrize(("tag", "value"), [(256, 0), (257, 0), (322, 0), (325, 1), (258, 7)])
def test_a_tiff_with_a_broken_header_rejects_the_slide(tmp_path: Path, tag: int, value: int) -> None:
    assert told(tmp_path / "a.tif", _broken(tag, value)).startswith("the file in the column 'nuclei' is ")


def test_of_a_tiff_that_is_not_packed_only_windows_are_in_memory(tmp_path: Path) -> None:
    labels = np.zeros((6000, 6000), np.uint32)
    cv2.circle(labels.view(np.int32), (3000, 3000), 9, 5, -1)
    tifffile.imwrite(tmp_path / "a.tif", labels)
    frame = Frame(6000, 6000, (0.0, 0.0), 100.0)
    read(tmp_path / "a.tif", None, frame)  # compiled
    tracemalloc.start()
    batches, _ = read(tmp_path / "a.tif", None, frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batches[0].numbers.tolist() == [5]
    assert peak < labels.nbytes


def test_a_packed_tiff_in_one_piece_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pathopipe.annotations.own.label_image._MOST_UNPACKED", 1000)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((300, 400), np.uint16), compression="zlib", rowsperstrip=300)
    assert "is packed in pieces of 400 x 300 pixels, too large to unpack: write it in tiles" in told(tmp_path / "a.tif")


def test_a_machine_that_fails_rejects_no_slide(tmp_path: Path) -> None:
    for error in (OSError(5, "Input/output error"), MemoryError()):
        with pytest.raises(type(error)), base.readable("nuclei", "is damaged"):
            raise error
