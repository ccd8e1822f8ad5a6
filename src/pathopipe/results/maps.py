"""The file of the dense maps: a Zarr array in a zip that `detect` writes piece by piece and `segment` reads by name.

Zarr's own zip store stamps the clock and is written as one; here chunks are compressed where they are made, and stored
under sorted names and a fixed date, so that equal maps are equal files.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from pathopipe.ops.channels import STEPS, Channels
from pathopipe.ops.workspace import Workspace
from pathopipe.results.documents import damaged, reading

_CODEC: Final = blosc.Blosc("lz4", clevel=9, shuffle=blosc.NOSHUFFLE)
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_DESCRIPTION: Final = "zarr.json"
_LONGEST: Final = 2**16
"""Bytes of the description."""
_LARGEST: Final = 2**26
"""Bytes of an unpacked chunk."""
_OVERHEAD: Final = 16
"""Bytes that Blosc adds to what it can't pack."""
_LONGEST_NAME: Final = 64
"""Bytes of a member's name."""

# Its own threads finish blocks in any order, and with them the bytes would depend on chance.
blosc.use_threads = False


def chunks(maps: NDArray[np.uint8], origin: tuple[int, int], side: int) -> dict[str, NDArray[np.uint8]]:
    """Compress a piece of the maps.

    Parameters
    ----------
    maps
        (C, H, W).
    origin
        Row and column of its first pixel, multiples of ``side``.
    side
        Side of a chunk; one that reaches beyond ``maps`` is filled up by zeros.

    Returns
    -------
    Compressed bytes, uint8 (n,), by the name of the chunk in the store; chunks of zeros are left out.
    """
    found = {}
    for top in range(0, maps.shape[1], side):
        for left in range(0, maps.shape[2], side):
            part = maps[:, top : top + side, left : left + side]
            if part.any():
                whole = np.zeros((len(maps), side, side), np.uint8)
                whole[:, : part.shape[1], : part.shape[2]] = part
                name = _chunk_name((origin[0] + top) // side, (origin[1] + left) // side)
                found[name] = np.frombuffer(_CODEC.encode(whole), np.uint8)
    return found


def write_maps(
    path: Path, channels: Sequence[str], size: tuple[int, int], side: int, stored: Iterable[tuple[str, bytes]]
) -> None:
    """Write the maps of a slide.

    Parameters
    ----------
    channels
        Names of the maps, in the order that the chunks hold them in.
    size
        Height and width in pixels of the maps' grid.
    side
        Side of a chunk.
    stored
        Names and bytes of the chunks, sorted by name.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in stored:
            archive.writestr(zipfile.ZipInfo(name, _DATE), data)
        archive.writestr(zipfile.ZipInfo(_DESCRIPTION, _DATE), _describe(channels, size, side))


@dataclass(frozen=True)
class _Shape:
    """What the description of the maps says: their names, height and width, and the side of a chunk."""

    channels: tuple[str, ...]
    height: int
    width: int
    side: int


class Maps:
    """The maps of a slide, for reading; threads may share them.

    Chunks are read and unpacked by the thread that asks for them: Zarr has threads of its own, which all wait for one.

    Attributes
    ----------
    channels
        Names of the maps.
    height, width
        Size in pixels of their grid.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._members = path, _Members(archive, path.stat().st_size)
        description = self._members.find(_DESCRIPTION, _LONGEST)
        if description is None:
            raise ValueError("has no description")
        self._shape = _understood(description)
        self.channels, self.height, self.width = self._shape.channels, self._shape.height, self._shape.width

    def check_size(self, width: int, height: int) -> None:
        """Go on only if these are maps of a slide whose maps are of this size.

        Raises
        ------
        ArtifactError
            When they are not.
        """
        if (self.width, self.height) != (width, height):
            raise damaged(self._path)

    def read(
        self, names: Iterable[str], y0: int, x0: int, y1: int, x1: int, workspace: Workspace | None = None
    ) -> Channels:
        """Read rows ``y0`` to ``y1`` and columns ``x0`` to ``x1`` of the maps of these names.

        With a workspace, they are in memory of it, and stay what they are until it is read into again.

        Raises
        ------
        KeyError
            When there is no map of a name: ask `channels` first.
        ArtifactError
            When the file is damaged.
        """
        known = {name: place for place, name in enumerate(self.channels)}
        places = {name: known[name] for name in names}
        memory, shape, side = workspace or Workspace(), (y1 - y0, x1 - x0), self._shape.side
        found = {name: memory.array(f"map {name}", prod(shape), np.uint8).reshape(shape) for name in places}
        room = memory.array("chunk", len(self.channels) * side**2, np.uint8).reshape(-1, side, side)
        for row in range(y0 // side, -(-y1 // side)):
            for column in range(x0 // side, -(-x1 // side)):
                with reading(self._path):
                    if not self._unpack(row, column, room):
                        room[:] = 0
                # All channels of a place lie in one chunk.
                top, left = max(y0, row * side), max(x0, column * side)
                bottom, right = min(y1, (row + 1) * side), min(x1, (column + 1) * side)
                inner = np.s_[top - row * side : bottom - row * side, left - column * side : right - column * side]
                for name, place in places.items():
                    found[name][top - y0 : bottom - y0, left - x0 : right - x0] = room[place][inner]
        return found

    def _unpack(self, row: int, column: int, room: NDArray[np.uint8]) -> bool:
        """Unpack a chunk (C, side, side); False where there is none, which is background."""
        packed = self._members.find(_chunk_name(row, column), room.size + _OVERHEAD)
        if packed is None:
            return False
        # What it unpacks to, and its own length, as Blosc notes them and believes them.
        noted = [int.from_bytes(packed[at : at + 4], "little") for at in (4, 12)]
        if noted != [room.size, len(packed)]:
            raise ValueError("a chunk is of another size than it should be")
        _CODEC.decode(packed, room)
        return True


@contextmanager
def open_maps(path: Path) -> Iterator[Maps]:
    """Open the maps of a slide.

    Raises
    ------
    ArtifactError
        When they are missing or damaged.
    """
    with reading(path):
        archive = zipfile.ZipFile(path)
    with archive:
        with reading(path):
            maps = Maps(path, archive)
        yield maps


class _Members:
    """Members of a zip that are stored as they are, without an object for each of them."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive = archive
        members = sorted(archive.infolist(), key=lambda member: member.filename)
        names = [member.filename.encode() for member in members]
        if max(map(len, names), default=0) > _LONGEST_NAME:
            raise ValueError("has a member with a long name")
        self._names = np.array(names)
        places = [(member.header_offset, member.file_size, member.CRC) for member in members]
        self._places = np.array(places, np.int64).reshape(-1, 3)
        archive.filelist.clear()
        archive.NameToInfo.clear()
        if (self._places[:, 1] > size - self._places[:, 0]).any():
            raise ValueError("members reach beyond the end of the file")

    def find(self, name: str, longest: int) -> bytes | None:
        """Read a member, whose checksum is verified; None where there is none.

        Raises
        ------
        ValueError
            When it has more than ``longest`` bytes.
        """
        index = int(np.searchsorted(self._names, name.encode()))
        if index == len(self._names) or self._names[index] != name.encode():
            return None
        member = zipfile.ZipInfo(name)
        member.header_offset, member.file_size, member.CRC = self._places[index].tolist()
        member.compress_size = member.file_size
        if member.file_size > longest:
            raise ValueError(f"{name} is too long")
        return self._archive.read(member)


def _chunk_name(row: int, column: int) -> str:
    return f"c/0/{row}/{column}"


def _understood(description: bytes) -> _Shape:
    """Read the description of an array such as `_describe` describes.

    Raises
    ------
    ValueError
        When it is described otherwise.
    """
    found = json.loads(description)
    names, (count, height, width) = found["attributes"]["channels"], found["shape"]
    grid, (bytes_codec, codec) = found["chunk_grid"], found["codecs"]
    side = grid["configuration"]["chunk_shape"][-1]
    told = (
        *(found[key] for key in ("zarr_format", "node_type", "data_type", "fill_value")),
        (found["chunk_key_encoding"]["name"], found["chunk_key_encoding"]["configuration"]["separator"]),
        (grid["name"], grid["configuration"]["chunk_shape"]),
        (bytes_codec["name"], codec["name"]),
        count,
    )
    if told != (
        3,
        "array",
        "uint8",
        0,
        ("default", "/"),
        ("regular", [count, side, side]),
        ("bytes", "blosc"),
        len(names),
    ):
        raise ValueError("is described otherwise")
    lengths = (count, height, width, side)
    if not all(type(length) is int and 0 < length < 2**31 for length in lengths) or count * side**2 > _LARGEST:
        raise ValueError("has chunks of an impossible size")
    if type(names) is not list or not all(type(name) is str for name in names) or len(set(names)) < count:
        raise ValueError("has maps without names of their own")
    return _Shape(tuple(names), height, width, side)


def _describe(channels: Sequence[str], size: tuple[int, int], side: int) -> bytes:
    """Let Zarr write its description of such an array."""
    # Half a second, which reading does without.
    import zarr
    import zarr.codecs
    import zarr.storage

    written = dict[str, Any]()
    zarr.create_array(
        store=zarr.storage.MemoryStore(written),
        shape=(len(channels), *size),
        chunks=(len(channels), side, side),
        dimension_names=("channel", "y", "x"),
        dtype="uint8",
        fill_value=0,
        attributes={"channels": list(channels), "scale": 1 / STEPS},
        compressors=zarr.codecs.BloscCodec(cname="lz4", clevel=9, shuffle="noshuffle"),
    )
    content: bytes = written["zarr.json"].to_bytes()
    return content
