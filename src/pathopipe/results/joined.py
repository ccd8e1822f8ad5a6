"""The nuclei of a slide with all that is known of each: the tables that have a row per nucleus, side by side."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from pathopipe.results.documents import damaged
from pathopipe.results.folder import SlideFolder
from pathopipe.results.schemas import features, nuclei, types
from pathopipe.results.schemas.column import Table
from pathopipe.results.tables import column_names, count_rows, read_batches

_TABLES: Final = (
    ("features", "features.parquet", features.TABLE),
    ("types", "types.parquet", types.TABLE),
    ("segment", "nuclei.parquet", nuclei.TABLE),
)
"""Of columns in several, the first counts."""


def joined_names(slide: SlideFolder) -> list[str]:
    """Names of the columns that a slide has, each once; of the tables themselves nothing is read."""
    return list(dict.fromkeys(name for path, _ in _paths(slide) for name in column_names(path)))


def joined_batches(slide: SlideFolder, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Go through the nuclei, a row group at a time.

    Parameters
    ----------
    columns
        As `joined_names` has them; the result has them in this order.

    Raises
    ------
    ArtifactError
        When a table is missing or damaged, or they are of different numbers of nuclei.
    """
    where = _places(slide, columns)
    paths = _paths(slide)
    rows = {count_rows(path, table) for path, table in paths}
    if len(rows) > 1:
        raise damaged(paths[0][0])
    streams = [read_batches(path, names, table) for path, table in paths if (names := where[path])]
    for parts in zip(*streams, strict=True):
        found = {name: part.column(name) for part in parts for name in part.schema.names}
        yield pa.record_batch([found[name] for name in columns], names=list(columns))


def _paths(slide: SlideFolder) -> list[tuple[Path, Table]]:
    return [(slide.file(stage, name), table) for stage, name, table in _TABLES]


def _places(slide: SlideFolder, columns: Sequence[str]) -> dict[Path, list[str]]:
    """Which columns are read of which table."""
    found, left = dict[Path, list[str]](), set(columns)
    for path, _ in _paths(slide):
        found[path] = [name for name in column_names(path) if name in left]
        left -= set(found[path])
    return found
