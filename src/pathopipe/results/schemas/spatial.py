"""Columns ``spatial_<measure>`` of ``statistics/statistics.parquet``."""

from typing import Final

from pathopipe.results.schemas.column import Column

SPATIAL: Final[tuple[Column, ...]] = ()
