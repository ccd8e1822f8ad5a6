"""The distribution of a measurement over nuclei, as one row of numbers."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
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
    column = pd.Series(finite, copy=False)
    mean, quantiles = float(column.mean()), column.quantile(list(QUANTILES))
    found: Row = dict.fromkeys(STATISTICS) | {"mean": mean, "p50": float(quantiles[0.5])}
    if finite.size < max(least, 2):
        return found
    sd = float(column.std())
    found |= {f"p{round(100 * quantile):02}": float(value) for quantile, value in quantiles.items()}
    found |= {"sd": sd, "cv": sd / mean if mean != 0 else None}
    found |= {"iqr": float(quantiles[0.75] - quantiles[0.25]), "mad": float((column - quantiles[0.5]).abs().median())}
    if np.ptp(finite) > 0:
        found |= {"skew": _defined(column.skew()), "kurtosis": _defined(column.kurt())}
    return found


def _defined(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
