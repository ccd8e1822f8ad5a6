"""Statistics of a slide and of its regions for graders: without the schema of the measures.

A new measure is none that a grade rests on, so that it makes no grade run again.
"""

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

from pathopipe.results.documents import damaged
from pathopipe.results.schemas.column import Column, Table
from pathopipe.results.schemas.counts import REGION, REGION_CLASS, ROWS_PER_GROUP, SLIDE, TYPE, WHOLE_SLIDE
from pathopipe.results.tables import column_kinds, read_batches

MOST_REGIONS: Final = 1_002
"""As many as the stage describes: 1,000 that a person drew, and two fields."""
_ROWS: Final = 50
"""That are unpacked together: a row has thousands of numbers."""

ByType = dict[str, dict[str, Any]]
"""Rows of statistics by type of nuclei."""


def described_slide(path: Path) -> tuple[ByType, Iterator[tuple[str, ByType]]]:
    """Return the statistics of the whole slide, empty for a rejected one, and those of its regions to go through.

    Regions come with their names, in their order, at most `MOST_REGIONS`; the table is read once.

    Raises
    ------
    ArtifactError
        When the table is missing or damaged; of the rows of regions when it comes to them.
    """
    regions = _by_region(path)
    first, found = next(regions, (WHOLE_SLIDE, {}))
    if first != WHOLE_SLIDE:
        raise damaged(path)
    return found, islice(regions, MOST_REGIONS)


def _by_region(path: Path) -> Iterator[tuple[str, ByType]]:
    for region, rows in groupby(_rows(path), lambda row: str(row[REGION.name])):
        yield region, {row[TYPE.name]: row for row in rows}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    known = {column.name: column for column in (REGION, REGION_CLASS, TYPE, *SLIDE)}
    names = column_kinds(path)
    if not known.keys() <= names.keys():
        raise damaged(path)
    # What is not counted is a number.
    columns = tuple(known.get(name) or Column(name, "float64", "", "") for name in names)
    for batch in read_batches(path, table=Table(columns, complete=False, rows_per_group=ROWS_PER_GROUP)):
        for start in range(0, len(batch), _ROWS):
            yield from batch.slice(start, _ROWS).to_pylist()
