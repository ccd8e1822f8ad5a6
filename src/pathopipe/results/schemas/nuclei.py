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
    Column("score", "float32", "", "confidence of the model in the nucleus, 0 to 1; 1 for a given one"),
)
GIVEN_TYPE: Final = Column("given_type", "string", "", "type by the file of nuclei; null for none", optional=True)
GIVEN_NUMBER: Final = Column("given_number", "int64", "", "feature or row of that file, from 0 on, or its label")
# Without the null, readers assume longitude and latitude.
_GEO: Final = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}},
}
TABLE: Final = Table(NUCLEI)
SCHEMA: Final = schema_of(NUCLEI, {"geo": json.dumps(_GEO)})
GIVEN_SCHEMA: Final = schema_of((*NUCLEI, GIVEN_TYPE, GIVEN_NUMBER), {"geo": json.dumps(_GEO)})
"""Of nuclei that the sample sheet gives."""
GIVEN_TABLE: Final = Table((*NUCLEI, GIVEN_TYPE, GIVEN_NUMBER))
