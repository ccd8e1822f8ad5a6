"""SpatialData (Marconato and others 2024): outlines, tissue and regions as shapes, measures as a table, in micrometers.

Written part by part as its library lays them out, since that wants all outlines in memory.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import shapely

from pathopipe.exports.anndata import annotated, measured, require
from pathopipe.exports.columns import OUTLINE
from pathopipe.exports.format import Format
from pathopipe.exports.selection import Selection
from pathopipe.results.manifests import mpp_of
from pathopipe.results.reader import SlideResults
from pathopipe.results.schemas.column import schema_of
from pathopipe.results.schemas.features import NUCLEUS_ID
from pathopipe.results.schemas.nuclei import SCHEMA
from pathopipe.results.tables import TableWriter
from pathopipe.units import Mpp

if TYPE_CHECKING:
    import zarr

_NUCLEI: Final = "nuclei"
_TABLE: Final = "table"
_ELEMENT: Final = "element"
"""Column of the table that names the shapes that its rows are about."""
_ROWS: Final = 8_192
_LINKS: Final = {"region": _NUCLEI, "region_key": _ELEMENT, "instance_key": NUCLEUS_ID.name}


def write(selection: Selection, out: Path) -> int:
    """Write one slide into a folder; returns how many nuclei there are."""
    require("spatialdata", "anndata")
    import zarr

    (slide,) = selection.slides
    root = zarr.create_group(out, zarr_format=3, overwrite=True)
    root.attrs["spatialdata_attrs"] = {"version": "0.2"}
    shapes, mpp = root.create_group("shapes"), mpp_of(slide.manifest("tissue"))
    with TableWriter(_element(out, shapes, _NUCLEI, mpp), _schema()) as outlines:
        for batch in selection.nuclei([NUCLEUS_ID, OUTLINE]):
            outlines.write({name: batch.column(name) for name in batch.schema.names})
    _write_areas(selection, slide, out, shapes)
    _write_table(selection, root.create_group("tables"))
    return outlines.count


def _schema() -> pa.Schema:
    """Outlines by the number of the nucleus, which is what pandas takes for their index."""
    index = {"index_columns": [NUCLEUS_ID.name], "column_indexes": [], "columns": [
        {"name": NUCLEUS_ID.name, "field_name": NUCLEUS_ID.name, "pandas_type": "int64", "numpy_type": "int64",
         "metadata": None}]}  # fmt: skip
    geo = SCHEMA.metadata[b"geo"].decode()
    return schema_of([NUCLEUS_ID, OUTLINE], {"geo": geo, "pandas": json.dumps(index)})


def _element(out: Path, shapes: "zarr.Group", name: str, mpp: Mpp) -> Path:
    """Make a group of shapes in level-0 pixels; returns where its table lies."""
    axes = [{"name": axis, "type": "space", "unit": "unit"} for axis in "xy"]
    scale = {"type": "scale", "scale": [mpp.x, mpp.y]}
    ends = {"input": {"name": "xy", "axes": axes}, "output": {"name": "global", "axes": axes}}
    shapes.create_group(
        name,
        attributes={
            "encoding-type": "ngff:shapes",
            "axes": ["x", "y"],
            "coordinateTransformations": [scale | ends],
            "spatialdata_attrs": {"version": "0.3"},
        },
    )
    return out / "shapes" / name / "shapes.parquet"


def _write_areas(selection: Selection, slide: SlideResults, out: Path, shapes: "zarr.Group") -> None:
    """Write tissue, and the regions that were asked for."""
    mpp, asked = mpp_of(slide.manifest("tissue")), selection.asked.regions
    regions = [region for region in slide.regions() if not asked or region.name in asked]
    drawn = [shapely.union_all(region.polygons) for region in regions]
    _write_shapes(_element(out, shapes, "tissue", mpp), slide.tissue(), {})
    if regions:
        said = {"name": [region.name for region in regions], "class": [region.kind for region in regions]}
        _write_shapes(_element(out, shapes, "regions", mpp), drawn, said)


def _write_shapes(path: Path, shapes: Sequence[shapely.Geometry], said: dict[str, list[str]]) -> None:
    geo = json.loads(SCHEMA.metadata[b"geo"])
    geo["columns"][OUTLINE.name]["geometry_types"] = sorted({shape.geom_type for shape in shapes})
    fields = [*(pa.field(name, pa.string()) for name in said), pa.field(OUTLINE.name, pa.binary())]
    with TableWriter(path, pa.schema(fields, {"geo": json.dumps(geo)})) as table:
        table.write({**said, OUTLINE.name: shapely.to_wkb([*shapes])})


def _write_table(selection: Selection, tables: "zarr.Group") -> None:
    import anndata
    import pandas as pd
    from anndata.io import write_elem

    table = annotated(selection)
    table.obs[_ELEMENT] = pd.Categorical.from_codes(np.zeros(table.n_obs, np.int8), [_NUCLEI])
    table.uns["spatialdata_attrs"] = dict(_LINKS)
    with anndata.settings.override(auto_shard_zarr_v3=False):  # else it announces another default
        write_elem(tables, _TABLE, table)
    group: Any = tables[_TABLE]
    group.attrs.update({"spatialdata-encoding-type": "ngff:regions_table", "version": "0.2", **_LINKS})
    shape = (table.n_obs, table.n_vars)
    values = group.create_array(
        "X",
        shape=shape,
        chunks=(min(_ROWS, shape[0]), max(1, shape[1])),
        dtype="float32",
        attributes={"encoding-type": "array", "encoding-version": "0.2.0"},
    )
    start = 0
    for part in measured(selection):
        values[start : start + len(part)] = part
        start += len(part)


FORMAT: Final = Format((".spatialdata.zarr",), write, joins=False)
