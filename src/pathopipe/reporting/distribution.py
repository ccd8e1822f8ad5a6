"""Numbers of one measure, reduced to what a figure shows."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathopipe.reporting.svg import round_below

BINS = 36
SHOWN = (0.5, 99.5)
"""Percentiles between which a histogram is drawn: a few merged nuclei must not squeeze all others into two bars."""


@dataclass(frozen=True)
class Distribution:
    """A histogram with its quartiles.

    Attributes
    ----------
    edges
        ``n + 1`` borders of the bars, in the unit of the measure.
    counts
        How many values fall into each bar.
    p25, p50, p75
        Quartiles of all values, the ones outside of the bars included.
    total, below, above
        How many values there are, and how many lie below the first and above the last border.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    p25: float
    p50: float
    p75: float
    total: int
    below: int
    above: int


def distribution(values: ArrayLike, *, overwrite: bool = False) -> Distribution | None:
    """Count values into bars of round width; None where none is finite. To ``overwrite`` leaves them in any order."""
    numbers = np.asarray(values, dtype=np.float64)
    if not (known := np.isfinite(numbers)).all():
        numbers = numbers[known]
    if not numbers.size:
        return None
    low, p25, p50, p75, high = np.percentile(numbers, [SHOWN[0], 25, 50, 75, SHOWN[1]], overwrite_input=overwrite)
    edges = round_edges(float(low), float(high))
    counts, _ = np.histogram(numbers, bins=edges)
    below, above = int((numbers < edges[0]).sum()), int((numbers > edges[-1]).sum())
    quartiles = (float(p25), float(p50), float(p75))
    return Distribution(tuple(edges.tolist()), tuple(counts.tolist()), *quartiles, numbers.size, below, above)


def round_edges(low: float, high: float, bins: int = BINS) -> NDArray[np.float64]:
    """Return borders at multiples of a round width, about ``bins`` bars that cover ``low`` to ``high``."""
    if not high > low:
        half = max(abs(low) * 0.05, 0.5)
        low, high = low - half, high + half
    width = round_below(2 * (high - low) / bins)
    first, last = math.floor(low / width), math.ceil(high / width)
    return np.arange(first, last + 1, dtype=np.float64) * width
