"""A table as CSV, with its dictionary beside it as the W3C says (CSV on the Web, 2015)."""

import json
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pathopipe.exports.columns import REGION
from pathopipe.exports.format import Format
from pathopipe.exports.selection import Selection
from pathopipe.results.schemas.column import Column, schema_of

_FORMULA: Final = r"^(\s*[=+\-@])"
"""What a spreadsheet takes for one."""
_KINDS: Final = {"string": "string", "int8": "integer", "int64": "integer", "float32": "float", "float64": "double"}


def write(selection: Selection, out: BinaryIO) -> int:
    """Write a row per nucleus; empty where there is no value. Returns how many there are.

    Names of regions that a spreadsheet would take for a formula get an apostrophe in front.
    """
    columns, count = selection.columns, 0
    with pyarrow.csv.CSVWriter(pa.PythonFile(out, "w"), schema_of(columns)) as writer:
        for batch in selection.nuclei(columns):
            names = pc.replace_substring_regex(batch.column(REGION.name), _FORMULA, r"'\1")
            place = batch.schema.get_field_index(REGION.name)
            writer.write_batch(batch.set_column(place, batch.schema.field(place), names))
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
