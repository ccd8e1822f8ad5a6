"""Nuclei and regions for other programs: a module per format, all from `open_results`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FORMATS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "qupath": "GeoJSON: nuclei with classes and measurements, tissue, regions",
        "csv": "a table, and beside it what its columns are",
        "geoparquet": "a table with outlines, for GeoPandas and R",
        "anndata": "a table with the neighbor graph, for scanpy and squidpy",
        "spatialdata": "outlines, tissue, regions and the table of AnnData, in micrometers",
        "ome-zarr": "a label image of the nuclei, as a pyramid",
    }
)
"""What is in the modules of these names, without importing any."""
