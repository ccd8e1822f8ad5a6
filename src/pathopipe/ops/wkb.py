"""Rings to well-known binary (OGC 06-103r4), without a loop over points."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# Byte order 1 (little endian), geometry type 3 (polygon), one ring, number of points.
HEADER = np.dtype([("order", "u1"), ("type", "<u4"), ("rings", "<u4"), ("points", "<u4")])
POINT_BYTES = 16


def to_wkb(
    coords: NDArray[np.float64],
    offsets: NDArray[np.int64],
    scale: tuple[float, float] = (1.0, 1.0),
    origin: tuple[float, float] = (0.0, 0.0),
) -> pa.BinaryArray:
    """Pack closed rings as polygons.

    Parameters
    ----------
    coords, offsets
        (M, 2) x, y and (n + 1,) bounds, as in :class:`pathopipe.ops.outline.Outlines`.
    scale, origin
        Factors and shifts along x and y: a point is written as ``(point + origin) * scale``. The shift comes first, so
        that whole and half pixels stay exact and the bytes don't depend on the block that a ring was traced in.

    Raises
    ------
    ValueError
        If the polygons need 2 GiB or more: write fewer at a time.
    """
    counts = np.diff(offsets)
    headers = np.zeros(len(counts), HEADER)
    headers["order"], headers["type"], headers["rings"], headers["points"] = 1, 3, 1, counts
    starts = offsets * POINT_BYTES + HEADER.itemsize * np.arange(len(offsets))  # of each polygon's bytes
    if starts[-1] >= 2**31:
        raise ValueError("polygons of 2 GiB or more do not fit one array: write fewer at a time")
    points = (np.add(coords, origin) * scale).astype("<f8")
    data = np.empty(starts[-1], np.uint8)
    head = np.zeros(len(data), np.bool_)
    head[(starts[:-1, None] + np.arange(HEADER.itemsize)).ravel()] = True
    data[head] = headers.view(np.uint8)
    data[~head] = points.view(np.uint8).ravel()
    buffers = [None, pa.py_buffer(starts.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(counts), buffers)
