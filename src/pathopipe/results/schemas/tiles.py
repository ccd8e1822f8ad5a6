"""Columns of ``tiles/tiles.parquet``, a row per tile."""

from typing import Final

from pathopipe.results.schemas.column import Column, Table, schema_of

_LEVEL_0: Final = "level-0 px"
_GRID: Final = "working px"

TILES: Final = (
    Column("tile_id", "int64", "", "number of the tile, 0, 1, … row by row"),
    Column("x_px", "float64", _LEVEL_0, "left border"),
    Column("y_px", "float64", _LEVEL_0, "upper border"),
    Column("width_px", "float64", _LEVEL_0, "width of the tile"),
    Column("height_px", "float64", _LEVEL_0, "height of the tile"),
    Column("grid_x_px", "int64", _GRID, "left edge on the grid of the manifest"),
    Column("grid_y_px", "int64", _GRID, "upper edge on the grid of the manifest"),
    Column("grid_width_px", "int64", _GRID, "width on the grid of the manifest"),
    Column("grid_height_px", "int64", _GRID, "height on the grid of the manifest"),
    Column("tissue_share", "float64", "", "share of its area that is tissue, above 0, up to 1"),
)
TABLE: Final = Table(TILES)
SCHEMA: Final = schema_of(TILES)
