"""The tables of a slide by name, for who may be asked for any of them."""

from types import MappingProxyType
from typing import Final

from pathopipe.results.schemas import detections, features, nuclei, statistics, tiles, types

TABLES: Final = MappingProxyType(
    {
        "tiles": tiles.TABLE,
        "detections": detections.TABLE,
        "nuclei": nuclei.TABLE,
        "features": features.TABLE,
        "statistics": statistics.TABLE,
        "types": types.TABLE,
    }
)
