"""The file of the maps: readable by Zarr as it is, equal for equal maps, without chunks of background."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from pathopipe.errors import ArtifactError
from pathopipe.ops.workspace import Workspace
from pathopipe.results.maps import chunks, open_maps, write_maps

SIDE = 16
CHANNELS = ("foreground", "barrier", "type_epithelial")


@pytest.fixture(scope="module")
def maps() -> np.ndarray:
    found = np.random.default_rng(2).integers(0, 255, (2, 70, 50), np.uint8)
    found[:, 16:48, 16:] = 0
    return found


def write(path: Path, maps: np.ndarray, step: int) -> None:
    """Write the maps piece by piece, each of ``step`` pixels a side."""
    _, height, width = maps.shape
    stored = dict[str, np.ndarray]()
    for y in range(0, height, step):
        for x in range(0, width, step):
            stored |= chunks(maps[:, y : y + step, x : x + step], (y, x), SIDE)
    ordered = ((name, data.tobytes()) for name, data in sorted(stored.items()))
    write_maps(path, CHANNELS[: len(maps)], (height, width), SIDE, ordered)


def test_zarr_reads_what_was_written(maps: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "maps.zarr.zip", maps, 32)
    with open_maps(tmp_path / "maps.zarr.zip") as found:
        assert (found.channels, found.height, found.width) == (("foreground", "barrier"), 70, 50)
        for name, image in found.read(("barrier", "foreground"), 0, 0, 70, 50).items():
            np.testing.assert_array_equal(image, maps[("foreground", "barrier").index(name)])
    with zarr.storage.ZipStore(tmp_path / "maps.zarr.zip", mode="r") as store:
        array = zarr.open_array(store, mode="r")
        np.testing.assert_array_equal(array[:, 60:, 40:], maps[:, 60:, 40:])
        assert dict(array.attrs) == {"channels": ["foreground", "barrier"], "scale": 1 / 255}
        assert array.metadata.dimension_names == ("channel", "y", "x")


def test_a_map_is_found_by_its_name_beside_any_others(maps: np.ndarray, tmp_path: Path) -> None:
    third = np.random.default_rng(3).integers(0, 255, (1, 70, 50), np.uint8)
    write(tmp_path / "maps.zarr.zip", np.concatenate([maps, third]), 32)
    with open_maps(tmp_path / "maps.zarr.zip") as found:
        assert found.channels == CHANNELS
        image = found.read(["type_epithelial"], 10, 5, 60, 40)
        assert list(image) == ["type_epithelial"]
        np.testing.assert_array_equal(image["type_epithelial"], third[0, 10:60, 5:40])
        with pytest.raises(KeyError, match="distance"):
            found.read(["distance"], 0, 0, 1, 1)


def test_background_is_read_into_used_memory(maps: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "maps.zarr.zip", maps, 32)
    workspace = Workspace()
    with open_maps(tmp_path / "maps.zarr.zip") as found:
        for y0, x0, y1, x1 in ((0, 0, 70, 50), (15, 20, 49, 50), (16, 16, 40, 33)):
            for name, image in found.read(CHANNELS[:2], y0, x0, y1, x1, workspace).items():
                np.testing.assert_array_equal(image, maps[CHANNELS.index(name), y0:y1, x0:x1])


def test_pieces_change_no_byte_and_background_takes_no_room(maps: np.ndarray, tmp_path: Path) -> None:
    for step in (16, 32, 48, 80):
        write(tmp_path / f"{step}.zip", maps, step)
    assert len({(tmp_path / f"{step}.zip").read_bytes() for step in (16, 32, 48, 80)}) == 1
    with zipfile.ZipFile(tmp_path / "16.zip") as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert len(names) == 5 * 4 - 2 * 3 + 1


def test_maps_without_chunks_are_valid(tmp_path: Path) -> None:
    write_maps(tmp_path / "maps.zarr.zip", ("foreground",), (1, 1), SIDE, ())
    with open_maps(tmp_path / "maps.zarr.zip") as found:
        assert found.read(["foreground"], 0, 0, 1, 1)["foreground"].tolist() == [[0]]


def rewritten(path: Path, change) -> None:
    """Change the members of a zip, with checksums that are right again."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "edit",
    [
        lambda chunk: chunk[:12] + (2**31 - 1).to_bytes(4, "little") + (2**30).to_bytes(4, "little") + chunk[20:],
        lambda chunk: chunk[:2] + bytes([chunk[2] | 2]) + chunk[3:12] + (528).to_bytes(4, "little"),
        lambda chunk: chunk[:8],
        lambda chunk: b"",
    ],
    ids=["length", "copied", "head", "nothing"],
)
def test_a_chunk_that_lies_about_its_length_is_not_unpacked(maps: np.ndarray, tmp_path: Path, edit) -> None:
    """Blosc believes its own head: it would read beyond the chunk. The checksums of the zip are right."""
    path = tmp_path / "maps.zarr.zip"
    write(path, maps, 32)
    rewritten(path, lambda members: members.update({"c/0/0/0": edit(members["c/0/0/0"])}))
    with open_maps(path) as found, pytest.raises(ArtifactError, match="is damaged: delete it and run again"):
        found.read(["foreground"], 0, 0, 16, 16)


