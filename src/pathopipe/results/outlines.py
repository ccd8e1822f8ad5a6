"""Outlines of nuclei, as ``nuclei.parquet`` holds them."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from pathopipe.ops.wkb import from_wkb, polygons_of_one_ring
from pathopipe.results.documents import damaged, reading
from pathopipe.units import Grid

LARGEST_UM: Final = 100.0
"""Width and height of an outline; the largest radius around a seed that can be set is 32 micrometers."""


def unpack_outlines(path: Path, geometry: Any, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Unpack outlines from a column of a table.

    Parameters
    ----------
    path
        The table.
    geometry
        Polygons in level-0 pixels, as WKB: Arrow's column, or an array (n,) of bytes.
    grid
        The working grid, which they lie on.

    Returns
    -------
    tuple
        Points (M, 2) as x, y in pixels of the grid, and bounds (n + 1,), as `ops.wkb.from_wkb` gives them.

    Raises
    ------
    ArtifactError
        When one is not a polygon of one ring, lies beyond the slide, or is larger than any nucleus.
    """
    with reading(path):
        coords, offsets = from_wkb(geometry)
    coords = coords / (grid.factor_x, grid.factor_y)
    if not len(coords):
        return coords, offsets
    low, high = (reduce.reduceat(coords, offsets[:-1]) for reduce in (np.minimum, np.maximum))
    beyond = (low < -1) | (high > (grid.width + 1, grid.height + 1))
    too_large = (high - low) * (grid.mpp_x, grid.mpp_y) > LARGEST_UM
    if not np.isfinite(coords).all() or (beyond | too_large).any():
        raise damaged(path)
    return coords, offsets


def polygons_of(path: Path, geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return the polygons (n,) in level-0 pixels of a table's column (n,) of WKB.

    Raises
    ------
    ArtifactError
        When one is not a polygon of one ring.
    """
    with reading(path):
        polygons = polygons_of_one_ring(geometry)
    if not np.isfinite(shapely.get_coordinates(polygons)).all():
        raise damaged(path)
    return polygons
