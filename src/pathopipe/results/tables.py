"""Parquet tables of the results: written in row groups of a fixed size, read one at a time."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pathopipe.results.documents import damaged, reading
from pathopipe.results.schemas.column import Table

ROWS_PER_GROUP: Final = 8_192
_MOST_BYTES: Final = 128 * 2**20
"""Of a row group in memory; one of outlines has about 5 MB."""
_FEW_ROWS: Final = 100_000
"""In a table of more, each row takes a byte of the file at least."""
_FLOATS: Final = MappingProxyType({"float": "float32", "double": "float64"})
"""What Arrow prints for types, and the names that it takes for them."""
ANY: Final = Table()
"""A table of which nothing is known."""


class TableWriter:
    """Writes a Parquet table in row groups of a fixed number of rows, however the rows arrive.

    So the bytes don't depend on how the rows were flushed, and no more than one group is held in memory.

    Parameters
    ----------
    rows_per_group
        As the `Table` says that it is read as; None for `ROWS_PER_GROUP`.
    """

    def __init__(self, path: Path | BinaryIO, schema: pa.Schema, rows_per_group: int | None = None) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema
        self._per_group = rows_per_group or ROWS_PER_GROUP
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self.count = 0

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush(self._rows)
        self._writer.close()

    def write(self, columns: dict[str, Any]) -> None:
        """Append rows given as arrays per column."""
        table = pa.table([_column(columns[field.name], field.type) for field in self._schema], schema=self._schema)
        self._waiting.append(table)
        self._rows += len(table)
        self.count += len(table)
        while self._rows >= self._per_group:
            self._flush(self._per_group)

    def _flush(self, rows: int) -> None:
        if not rows:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        self._writer.write_table(table.slice(0, rows), row_group_size=self._per_group)
        self._waiting = [table.slice(rows)] if len(table) > rows else []
        self._rows -= rows


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    """Make an Arrow column; NaN becomes null. Numbers go in as they lie in memory: `pyarrow.array` imports pandas."""
    if isinstance(values, pa.Array):
        return values
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        data = np.ascontiguousarray(values, kind.to_pandas_dtype())
        known = np.isfinite(data)
        valid = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
        return pa.Array.from_buffers(kind, len(data), [valid, pa.py_buffer(data)])
    return _texts(values, kind) if _is_text(kind) else pa.array(values, kind)


def numbers(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return a numeric column as an array (N,); in floats, null becomes NaN.

    pyarrow's own ``to_numpy`` imports pandas where that is installed, which takes longer than a small slide's stage.
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not whole.null_count:
        return np.asarray(np.from_dlpack(whole))
    known = np.from_dlpack(whole.is_valid().cast(pa.uint8())) == 1
    values = np.full(len(whole), np.nan)
    values[known] = np.from_dlpack(whole.drop_null())
    return values


def rows_at(batch: pa.RecordBatch, places: Sequence[int]) -> pa.RecordBatch:
    """Rows of a batch by their places, in this order. Given a list, pyarrow's own ``take`` imports pandas."""
    return batch.take(_column(places, pa.int64()))


def read_batches(path: Path, columns: list[str] | None = None, table: Table = ANY) -> Iterator[pa.RecordBatch]:
    """Read a Parquet table one row group at a time."""
    with _open_parquet(path, columns, table) as file:
        for part in _read_groups(file, path, columns, table):
            yield from part.combine_chunks().to_batches()


def read_columns(path: Path, names: Sequence[str], table: Table = ANY) -> dict[str, NDArray[Any]]:
    """Read numeric columns as arrays (N,), a row group at a time, so that none is ever held twice."""
    with _open_parquet(path, names, table) as file:
        schema = file.schema_arrow  # made anew whenever it is asked for
        kinds = {name: schema.field(name).type.to_pandas_dtype() for name in names}
        whole = {name: np.empty(file.metadata.num_rows, kind) for name, kind in kinds.items()}
        start = 0
        for part in _read_groups(file, path, names, table):
            for name in names:
                whole[name][start : start + len(part)] = numbers(part[name])
            start += len(part)
    return whole


def read_table(path: Path, columns: list[str] | None = None, table: Table = ANY) -> pa.Table:
    """Read a whole Parquet table, or some columns of it."""
    with _open_parquet(path, columns, table) as file:
        groups = list(_read_groups(file, path, columns, table))
        return pa.concat_tables(groups) if groups else file.read(columns=columns)


def count_rows(path: Path, table: Table = ANY) -> int:
    """Count the rows of a table; of the table itself nothing is read."""
    with _open_parquet(path, table=table) as file:
        return int(file.metadata.num_rows)


def column_names(path: Path) -> list[str]:
    """Names of a table's columns; of the table itself nothing is read."""
    return list(column_kinds(path))


def column_kinds(path: Path) -> dict[str, str]:
    """Types of a table's columns by name, as `Column.kind` has them; of the table itself nothing is read."""
    with _open_parquet(path) as file:
        return {field.name: _FLOATS.get(str(field.type), str(field.type)) for field in file.schema_arrow}


