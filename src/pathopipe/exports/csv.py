"""A table as CSV, with its dictionary beside it as the W3C says (CSV on the Web, 2015)."""

import json
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.csv as pc

from pathopipe.exports.format import Format
from pathopipe.exports.selection import Selection
from pathopipe.results.schemas.column import Column, schema_of

_KINDS: Final = {"string": "string", "int8": "integer", "int64": "integer", "float32": "float", "float64": "double"}


def write(selection: Selection, out: BinaryIO) -> int:
    """Write a row per nucleus; empty where there is no value. Returns how many there are."""
    columns, count = selection.columns, 0
    with pc.CSVWriter(pa.PythonFile(out, "w"), schema_of(columns)) as writer:
        for batch in selection.nuclei(columns):
            writer.write_batch(batch)
            count += len(batch)
    return count


def dictionary(selection: Selection, name: str) -> bytes:
    """Return what is written beside a table of this name."""
    content = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": name,
        "tableSchema": {"columns": described(selection.columns), "primaryKey": ["slide", "nucleus_id"]},
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def described(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Say what columns are, in the terms of CSV on the Web."""
    return [
        {"name": column.name, "titles": column.label or column.name, "datatype": _KINDS[column.kind]}
        | ({"schema:unitText": column.unit} if column.unit else {})
        | {"dc:description": column.meaning}
        for column in columns
    ]


FORMAT: Final = Format((".csv",), write, streams=True, dictionary=dictionary)
