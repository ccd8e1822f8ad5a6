"""Statistics of a slide and of its regions for graders: without the schema of the measures.

A new measure is none that a grade rests on, so that it makes no grade run again.
"""

from collections.abc import Collection, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

from pathopipe.results.documents import damaged
from pathopipe.results.schemas.column import Column, Table
from pathopipe.results.schemas.counts import REGION, REGION_CLASS, ROWS_PER_GROUP, SLIDE, TYPE, WHOLE_SLIDE
from pathopipe.results.tables import column_kinds, read_batches, rows_at

MOST_REGIONS: Final = 1_002
"""As many as the stage describes: 1,000 that a person drew, and two fields."""
_ROWS: Final = 50
"""That are unpacked together: a row has thousands of numbers."""

ByType = dict[str, dict[str, Any]]
"""Rows of statistics by type of nuclei; those of a region beside the slide are called as `row_of` says."""


def row_of(region: str, type_: str) -> str:
    """Name the row of a type of nuclei: by the type alone where the region is the whole slide."""
    return type_ if region == WHOLE_SLIDE else f"{region}/{type_}"


def region_of(row: str) -> str:
    """Return the region that `row_of` put into the name of a row."""
    return row.rpartition("/")[0] or WHOLE_SLIDE


def described_slide(path: Path, beside: Collection[str] = ()) -> tuple[ByType, Iterator[tuple[str, ByType]]]:
    """Return the statistics of the whole slide, empty for a rejected one, and those of its regions to go through.

    Parameters
    ----------
    path
        The stage's table.
    beside
        Regions whose rows come with those of the slide, too, where there are such.

    Returns
    -------
        Rows of the slide, and regions with their names, in their order, at most `MOST_REGIONS`.

    Raises
    ------
    ArtifactError
        When the table is missing or damaged; of the rows of regions when it comes to them.
    """
    regions = _by_region(path)
    first, found = next(regions, (WHOLE_SLIDE, {}))
    if first != WHOLE_SLIDE:
        raise damaged(path)
    asked = {row_of(region, kind): row for region, kind, row in _rows(path, beside)} if found and beside else {}
    return found | asked, islice(regions, MOST_REGIONS)


def _by_region(path: Path) -> Iterator[tuple[str, ByType]]:
    for region, rows in groupby(_rows(path), lambda row: row[0]):
        yield region, {kind: row for _, kind, row in rows}


def _rows(path: Path, regions: Collection[str] | None = None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Go through rows with their regions and types, or those of some regions."""
    known = {column.name: column for column in (REGION, REGION_CLASS, TYPE, *SLIDE)}
    names = column_kinds(path)
    if not known.keys() <= names.keys():
        raise damaged(path)
    # What is not counted is a number.
    columns = tuple(known.get(name) or Column(name, "float64", "", "") for name in names)
    for batch in read_batches(path, table=Table(columns, complete=False, rows_per_group=ROWS_PER_GROUP)):
        names = batch.column(REGION.name).to_pylist()
        wanted = [place for place, name in enumerate(names) if regions is None or name in regions]
        for start in range(0, len(wanted), _ROWS):
            for row in rows_at(batch, wanted[start : start + _ROWS]).to_pylist():
                yield str(row[REGION.name]), str(row[TYPE.name]), row