def chunk_shape(side):
    return lambda described: described["chunk_grid"]["configuration"].update(chunk_shape=[2, side, side])


@pytest.mark.parametrize(
    "edit",
    [
        *(chunk_shape(side) for side in (-16, 0, 16.0, True, "16", None, 2**20)),
        *(
            lambda described, shape=shape: described.update(shape=shape)
            for shape in ([2, 70.0, 50], [2, 70], [2, 70, 50, 1], [3, 70, 50], [2, 0, 50], None)
        ),
        *(
            lambda described, channels=channels: described["attributes"].update(channels=channels)
            for channels in ("ab", [1, 2], [[1], [2]], [{}, "foreground"], ["a", "a"], {"a": 1, "b": 2}, ["a"], None)
        ),
        lambda described: described.update(codecs=[1, 2]),
        lambda described: described.update(data_type="float64"),
        lambda described: described["chunk_key_encoding"]["configuration"].update(separator="."),
    ],
)
def test_maps_that_are_described_otherwise_are_not_opened(maps: np.ndarray, tmp_path: Path, edit) -> None:
    path = tmp_path / "maps.zarr.zip"
    write(path, maps, 32)

    def change(members: dict[str, bytes]) -> None:
        described = json.loads(members["zarr.json"])
        edit(described)
        members["zarr.json"] = json.dumps(described).encode()

    rewritten(path, change)
    with pytest.raises(ArtifactError, match="is damaged: delete it and run again"), open_maps(path):
        pytest.fail("was opened")


def test_members_that_need_much_memory_are_not_read(maps: np.ndarray, tmp_path: Path) -> None:
    def lengthen(members: dict[str, bytes]) -> None:
        members["zarr.json"] += b" " * 10**6

    for number, change in enumerate((lambda members: members.update({"n" * 65_000: b""}), lengthen)):
        path = tmp_path / f"{number}.zip"
        write(path, maps, 32)
        rewritten(path, change)
        with pytest.raises(ArtifactError, match="is damaged: delete it and run again"), open_maps(path):
            pytest.fail("was opened")


def test_a_damaged_chunk_is_not_read(maps: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "maps.zarr.zip"
    write(path, maps, 32)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("c/0/0/0").header_offset + 100
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with open_maps(path) as found:
        np.testing.assert_array_equal(found.read(["barrier"], 48, 0, 70, 50)["barrier"], maps[1, 48:])
        with pytest.raises(ArtifactError, match="is damaged: delete it and run again"):
            found.read(["foreground"], 0, 0, 16, 16)
