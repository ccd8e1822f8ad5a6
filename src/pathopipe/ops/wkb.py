"""Rings to well-known binary (OGC 06-103r4) and back, without a loop over points."""

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


def from_wkb(packed: pa.BinaryArray) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
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
    _, starts_buffer, data_buffer = packed.buffers()
    starts = np.frombuffer(starts_buffer, np.int32)[packed.offset : packed.offset + len(packed) + 1].astype(np.int64)
    data = np.frombuffer(data_buffer or b"", np.uint8)[starts[0] : starts[-1]]
    places = starts - starts[0]
    lengths = np.diff(places) - HEADER.itemsize
    if packed.null_count or (lengths < 0).any() or (lengths % POINT_BYTES).any():
        raise ValueError("these are no polygons of one ring")
    head = places[:-1, None] + np.arange(HEADER.itemsize)
    headers = data[head].view(HEADER)
    counts = lengths // POINT_BYTES
    for name, expected in (("order", 1), ("type", 3), ("rings", 1), ("points", counts)):
        if (headers[name].ravel() != expected).any():
            raise ValueError("these are no polygons of one ring")
    body = np.ones(len(data), np.bool_)
    body[head] = False
    return data[body].view("<f8").reshape(-1, 2), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
