"""Points of a slide in square leaves that hold few enough of them."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST: Final = 4096
"""Points in a leaf."""
_DEPTH: Final = 12
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Leaf:
    """Points that lie near each other: ``rows`` (n,), ascending, and the rectangle that they span."""

    rows: NDArray[np.int64]
    bounds: Bounds


def leaves(x: NDArray[Any], y: NDArray[Any], most: int = MOST) -> list[Leaf]:
    """Split points ``(x, y)``, (N,) and not below 0, into leaves of at most ``most``, along a Z curve (Morton 1966).

    A leaf that can't be split further, because its points lie in one of 4096 x 4096 squares, may have more.
    """
    if not len(x):
        return []
    side = max(float(x.max()), float(y.max()), 1.0) * (1 + 1e-9)
    keys = _interleaved(x, side) | (_interleaved(y, side) << 1)
    order = np.argsort(keys, kind="stable")
    found, waiting = list[Leaf](), [(0, 0, 0, len(x))]
    keys = keys[order]
    while waiting:
        prefix, depth, start, end = waiting.pop()
        if end - start <= most or depth == _DEPTH:
            found.append(_leaf(np.sort(order[start:end]), x, y))
            continue
        shift = 2 * (_DEPTH - depth - 1)
        ends = np.searchsorted(keys, (4 * prefix + np.arange(5)) << shift)
        parts = [(4 * prefix + k, depth + 1, int(ends[k]), int(ends[k + 1])) for k in range(4)]
        waiting.extend(part for part in reversed(parts) if part[3] > part[2])
    return found


def _leaf(rows: NDArray[np.int64], x: NDArray[Any], y: NDArray[Any]) -> Leaf:
    here = x[rows], y[rows]
    return Leaf(rows, (float(here[0].min()), float(here[1].min()), float(here[0].max()), float(here[1].max())))


def _interleaved(values: NDArray[Any], side: float) -> NDArray[np.int64]:
    """Return which of 4096 columns each value lies in, with a zero between any two bits."""
    place = (np.asarray(values, np.float64) / side * (1 << _DEPTH)).astype(np.int64)
    spread = np.zeros_like(place)
    for bit in range(_DEPTH):
        spread |= ((place >> bit) & 1) << (2 * bit)
    return spread
