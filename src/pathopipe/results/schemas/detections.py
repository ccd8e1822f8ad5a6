"""Columns of ``detect/detections.parquet``, a row per seed point."""

from typing import Final

from pathopipe.results.schemas.column import Column, Table, schema_of

DETECTIONS: Final = (
    Column("x_px", "float64", "level-0 px", "x of the seed, from the left edge of the slide"),
    Column("y_px", "float64", "level-0 px", "y of the seed, from the upper edge of the slide"),
    Column("grid_x_px", "int32", "map px", "column of the maps that the seed lies in"),
    Column("grid_y_px", "int32", "map px", "row of the maps that the seed lies in"),
    Column("score", "float32", "", "confidence of the model in the nucleus, 0 to 1"),
)
TABLE: Final = Table(DETECTIONS)
SCHEMA: Final = schema_of(DETECTIONS)
