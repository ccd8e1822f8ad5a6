"""All texts that a file of the results holds: in tables, archives and pictures those that no viewer shows, too.

Pixels, maps and coordinates are not texts. Nothing is read as a whole but pictures, which are small.
"""

import base64
import binascii
import contextlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

_BLOCK: Final = 1 << 22
_OVERLAP: Final = 1 << 13
"""Letters that a block has of the one before: longer than any path."""
_PICTURE: Final = re.compile(r"data:[a-z/+.-]+;base64,([A-Za-z0-9+/=]+)")
_OPEN_PICTURE: Final = re.compile(r"data:[a-z/+.-]+;base64,[A-Za-z0-9+/=]*$")
_CHUNK_OF_MAPS: Final = re.compile(r"c/\d")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_GEOMETRY: Final = "geometry"


def texts(file: Path) -> Iterator[str]:
    """Go through the texts of a file."""
    with file.open("rb") as stream:
        if file.suffix == ".parquet":
            yield from _of_table(file)
        else:
            yield from _of_stream(stream, file.name)


def _of_stream(stream: IO[bytes], name: str) -> Iterator[str]:
    if name.endswith(".zip"):
        yield from _of_archive(stream)
    elif name.endswith((".jpg", ".jpeg", ".png")):
        yield from _of_picture(stream.read())
    else:
        yield from _of_text(stream)


def _of_text(stream: IO[bytes]) -> Iterator[str]:
    """Blocks of a text, and what the pictures embedded in it hold."""
    reader, kept = io.TextIOWrapper(stream, encoding="utf-8", errors="replace"), ""
    try:
        while piece := reader.read(_BLOCK):
            block = kept + piece
            for picture in _PICTURE.finditer(block):
                with contextlib.suppress(binascii.Error):  # cut at the end of the block: it is whole in the next one
                    yield from _of_picture(base64.b64decode(picture[1]))
            yield _PICTURE.sub(" ", block)
            cut = _OPEN_PICTURE.search(block)
            kept = block[min(cut.start() if cut else len(block), max(len(block) - _OVERLAP, 0)) :]
    finally:
        reader.detach()


def _of_table(file: Path) -> Iterator[str]:
    """Metadata, names of columns, and the columns of texts, a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        schema = table.schema_arrow
        notes = [table.metadata.metadata, schema.metadata, *(field.metadata for field in schema)]
        yield str(table.metadata.created_by)
        yield from schema.names
        yield from (part.decode("utf-8", "replace") for note in notes if note for item in note.items() for part in item)
        kinds = {field.name: field.type for field in schema if field.name != _GEOMETRY}
        wanted = [name for name, kind in kinds.items() if not _is_number(kind)]
        for batch in table.iter_batches(columns=wanted) if wanted else ():
            for column in batch.columns:
                binary = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
                values = column.unique().to_pylist() if not pa.types.is_nested(column.type) else column.to_pylist()
                known = (value for value in values if value is not None)
                yield "\n".join(value.decode("utf-8", "replace") if binary else str(value) for value in known)


def _is_number(kind: object) -> bool:
    import pyarrow as pa

    return any(test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean))


def _of_archive(stream: IO[bytes]) -> Iterator[str]:
    """Names and notes of an archive's members, and the texts of those that are no chunk of the maps."""
    with zipfile.ZipFile(stream) as archive:
        yield archive.comment.decode("utf-8", "replace")
        for member in archive.infolist():
            yield f"{member.filename}\n{_plain(member.comment)}\n{_plain(member.extra)}"
            if not _CHUNK_OF_MAPS.match(member.filename):
                with archive.open(member) as inner:
                    yield from _of_stream(inner, member.filename)


def _of_picture(data: bytes) -> Iterator[str]:
    """What stands beside the pixels of a JPEG or PNG; all of another one."""
    if data.startswith(b"\xff\xd8"):
        yield from map(_plain, _jpeg_notes(data))
    elif data.startswith(_PNG):
        yield from map(_plain, _png_notes(data))
    else:
        yield _plain(data)


def _plain(note: bytes) -> str:
    """Read a zero as what it may be: the end of a word, or half of a letter in UTF-16."""
    return b"\n".join(note.replace(b"\0", zero) for zero in (b"\n", b"")).decode("utf-8", "replace")


def _jpeg_notes(data: bytes) -> Iterator[bytes]:
    """Payloads of the segments before the pixels, and what follows the end."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] not in {b"\xda", b""}:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 4 : at + 2 + size]
        at += 2 + max(size, 2)
    yield data[data.rfind(b"\xff\xd9") + 2 :]


def _png_notes(data: bytes) -> Iterator[bytes]:
    """Chunks other than pixels, unpacked where they are packed, and what follows the end."""
    at, kind = len(_PNG), b""
    while at + 8 <= len(data) and kind != b"IEND":
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        note = data[at + 8 : at + 8 + size]
        if kind != b"IDAT":
            yield note
        if kind in {b"zTXt", b"iTXt", b"iCCP"}:
            for start in (found.start() for found in re.finditer(b"\x78", note)):
                with contextlib.suppress(zlib.error):
                    yield zlib.decompressobj().decompress(note[start:], _BLOCK)
        at += 12 + size
    yield data[at:]
