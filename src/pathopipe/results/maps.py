"""The file of the dense maps: a Zarr array in a zip that `detect` writes piece by piece and `segment` reads by name.

Zarr's own zip store stamps the clock and is written as one; here chunks are compressed where they are made, and stored
under sorted names and a fixed date, so that equal maps are equal files.
"""

import json
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import zarr
import zarr.abc.store
import zarr.codecs
import zarr.storage
from numcodecs import blosc
from numpy.typing import NDArray

from pathopipe.ops.channels import STEPS, Channels
from pathopipe.results.documents import damaged, reading

_CODEC: Final = blosc.Blosc("lz4", clevel=9, shuffle=blosc.NOSHUFFLE)
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_DESCRIPTION: Final = "zarr.json"
_LONGEST: Final = 2**16
"""Bytes of the description."""
_LARGEST: Final = 2**26
"""Bytes of an unpacked chunk."""

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
                name = f"c/0/{(origin[0] + top) // side}/{(origin[1] + left) // side}"
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


class Maps:
    """The maps of a slide, for reading; threads may share them.

    Attributes
    ----------
    channels
        Names of the maps.
    height, width
        Size in pixels of their grid.
    """

    def __init__(self, path: Path, array: Any) -> None:
        self._path, self._array = path, array
        self.channels = tuple(array.attrs["channels"])
        _, self.height, self.width = array.shape

    def check_size(self, width: int, height: int) -> None:
        """Go on only if these are maps of a slide whose maps are of this size.

        Raises
        ------
        ArtifactError
            When they are not.
        """
        if (self.width, self.height) != (width, height):
            raise damaged(self._path)

    def read(self, names: Iterable[str], y0: int, x0: int, y1: int, x1: int) -> Channels:
        """Read rows ``y0`` to ``y1`` and columns ``x0`` to ``x1`` of the maps of these names.

        Raises
        ------
        KeyError
            When there is no map of a name: ask `channels` first.
        ArtifactError
            When the file is damaged.
        """
        places = {name: place for place, name in enumerate(self.channels)}
        # All channels of a place lie in one chunk.
        with reading(self._path):
            block = self._array[:, y0:y1, x0:x1]
        return {name: block[places[name]] for name in names}


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
            maps = Maps(path, zarr.open_array(_Stored(archive, path.stat().st_size), mode="r"))
        yield maps


class _Stored(zarr.abc.store.Store):
    """Members of a zip that are stored as they are, for reading; Zarr's own store holds an object for each of them."""

    supports_deletes = supports_writes = supports_listing = False

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        super().__init__(read_only=True)
        self._archive = archive
        members = sorted(archive.infolist(), key=lambda member: member.filename)
        self._names = np.array([member.filename.encode() for member in members])
        places = [(member.header_offset, member.file_size, member.CRC) for member in members]
        self._places = np.array(places, np.int64).reshape(-1, 3)
        archive.filelist.clear()
        archive.NameToInfo.clear()
        if (self._places[:, :2].sum(axis=1) > size).any():
            raise ValueError("members reach beyond the end of the file")
        self._unpacked = _unpacked(archive.read(self._described()))

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Read a whole member, whose checksum is verified; None where there is none."""
        if byte_range is not None:
            raise NotImplementedError("chunks are read as a whole")
        member = self._find(key)
        if member is None:
            return None
        data = self._archive.read(member)
        # What it unpacks to, as Blosc notes it.
        if key != _DESCRIPTION and int.from_bytes(data[4:8], "little") != self._unpacked:
            raise ValueError("a chunk is of another size than it should be")
        return prototype.buffer.from_bytes(data)

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> list[Any]:
        """Read several members."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Whether there is such a member."""
        return self._find(key) is not None

    def _described(self) -> zipfile.ZipInfo:
        member = self._find(_DESCRIPTION)
        if member is None or member.file_size > _LONGEST:
            raise ValueError("has no description, or a long one")
        return member

    def _find(self, name: str) -> zipfile.ZipInfo | None:
        index = int(np.searchsorted(self._names, name.encode()))
        if index == len(self._names) or self._names[index] != name.encode():
            return None
        member = zipfile.ZipInfo(name)
        member.header_offset, member.file_size, member.CRC = self._places[index].tolist()
        member.compress_size = member.file_size
        return member

    async def set(self, key: str, value: Any) -> None:
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        raise NotImplementedError

    def list(self) -> AsyncIterator[str]:
        raise NotImplementedError

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError


def _unpacked(description: bytes) -> int:
    """Bytes of an unpacked chunk of an array that `_describe` describes.

    Raises
    ------
    ValueError
        When it is described otherwise.
    """
    found = json.loads(description)
    shape, chunk = found["shape"], found["chunk_grid"]["configuration"]["chunk_shape"]
    names, side = found["attributes"]["channels"], chunk[-1]
    expected = json.loads(_describe(names, tuple(shape[1:]), side))
    told = ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs", "attributes")
    if shape[0] != len(names) or any(found[key] != expected[key] for key in told):
        raise ValueError("is described otherwise")
    if not 0 < (size := len(names) * int(side) ** 2) <= _LARGEST or not all(0 < length < 2**31 for length in shape):
        raise ValueError("has chunks of an impossible size")
    return size


def _describe(channels: Sequence[str], size: tuple[int, int], side: int) -> bytes:
    """Let Zarr write its description of such an array."""
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
