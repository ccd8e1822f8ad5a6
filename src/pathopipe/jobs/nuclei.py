"""Measures, places and types of nuclei that a job reads, from the tables of several stages, one row group at a time."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pathopipe.grading.base import Columns
from pathopipe.jobs.job import Job
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.results.documents import damaged
from pathopipe.results.manifests import mpp_of
from pathopipe.results.schemas.column import Column, Table
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.tables import column_kinds, count_rows, numbers, read_batches

_NUMBERS: Final = frozenset({"float32", "float64", "int8", "int64"})
_TYPE: Final = "type"
_TYPED: Final = "types/types.parquet"
# Not the whole schema, which knows all measures: a new one is none that a grade rests on.
_TYPES: Final = Table((Column(_TYPE, "string", "", "", optional=True),), complete=False)


def check_nuclei(job: Job[Any]) -> None:
    """Check that all tables of nuclei have as many rows as there are outlines, also those that nobody will read.

    Raises
    ------
    ArtifactError
        When one is damaged, or of another number of nuclei.
    """
    for name, table in (("features/features.parquet", Table()), ("segment/nuclei.parquet", NUCLEI), (_TYPED, _TYPES)):
        _checked(job, name, table)


def measures_of(job: Job[Any]) -> list[str]:
    """Names of what was measured of the nuclei."""
    return list(column_kinds(job.input("features/features.parquet")))


def nuclei_of(job: Job[Any], names: Sequence[str]) -> Iterator[Columns]:
    """Columns of all nuclei, some at a time.

    Places (``x_um``, ``y_um``) lie in a table of their own, and so do types (``type``, as a place in `TYPES`, -1 where
    it is not known).

    Raises
    ------
    ArtifactError
        When a table is damaged, or of another number of nuclei.
    """
    mpp = mpp_of(job.manifest("tissue"))
    places = {"x_um": ("x_px", mpp.x), "y_um": ("y_px", mpp.y)}
    asked = {name: places[name] for name in names if name in places}
    measured = {name: (name, 1.0) for name in names if name not in {*places, _TYPE}}
    streams = []
    if measured:
        path = _checked(job, "features/features.parquet", Table())
        streams.append(_columns(path, measured, _table(path, measured)))
    if asked:
        streams.append(_columns(_checked(job, "segment/nuclei.parquet", NUCLEI), asked, NUCLEI))
    if _TYPE in names:
        streams.append(_types(_checked(job, _TYPED, _TYPES)))
    for parts in zip(*streams, strict=True):
        yield {name: values for part in parts for name, values in part.items()}


def _checked(job: Job[Any], name: str, table: Table) -> Path:
    """Path of a table of as many nuclei as were outlined."""
    path = job.input(name)
    if count_rows(path, table) != job.manifest("segment")["counts"]["nuclei"]:
        raise damaged(path)
    return path


def _table(path: Path, names: Mapping[str, Any]) -> Table:
    """Measures are numbers of whatever kind."""
    kinds = column_kinds(path)
    columns = (Column(name, kind if (kind := kinds.get(name)) in _NUMBERS else "float64", "", "") for name in names)
    return Table(tuple(columns), complete=False)


def _columns(path: Path, wanted: Mapping[str, tuple[str, float]], table: Table) -> Iterator[Columns]:
    """Columns under other names and in other units: from what they are stored as, by a factor."""
    for batch in read_batches(path, [name for name, _ in wanted.values()], table):
        yield {name: numbers(batch.column(stored)) * unit for name, (stored, unit) in wanted.items()}


def _types(path: Path) -> Iterator[Columns]:
    known = {name: float(place) for place, name in enumerate(TYPES)} | {None: -1.0}
    for batch in read_batches(path, [_TYPE], _TYPES):
        found = batch.column(_TYPE).to_pylist()
        if not set(found) <= known.keys():
            raise damaged(path)
        yield {_TYPE: np.array([known[name] for name in found])}
