"""Outlines of nuclei from GeoParquet."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from pathopipe.annotations.own.base import PER_BATCH, Batch, Frame, Rings, Tally, batched, readable, unfit

_TYPE_COLUMNS: Final = ("given_type", "type", "classification", "class")
_SLIDE: Final = "slide"
_DAMAGED: Final = "is no readable GeoParquet: copy or export it again"


def read_geoparquet(path: Path, frame: Frame, column: str, tally: Tally) -> Iterator[Batch]:  # noqa: ARG001
    """Read polygons in level-0 pixels as our tables count them, and their types where a column holds names."""
    tally.format = "GeoParquet"
    # A file that it opens itself stays open when it is none.
    with readable(column, _DAMAGED), path.open("rb") as stream, pq.ParquetFile(stream) as file:
        geometry, kinds = _geometry_of(file), _kinds_of(file)
        if geometry is None:
            raise unfit(column, "has no column of polygons in WKB: write it as GeoParquet")
        yield from batched(_outlines(file, geometry, kinds, column, tally))


def _geometry_of(file: pq.ParquetFile) -> str | None:
    """Name of the column that GeoParquet's metadata call the primary one, of bytes."""
    schema = file.schema_arrow
    try:
        about = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
        name = str(about.get("primary_column", "geometry"))
    except (ValueError, AttributeError):
        name = "geometry"
    is_bytes = name in schema.names and pa.types.is_binary(schema.field(name).type)
    return name if is_bytes or (name in schema.names and pa.types.is_large_binary(schema.field(name).type)) else None


def _kinds_of(file: pq.ParquetFile) -> str | None:
    """The first of the columns that may hold names of types."""
    schema = file.schema_arrow
    names = (name for name in _TYPE_COLUMNS if name in schema.names)
    return next((name for name in names if _is_text(schema.field(name).type)), None)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _outlines(
    file: pq.ParquetFile, geometry: str, kinds: str | None, column: str, tally: Tally
) -> Iterator[tuple[Rings, int, int, bool]]:
    slides, names = set[str](), [geometry, *([kinds] if kinds else [])]
    if _SLIDE in file.schema_arrow.names:
        names.append(_SLIDE)
    for batch in file.iter_batches(PER_BATCH, columns=list(dict.fromkeys(names))):
        slides |= _slides_of(batch)
        if len(slides) > 1:
            raise unfit(column, "holds nuclei of several slides: export this slide alone, with --only")
        shapes = shapely.from_wkb(np.array(batch[geometry].to_pylist(), object), on_invalid="ignore")
        words = batch[kinds].to_pylist() if kinds else [None] * len(batch)
        for shape, word in zip(shapes.tolist(), words, strict=True):
            number, tally.found = tally.found, tally.found + 1
            if rings := _rings(shape, tally):
                yield rings, number, tally.type_of(str(word or "")), False


def _slides_of(batch: pa.RecordBatch) -> set[str]:
    """Names of the slides that rows are of, as our exports say it; empty where no text does."""
    has_names = _SLIDE in batch.schema.names and _is_text(batch.schema.field(_SLIDE).type)
    return set(batch[_SLIDE].unique().drop_null().to_pylist()) if has_names else set()


def _rings(shape: Any, tally: Tally) -> Rings:
    if shape is None or shape.is_empty or not np.isfinite(shapely.get_coordinates(shape)).all():
        tally.left_out["have no valid geometry"] += 1
        return []
    if shape.geom_type not in {"Polygon", "MultiPolygon"}:
        tally.left_out["are points or lines"] += 1
        return []
    parts = shapely.get_parts(shape).tolist()
    tally.altered["consist of several parts"] += len(parts) > 1
    tally.altered["have holes, which are filled"] += int(shapely.get_num_interior_rings(parts).sum())
    return [shapely.get_coordinates(part.exterior) for part in parts]