@contextmanager
def _open_parquet(path: Path, columns: Sequence[str] | None = None, table: Table = ANY) -> Iterator[pq.ParquetFile]:
    """Open a table that has these columns; what is wrong with it is reported whenever it is found.

    Raises
    ------
    ArtifactError
        When it cannot be read, or is not what its stage wrote.
    """
    with reading(path), pq.ParquetFile(path) as file:
        if not (set(columns or ()) <= set(file.schema_arrow.names) and _is_sound(file, path, table)):
            raise damaged(path)
        yield file


def _is_sound(file: pq.ParquetFile, path: Path, table: Table) -> bool:
    """Whether columns are of their types, and row groups of the sizes that `TableWriter` writes."""
    schema, known = file.schema_arrow, table.columns
    kinds = {field.name: field.type for field in schema}
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    rows, per_group = [group.num_rows for group in groups], table.rows_per_group or ROWS_PER_GROUP
    return (
        len(kinds) == len(schema)
        and all(kinds.get(column.name) in {None, pa.type_for_alias(column.kind)} for column in known)
        and (not known or (set(rows[:-1]) <= {per_group} and sum(rows[-1:]) <= per_group))
        and all(group.total_byte_size <= _MOST_BYTES for group in groups)
        and sum(rows) == file.metadata.num_rows <= _FEW_ROWS + path.stat().st_size
    )


def _read_groups(file: pq.ParquetFile, path: Path, columns: Sequence[str] | None, table: Table) -> Iterator[pa.Table]:
    """Read row groups, whose values are there and are numbers; text is unpacked only if there is not too much."""
    schema = file.schema_arrow  # made anew whenever it is asked for
    names = list(columns or schema.names)
    texts = [name for name in names if _is_text(schema.field(name).type)]
    with pq.ParquetFile(path, metadata=file.metadata, read_dictionary=texts) if texts else nullcontext(file) as packed:
        for group in range(file.num_row_groups):
            part = packed.read_row_group(group, columns=names)
            for name in texts:
                place = part.schema.get_field_index(name)
                field = schema.field(name)
                part = part.set_column(place, field, _unpack(part[name], field.type))
            _check_values(part, path, table)
            yield part.replace_schema_metadata(schema.metadata)


def _check_values(part: pa.Table, path: Path, table: Table) -> None:
    names = set(part.column_names)
    for column in (column for column in table.columns if column.name in names):
        values, is_float = part[column.name], column.kind.startswith("float")
        may_lack = (is_float and not table.complete) or column.optional
        if values.null_count and not may_lack:
            raise damaged(path)
        if not is_float or _all_finite(values, column.kind):
            continue
        if not (np.isfinite(found := numbers(values)) | (may_lack & np.isnan(found))).all():
            raise damaged(path)


def _all_finite(values: pa.ChunkedArray, kind: str) -> bool:
    """Whether everything in memory is finite, whatever lies where a value lacks: a tenth of the time of `numbers`."""
    size = np.dtype(kind).itemsize
    for chunk in values.chunks:
        held = chunk.buffers()[1]
        if len(chunk) and not (held and np.isfinite(np.frombuffer(held, kind, len(chunk), chunk.offset * size)).all()):
            return False
    return True


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_string(kind))


def _unpack(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Turn a dictionary and its indices, in which a long text may stand for many rows, into a text for each row."""
    if sum(map(_size, column.chunks)) > _MOST_BYTES:
        raise ValueError("too large")
    texts: list[str | bytes | None] = []
    for packed in column.chunks:
        words = packed.dictionary.to_pylist()  # each once: a packed column's own `to_pylist` takes 20 times as long
        texts += [None if place is None else words[place] for place in packed.indices.to_pylist()]
    return _texts(texts, kind)


def _texts(values: Iterable[str | bytes | None], kind: pa.DataType) -> pa.Array:
    """Make an Arrow column of text, or of bytes."""
    found = [text.encode() if isinstance(text, str) else text for text in values]
    ends = np.cumsum([0, *(len(text or b"") for text in found)], dtype=np.int32)
    known = np.packbits(np.array([text is not None for text in found], np.bool_), bitorder="little")
    buffers = [pa.py_buffer(data) for data in (known, ends, b"".join(text or b"" for text in found))]
    return pa.Array.from_buffers(kind, len(found), buffers)


def _size(packed: pa.DictionaryArray) -> int:
    """Bytes of what a dictionary and its indices stand for."""
    words, places = packed.dictionary, packed.indices
    ends = np.frombuffer(words.buffers()[1], np.int32)[words.offset :][: len(words) + 1]
    rows = np.frombuffer(places.buffers()[1], np.int32)[places.offset :][: len(places)]
    return int(np.diff(ends)[rows].sum(dtype=np.int64)) if len(words) else 0
