"""The dictionary of what is exported of a nucleus: names, units and meanings, from the schemas of the results."""

from collections.abc import Iterable, Sequence
from typing import Final

from pathopipe.errors import RefusalError
from pathopipe.results.schemas.column import Column
from pathopipe.results.schemas.counts import DENSEST, LARGEST, REGION_LABELS
from pathopipe.results.schemas.features import AT_BORDER, MEASURES, NUCLEUS_ID
from pathopipe.results.schemas.nuclei import NUCLEI
from pathopipe.results.schemas.types import PROBABILITIES, TYPE

GEOMETRY: Final = "geometry"
SLIDE: Final = Column("slide", "string", "", "id of the slide in the sample sheet")
REGION: Final = Column(
    "region",
    "string",
    "",
    "regions drawn by hand that hold the centroid, separated by '; '; null where there is none",
    optional=True,
)
FIELDS: Final = tuple(
    Column(name, "int8", "", f"1 where the centroid lies in it, else 0: {REGION_LABELS[name].lower()}")
    for name in (DENSEST, LARGEST)
)
_PLACES: Final = tuple(
    Column(f"{axis}_um", "float64", "µm", f"{axis} of the centroid, from the {side} edge of the slide")
    for axis, side in (("x", "left"), ("y", "upper"))
)
_STORED: Final = {column.name: column for column in NUCLEI}
_LEADING: Final = (
    SLIDE,
    NUCLEUS_ID,
    TYPE,
    REGION,
    *FIELDS,
    *_PLACES,
    *(_STORED[name] for name in ("x_px", "y_px", "score")),
    *PROBABILITIES,
    AT_BORDER,
)
MADE: Final = frozenset(column.name for column in (SLIDE, REGION, *FIELDS, *_PLACES))
"""Columns that no table of the results has."""
LEADING: Final = tuple(column.name for column in _LEADING)
"""What every export has of a nucleus; measures follow."""
OUTLINE: Final = _STORED[GEOMETRY]


def columns_of(known: Iterable[str], asked: Sequence[str]) -> tuple[Column, ...]:
    """Return what is exported of nuclei: what tells them apart and where they are, then measures, without outlines.

    Parameters
    ----------
    known
        Names of what any of the slides has.
    asked
        The measures to export; all where it is empty.

    Raises
    ------
    RefusalError
        When no slide has a measure that is asked for.
    """
    here = frozenset(known)
    measures = {column.name: column for column in MEASURES if column.name in here}
    if unknown := [name for name in asked if name not in measures]:
        raise RefusalError(f"--measures {unknown[0]}: {_hint(unknown[0], measures)}")
    return (*_LEADING, *(column for name, column in measures.items() if not asked or name in asked))


def _hint(name: str, measures: Iterable[str]) -> str:
    from difflib import get_close_matches

    if name in {column.name for column in MEASURES}:
        return "these results do not have it: run 'features' with its group"
    close = get_close_matches(name, measures, n=1)
    return f"no measure has this name: {f'did you mean {close[0]}?' if close else 'docs/measures.md lists them'}"
