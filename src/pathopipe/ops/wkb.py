"""Rings to well-known binary (OGC 06-103r4) and back, as columns of Arrow."""

from typing import Final

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from pathopipe.jit import kernel

# A polygon of one ring, least byte first; then how many points it has, and the points.
_POLYGON: Final = np.frombuffer(bytes([1, 3, 0, 0, 0, 1, 0, 0, 0]), np.uint8)
_HEADER: Final = len(_POLYGON) + 4
_POINT: Final = 16


def to_wkb(
    coords: NDArray[np.float64], offsets: NDArray[np.int64], scale: tuple[float, float] = (1.0, 1.0)
) -> NDArray[np.uint8]:
    """Pack closed rings as polygons, one after another.

    Parameters
    ----------
    coords, offsets
        (M, 2) x, y and (n + 1,) bounds, as in :class:`pathopipe.ops.outline.Outlines`.
    scale
        Factors along x and y.

    Returns
    -------
    uint8, what `wkb_column` makes a column of.
    """
    points = np.ascontiguousarray(coords * scale, "<f8").view(np.uint8).ravel()
    packed = np.empty(_HEADER * (len(offsets) - 1) + len(points), np.uint8)
    _pack(points, offsets, _POLYGON, packed)
    return packed


def wkb_column(packed: NDArray[np.uint8], points: NDArray[np.int64]) -> pa.BinaryArray:
    """Make a column of what `to_wkb` packed, given how many points each of the rings has.

    Raises
    ------
    pyarrow.ArrowInvalid
        If the polygons need 2 GiB or more.
    """
    ends = np.concatenate([[0], np.cumsum(_HEADER + _POINT * points)])
    if ends[-1] >= 2**31:
        raise pa.ArrowInvalid(f"{len(points):,} polygons need {ends[-1]:,} bytes, and a column has room for 2 GiB")
    # `pyarrow.array` would import pandas.
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(packed)]
    return pa.Array.from_buffers(pa.binary(), len(points), buffers)


@kernel
def _pack(
    points: NDArray[np.uint8], offsets: NDArray[np.int64], head: NDArray[np.uint8], packed: NDArray[np.uint8]
) -> None:
    place = 0
    for i in range(len(offsets) - 1):
        count = offsets[i + 1] - offsets[i]
        packed[place : place + head.size] = head
        place += head.size
        for k in range(4):
            packed[place + k] = (count >> (8 * k)) & 255
        place += 4
        packed[place : place + 16 * count] = points[16 * offsets[i] : 16 * offsets[i + 1]]
        place += 16 * count


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
