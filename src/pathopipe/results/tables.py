"""Parquet tables of the results: written in row groups of a fixed size, read one at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pathopipe.results.documents import damaged, unreadable

ROWS_PER_GROUP: Final = 8_192


class TableWriter:
    """Writes a Parquet table in row groups of a fixed number of rows, however the rows arrive.

    So the bytes don't depend on how the rows were flushed, and no more than one group is held in memory.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema
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
        while self._rows >= ROWS_PER_GROUP:
            self._flush(ROWS_PER_GROUP)

    def _flush(self, rows: int) -> None:
        if not rows:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        self._writer.write_table(table.slice(0, rows), row_group_size=ROWS_PER_GROUP)
        self._waiting = [table.slice(rows)] if len(table) > rows else []
        self._rows -= rows


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    """Make an Arrow column; NaN becomes null. Numbers go in as they lie in memory: `pyarrow.array` imports pandas."""
    if isinstance(values, np.ndarray) and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        data = np.ascontiguousarray(values, kind.to_pandas_dtype())
        known = np.isfinite(data)
        valid = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
        return pa.Array.from_buffers(kind, len(data), [valid, pa.py_buffer(data)])
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


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


def read_batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Read a Parquet table one row group at a time."""
    with _open_parquet(path, columns) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns=columns).combine_chunks().to_batches()


def read_columns(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read numeric columns as arrays (N,), a row group at a time, so that none is ever held twice."""
    with _open_parquet(path, names) as file:
        kinds = {name: file.schema_arrow.field(name).type.to_pandas_dtype() for name in names}
        whole = {name: np.empty(file.metadata.num_rows, kind) for name, kind in kinds.items()}
        start = 0
        for group in range(file.num_row_groups):
            part = file.read_row_group(group, columns=list(names))
            for name in names:
                whole[name][start : start + len(part)] = numbers(part[name])
            start += len(part)
    return whole


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a whole Parquet table, or some columns of it."""
    with _open_parquet(path, columns) as file:
        return file.read(columns=columns)


def column_names(path: Path) -> list[str]:
    """Names of a table's columns; of the table itself nothing is read."""
    with _open_parquet(path) as file:
        return list(file.schema_arrow.names)


@contextmanager
def _open_parquet(path: Path, columns: Sequence[str] | None = None) -> Iterator[pq.ParquetFile]:
    """Open a table that has these columns; what is wrong with it is told whenever it is found.

    Raises
    ------
    ArtifactError
        When it cannot be read, or is not what its stage wrote.
    """
    try:
        with pq.ParquetFile(path) as file:
            if not set(columns or ()) <= set(file.schema_arrow.names):
                raise damaged(path)
            yield file
    except OSError as error:
        # Arrow says so, without a number, of pages that cannot be unpacked, too.
        raise (unreadable(path, error) if error.errno else damaged(path)) from error
    except pa.ArrowInvalid as error:
        raise damaged(path) from error
