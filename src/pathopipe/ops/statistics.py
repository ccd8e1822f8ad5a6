"""The distribution of a measurement over nuclei, as one row of numbers."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

QUANTILES: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
STATISTICS: Final = (
    "mean",
    "sd",
    "cv",
    "skew",
    "kurtosis",
    *(f"p{round(100 * quantile):02}" for quantile in QUANTILES),
    "iqr",
    "mad",
)
LEAST: Final = 10
"""Of fewer values there is a mean and a median, and no spread, shape or other quantile."""

Row = dict[str, float | None]


def summarize(columns: Mapping[str, NDArray[Any]], least: int = LEAST) -> Row:
    """Summarize every column as ``<column>_<statistic>``, in the order of the columns and of ``STATISTICS``."""
    return {
        f"{name}_{statistic}": value
        for name, values in columns.items()
        for statistic, value in describe(values, least).items()
    }


def describe(values: NDArray[Any], least: int = LEAST) -> Row:
    """Describe the distribution of values (N,), numbers of any type; what is not finite is left out.

    ``sd`` is the sample's (n - 1), ``cv`` is sd over mean, quantiles interpolate linearly (type 7 of Hyndman and Fan
    1996), ``skew`` and ``kurtosis`` are the adjusted Fisher-Pearson coefficients (Joanes and Gill 1998; a normal
    distribution has 0), ``iqr`` is the distance of the quartiles, and ``mad`` the median distance from the median
    (Hampel 1974). What isn't defined is None: all of an empty column, all but mean and median of fewer than ``least``
    values, cv of a mean of 0, skew and kurtosis of equal values.
    """
    finite = np.asarray(values, np.float64)
    if not (known := np.isfinite(finite)).all():
        finite = finite[known]
    if finite.size == 0:
        return dict.fromkeys(STATISTICS)
    mean, count = float(np.mean(finite)), finite.size
    # Sorted once: numpy sorts a million numbers in less time than it takes to find seven quantiles of them.
    ordered = np.sort(finite)
    quantiles = {quantile: _quantile(ordered, quantile) for quantile in QUANTILES}
    found: Row = dict.fromkeys(STATISTICS) | {"mean": mean, "p50": quantiles[0.5]}
    if count < max(least, 2):
        return found
    deviations = finite - mean
    squares = deviations * deviations
    sd = math.sqrt(float(np.sum(squares)) / (count - 1))
    found |= {f"p{round(100 * quantile):02}": value for quantile, value in quantiles.items()}
    found |= {"sd": sd, "cv": sd / mean if mean != 0 else None}
    found |= {"iqr": quantiles[0.75] - quantiles[0.25], "mad": _median_distance(ordered, quantiles[0.5])}
    if ordered[-1] > ordered[0] and sd > 0:
        # In place: of a million numbers, taking the memory of an array takes as long as filling it.
        deviations /= sd * math.sqrt((count - 1) / count)
        np.multiply(deviations, deviations, out=squares)
        deviations *= squares
        found["skew"] = _skew(float(np.mean(deviations)), count)
        squares *= squares
        found["kurtosis"] = _kurtosis(float(np.mean(squares)) - 3, count)
    return found


def _quantile(ordered: NDArray[np.float64], quantile: float) -> float:
    """Quantile of sorted values (N,), linear between them."""
    place = quantile * (len(ordered) - 1)
    low = int(place)
    first, second = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)])
    return first + (place - low) * (second - first)


def _median_distance(ordered: NDArray[np.float64], center: float) -> float:
    """Median distance of sorted values (N,) from a center, without sorting the distances."""
    place = (len(ordered) - 1) // 2
    first, second = (_distance(ordered, center, min(rank, len(ordered) - 1)) for rank in (place, place + 1))
    return first + (0.5 * (len(ordered) - 1) - place) * (second - first)


def _distance(ordered: NDArray[np.float64], center: float, rank: int) -> float:
    """Distance from a center of that of sorted values (N,) which has so many before it by distance.

    The nearest ones lie side by side, and both of their ends are as near as can be where the left one would no longer
    be replaced by the next on the right.
    """
    low, high = 0, len(ordered) - 1 - rank
    while low < high:
        start = (low + high) // 2
        if center - float(ordered[start]) > float(ordered[start + rank + 1]) - center:
            low = start + 1
        else:
            high = start
    return max(abs(float(ordered[low]) - center), abs(float(ordered[low + rank]) - center))


def _skew(moment: float, count: int) -> float | None:
    """Adjust the third standardized moment of some values."""
    return moment * math.sqrt(count * (count - 1)) / (count - 2) if count > 2 else None


def _kurtosis(moment: float, count: int) -> float | None:
    """Adjust the fourth standardized moment of some values, minus 3."""
    return (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * moment + 6) if count > 3 else None
