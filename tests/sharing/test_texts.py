"""A name is found wherever a file can hold one: a search that overlooks it would call a copy clean."""

import base64
import io
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathopipe.sharing import texts as module
from pathopipe.sharing.texts import texts
from pathopipe.sharing.words import Search, is_common, words

NAME = "Müller-O'Brien, Ada"


def found(file: Path, name: str = NAME) -> bool:
    search = Search({words(name): "a name"})
    return any(search.find(text) == "a name" for text in texts(file))


def jpeg(note: bytes) -> bytes:
    """A picture with a comment."""
    data = cv2.imencode(".jpg", np.full((8, 8, 3), 99, np.uint8))[1].tobytes()
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(note) + 2) + note + data[2:]


def png(kind: bytes, note: bytes) -> bytes:
    data = cv2.imencode(".png", np.full((8, 8, 3), 99, np.uint8))[1].tobytes()
    chunk = struct.pack(">I", len(note)) + kind + note + struct.pack(">I", zlib.crc32(kind + note))
    return data[:33] + chunk + data[33:]


def archive(member: str, content: bytes, comment: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(member, content)
        file.comment = comment
    return packed.getvalue()


TEXT = NAME.encode()
EMBEDDED = base64.b64encode(jpeg(TEXT)).decode()
WRITTEN = {
    "plain.txt": TEXT,
    "cells.tsv": f"slide\tx\ns\t{NAME}\n".encode(),
    "as_an_id.json": b'{"slide": "Muller_O_Brien_Ada"}',
    "escaped.json": b'{"slide": "M\\u00fcller-O\'Brien, Ada"}',
    "decomposed.json": '{"slide": "mu\u0308ller-o\'brien, ada"}'.encode(),
    "entities.html": b"<b>M&uuml;ller-O&#39;Brien, Ada</b>",
    "address.html": b'<a href="/home/M%C3%BCller-O%27Brien%2C%20Ada/x">',
    "picture.html": f'<img src="data:image/jpeg;base64,{EMBEDDED}">'.encode(),
    "no_ending": TEXT,
    "comment.jpg": jpeg(TEXT),
    "utf16.jpg": jpeg("Muller-O'Brien, Ada".encode("utf-16-le")),
    "behind.jpg": jpeg(b"") + TEXT,
    "text.png": png(b"tEXt", b"Author\0" + TEXT),
    "packed.png": png(b"zTXt", b"Author\0\0" + zlib.compress(TEXT)),
    "behind.png": png(b"tEXt", b"a\0b") + TEXT,
    "attributes.zip": archive("zarr.json", b'{"attributes": {"of": "' + TEXT + b'"}}'),
    "name.zip": archive(f"{NAME}/zarr.json", b"{}"),
    "comment.zip": archive("zarr.json", b"{}", TEXT),
    "picture.zip": archive("a.jpg", jpeg(TEXT)),
    "archive.zip": archive("b.zip", archive("zarr.json", TEXT)),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_in_files(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(WRITTEN[name])
    assert found(tmp_path / name)
    assert not found(tmp_path / name, "Miller")


COLUMN = pa.array(["x", NAME])
TABLES = {
    "cells": pa.table({"a": COLUMN}),
    "dictionary": pa.table({"a": COLUMN.dictionary_encode()}),
    "lists": pa.table({"a": [["x"], [NAME]]}),
    "bytes": pa.table({"a": [b"x", TEXT]}),
    "column": pa.table({NAME: [1]}),
    "metadata": pa.table({"a": [1]}).replace_schema_metadata({"b": NAME}),
    "key": pa.table({"a": [1]}).replace_schema_metadata({NAME: "b"}),
    "field": pa.table([[1]], schema=pa.schema([pa.field("a", pa.int64(), metadata={"description": NAME})])),
}


@pytest.mark.parametrize("kind", TABLES)
def test_in_tables(kind: str, tmp_path: Path) -> None:
    pq.write_table(TABLES[kind], tmp_path / "t.parquet", compression="zstd")
    assert found(tmp_path / "t.parquet")
    assert not found(tmp_path / "t.parquet", "Miller")


def test_in_the_metadata_that_only_parquet_knows(tmp_path: Path) -> None:
    with pq.ParquetWriter(tmp_path / "t.parquet", pa.schema([("a", pa.int64())])) as writer:
        writer.write_table(pa.table({"a": [1]}))
        writer.add_key_value_metadata({"later": NAME})
    assert found(tmp_path / "t.parquet")


@pytest.mark.parametrize("before", range(0, 90, 7))
def test_where_blocks_meet(before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a picture that lies in several blocks."""
    monkeypatch.setattr(module, "_BLOCK", 64)
    monkeypatch.setattr(module, "_OVERLAP", 32)
    start = "- " * before
    (tmp_path / "a.txt").write_text(f"{start}{NAME}{' -' * 200}", encoding="utf-8")
    (tmp_path / "b.html").write_text(f"{start}<img src='data:image/jpeg;base64,{EMBEDDED}'>{' -' * 200}")
    assert found(tmp_path / "a.txt")
    assert found(tmp_path / "b.html")


def test_parts_of_words_are_not_names(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Amanda Adam 14711 4711.5 0.4711 Ada Müller-O'Brien")
    for name in ("Ada Mull", "Adam 1", "manda", "4711", NAME):
        assert not found(tmp_path / "a.txt", name)


def test_words_of_the_program_are_common() -> None:
    assert is_common(words("nuclei"))
    assert is_common(words("Slide"))
    assert not is_common(words("Mustermann"))
    assert not is_common(words("nuclei Mustermann"))
