"""Rings to well-known binary (OGC 06-103r4) and back, by shapely, as columns of Arrow."""

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray


def to_wkb(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], scale: tuple[float, float] = (1.0, 1.0)
) -> pa.BinaryArray:
    """Pack closed rings as polygons.

    Parameters
    ----------
    coords, offsets
        (M, 2) x, y and (n + 1,) bounds, as in :class:`pathopipe.ops.outline.Outlines`.
    scale
        Factors along x and y.

    Raises
    ------
    pyarrow.ArrowInvalid
        If the polygons need 2 GiB or more.
    """
    rings = offsets, np.arange(len(offsets))  # of which each is a polygon
    polygons = shapely.from_ragged_array(shapely.GeometryType.POLYGON, coords * scale, rings)
    packed = shapely.to_wkb(polygons, byte_order=1).tolist()
    ends = np.cumsum([0, *map(len, packed)], dtype=np.int64)
    # `pyarrow.array` would import pandas.
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(packed))]
    return pa.Array.from_buffers(pa.large_binary(), len(packed), buffers).cast(pa.binary())


def from_wkb(packed: pa.BinaryArray | NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Unpack polygons of one ring each, as `to_wkb` packs them.

    Returns
    -------
    tuple
        Points (M, 2) as x, y of all rings in turn, and (n + 1,) bounds.

    Raises
    ------
    ValueError
        If one is anything else.
    """
    shapes = polygons_of_one_ring(packed)
    ends = np.cumsum(shapely.get_num_coordinates(shapes), dtype=np.int64)
    return shapely.get_coordinates(shapes), np.concatenate([[0], ends])


def polygons_of_one_ring(packed: pa.BinaryArray | NDArray[np.object_]) -> NDArray[np.object_]:
    """Unpack polygons (n,); raises as `from_wkb` does."""
    shapes: NDArray[np.object_] = shapely.from_wkb(np.array(packed.tolist(), object), on_invalid="ignore")
    others = shapely.get_type_id(shapes) != shapely.GeometryType.POLYGON
    if (others | shapely.is_empty(shapes) | (shapely.get_num_interior_rings(shapes) > 0)).any():
        raise ValueError("these are not polygons of one ring each")
    return shapes
