"""Columns of all nuclei of a slide, from the tables that have a row for each, a row group at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.pipeline import FeaturesSettings
from pathopipe.results.documents import damaged
from pathopipe.results.manifests import Manifest, mpp_of
from pathopipe.results.schemas.column import Column, Table
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.tables import ANY, column_kinds, count_rows, numbers, read_batches
from pathopipe.units import Mpp

Columns = Mapping[str, NDArray[np.float64]]
_TYPE: Final = "type"
_NUMBERS: Final = frozenset({"float32", "float64", "int8", "int64"})
TYPED: Final = Table((Column(_TYPE, "string", "", "", optional=True),), complete=False)
"""Of a table of types, what is read here."""


def nuclei_columns(
    file: Callable[[str], Path], manifest: Callable[[str], Manifest], names: Sequence[str]
) -> Iterator[Columns]:
    """Read columns of all nuclei, in the same order on every call.

    Parameters
    ----------
    file, manifest
        Where a file of the slide lies, by ``stage/name``, and what the manifest of a stage says.
    names
        Measures, nan where ``features.groups`` left them out; ``x_um``, ``y_um``; and ``type``, a place in `TYPES`, -1
        where it is not known.

    Raises
    ------
    ArtifactError
        When a table is damaged, or of another number of nuclei.
    """
    asked = _asked(names, mpp_of(manifest("tissue")))
    streams = list[Iterator[Columns]]()
    if asked["features"]:
        streams.append(_measures(file("features/features.parquet"), manifest("features"), [*asked["features"]]))
    if asked["segment"]:
        path = _whole(file("segment/nuclei.parquet"), manifest("segment"), NUCLEI)
        streams.append(_columns(path, asked["segment"], NUCLEI))
    if _TYPE in names:
        streams.append(_types(_whole(file("types/types.parquet"), manifest("types"), TYPED)))
    for parts in zip(*streams, strict=True):
        yield {name: values for part in parts for name, values in part.items()}


def _asked(names: Sequence[str], mpp: Mpp) -> dict[str, dict[str, tuple[str, float]]]:
    """What is to be read, by stage: names, what they are stored as, and by what that is to be multiplied."""
    places = {"x_um": ("x_px", mpp.x), "y_um": ("y_px", mpp.y)}
    return {
        "segment": {name: places[name] for name in names if name in places},
        "features": {name: (name, 1.0) for name in names if name not in {*places, _TYPE}},
    }


def _whole(path: Path, manifest: Manifest, table: Table) -> Path:
    """Path of a table that has a row for every nucleus."""
    if count_rows(path, table) != manifest["counts"]["nuclei"]:
        raise damaged(path)
    return path


def _measures(path: Path, manifest: Manifest, names: Sequence[str]) -> Iterator[Columns]:
    """Measures of nuclei; nan where they were not asked for."""
    kinds = column_kinds(_whole(path, manifest, ANY))
    lacking = [name for name in names if name not in kinds]
    groups = FeaturesSettings().groups
    if lacking and set(manifest["params"].get("groups", groups)) >= set(groups):
        raise damaged(path)
    known = {name: (name, 1.0) for name in names if name in kinds}
    # Not the whole schema: a new measure is none that a grade rests on.
    table = Table(
        tuple(Column(name, kind if (kind := kinds[name]) in _NUMBERS else "float64", "", "") for name in known),
        complete=False,
    )
    for part in _columns(path, known, table) if known else ():
        count = len(next(iter(part.values())))
        yield {**part, **{name: np.full(count, np.nan) for name in lacking}}


def _columns(path: Path, wanted: Mapping[str, tuple[str, float]], table: Table) -> Iterator[Columns]:
    """Columns under other names and in other units: from what they are stored as, by a factor."""
    for batch in read_batches(path, [name for name, _ in wanted.values()], table):
        yield {name: numbers(batch.column(stored)) * unit for name, (stored, unit) in wanted.items()}


def _types(path: Path) -> Iterator[Columns]:
    """What nuclei are, as places in `TYPES`; -1 where that is not known."""
    places = {name: place for place, name in enumerate(TYPES)}
    for batch in read_batches(path, [_TYPE], TYPED):
        names = batch.column(_TYPE).to_pylist()
        if not set(names) <= {*places, None}:
            raise damaged(path)
        yield {_TYPE: np.array([places.get(name, -1) for name in names], np.float64)}
