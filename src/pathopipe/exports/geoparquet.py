"""A table of nuclei with their outlines, as GeoParquet 1.1."""

from typing import BinaryIO, Final

from pathopipe.exports.columns import OUTLINE
from pathopipe.exports.format import Format
from pathopipe.exports.selection import Selection
from pathopipe.results.schemas.column import schema_of
from pathopipe.results.schemas.nuclei import SCHEMA
from pathopipe.results.tables import TableWriter


def write(selection: Selection, out: BinaryIO) -> int:
    """Write a row per nucleus, outlines in level-0 pixels; returns how many there are."""
    columns = (*selection.columns, OUTLINE)
    schema = schema_of(columns, {"geo": SCHEMA.metadata[b"geo"].decode()})
    with TableWriter(out, schema) as table:
        for batch in selection.nuclei(columns):
            table.write({column.name: batch.column(column.name) for column in columns})
    return table.count


FORMAT: Final = Format((".parquet", ".geoparquet"), write, streams=True)
