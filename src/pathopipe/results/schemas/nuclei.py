"""Columns of ``segment/nuclei.parquet``, GeoParquet with a row per nucleus."""

import json
from typing import Final

from pathopipe.results.schemas.column import Column, Table, schema_of

NUCLEI: Final = (
    Column("nucleus_id", "int64", "", "number of the nucleus, 0, 1, … in the order of the table"),
    Column("geometry", "binary", "level-0 px", "outline, a polygon in WKB"),
    Column("x_px", "float64", "level-0 px", "x of the centroid, from the left edge of the slide"),
    Column("y_px", "float64", "level-0 px", "y of the centroid, from the upper edge of the slide"),
    Column("area_um2", "float64", "µm²", "area inside the outline"),
    Column("score", "float32", "", "confidence of the model in the nucleus, 0 to 1"),
)
# Without the null, readers assume longitude and latitude.
_GEO: Final = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}},
}
TABLE: Final = Table(NUCLEI)
SCHEMA: Final = schema_of(NUCLEI, {"geo": json.dumps(_GEO)})
