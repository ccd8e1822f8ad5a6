"""AnnData (Virshup and others 2024) as ``.h5ad``: a row per nucleus, and the neighbor graph that squidpy looks for."""

import importlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import pyarrow as pa

from pathopipe.errors import RefusalError
from pathopipe.exports.columns import LEADING, SLIDE
from pathopipe.exports.format import Format
from pathopipe.exports.graph import distances_of
from pathopipe.exports.selection import Selection
from pathopipe.ops.spatial.graph import REACH_UM
from pathopipe.results.schemas.column import Column
from pathopipe.results.tables import numbers

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_MISSING: Final = "{} needs a package that is not installed: pip install 'pathopipe[anndata]'"
_PLACES: Final = ("x_um", "y_um")
_TEXTS: Final = frozenset({"slide", "type", "region"})
_GRAPH: Final = "spatial_neighbors"
_ROWS: Final = 8_192
_LEVEL: Final = 1
"""Of gzip, after shuffling bytes: noise in the last digits is not packed by any."""


def write(selection: Selection, out: BinaryIO) -> int:
    """Write a table of all slides; returns how many nuclei there are."""
    require("anndata", "anndata", "h5py")
    import h5py
    from anndata.io import write_elem

    table = annotated(selection)
    with h5py.File(out, "w") as file:
        write_elem(file, "/", table)
        shape = (table.n_obs, table.n_vars)
        chunks = (min(_ROWS, shape[0]), min(16, shape[1])) if table.n_vars else None
        packing = {"compression": "gzip", "compression_opts": _LEVEL, "shuffle": True} if chunks else {}
        values = file.create_dataset("X", shape, np.float32, chunks=chunks, **packing)
        values.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        start = 0
        for part in measured(selection):
            values[start : start + len(part)] = part
            start += len(part)
    return int(table.n_obs)


def require(kind: str, *packages: str) -> None:
    """Refuse a format whose packages are not installed."""
    try:
        for name in packages:
            importlib.import_module(name)
    except ImportError:
        raise RefusalError(_MISSING.format(kind)) from None


def annotated(selection: Selection) -> "AnnData":
    """Return the nuclei without their measures, which would not fit into memory."""
    from anndata import AnnData

    leading = [column for column in selection.columns if column.name in LEADING]
    columns = _gathered(selection, leading)
    places = np.column_stack([columns.pop(name) for name in _PLACES])
    slides, ids = columns["slide"].codes.astype(np.int32), columns["nucleus_id"]
    distances = distances_of(selection.slides, slides, ids)
    connected = distances.copy()
    connected.data = np.ones(len(connected.data), np.float32)
    return AnnData(
        obs=_frame(columns, [f"{slide}-{number}" for slide, number in zip(columns["slide"], ids, strict=True)]),
        var=_dictionary(selection.measures),
        obsm={"spatial": places},
        obsp={"spatial_connectivities": connected, "spatial_distances": distances},
        uns={
            "columns": _dictionary(column for column in leading if column.name not in _PLACES),
            _GRAPH: {
                "connectivities_key": "spatial_connectivities",
                "distances_key": "spatial_distances",
                "params": {"coord_type": "generic", "delaunay": True, "largest_circumradius_um": REACH_UM},
            },
        },
    )


def measured(selection: Selection) -> Iterable[np.ndarray[Any, np.dtype[np.float32]]]:
    """Go through the measures (n, M) of some nuclei at a time; NaN where one was not measured."""
    for batch in selection.nuclei(selection.measures or (SLIDE,)):
        part = np.empty((len(batch), len(selection.measures)), np.float32)
        for place, column in enumerate(selection.measures):
            part[:, place] = numbers(batch.column(column.name))
        yield part


def _gathered(selection: Selection, columns: Sequence[Column]) -> dict[str, Any]:
    """Return columns of all nuclei: arrays, and categories of texts."""
    import pandas as pd

    parts: dict[str, list[Any]] = {column.name: [] for column in columns}
    for batch in selection.nuclei(columns):
        for name, found in parts.items():
            values = batch.column(name)
            found.append(values.dictionary_encode() if name in _TEXTS else numbers(values))
    slides = [slide.id for slide in selection.slides]
    return {
        name: _categories(found, slides if name == SLIDE.name else None, pd)
        if name in _TEXTS
        else np.concatenate(found)
        for name, found in parts.items()
    }


def _categories(parts: Sequence[pa.DictionaryArray], names: Sequence[str] | None, pd: Any) -> "pd.Categorical":
    """Join texts of which few differ."""
    known = names or sorted({name for part in parts for name in part.dictionary.to_pylist()})
    place = {name: number for number, name in enumerate(known)}
    codes = []
    for part in parts:
        here = np.array([*(place[name] for name in part.dictionary.to_pylist()), -1], np.int32)
        codes.append(here[part.indices.fill_null(len(here) - 1).to_numpy()])
    return pd.Categorical.from_codes(np.concatenate(codes), list(known))


def _frame(columns: dict[str, Any], names: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(columns, index=pd.Index(names, dtype=object))


def _dictionary(columns: Iterable[Column]) -> "pd.DataFrame":
    """Say what columns are, a row for each."""
    import pandas as pd

    listed = [*columns]
    said = {
        name: [getattr(column, name) for column in listed] for name in ("label", "unit", "meaning", "formula", "source")
    }
    return pd.DataFrame(said, index=pd.Index([column.name for column in listed], dtype=object))


FORMAT: Final = Format((".h5ad",), write)
