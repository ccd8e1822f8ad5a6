"""The distribution of a measurement over the nuclei of a slide, as one row of numbers."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

STATISTICS: Final = ("mean", "sd", "cv", "p05", "p25", "p50", "p75", "p95", "skew")
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

Row = dict[str, float | None]


def summarize(columns: Mapping[str, NDArray[Any]]) -> Row:
    """Summarize every column as ``<column>_<statistic>``, in the order of the columns and of ``STATISTICS``."""
    return {
        f"{name}_{statistic}": value
        for name, values in columns.items()
        for statistic, value in describe(values).items()
    }


def describe(values: NDArray[Any]) -> Row:
    """Describe the distribution of values (N,), numbers of any type; what is not finite is left out.

    ``sd`` is the sample's (n - 1), ``cv`` is sd over mean, quantiles interpolate linearly (type 7 of Hyndman and Fan
    1996), ``skew`` is the adjusted Fisher-Pearson coefficient (Joanes and Gill 1998). What isn't defined is None: all
    of an empty column, sd and cv of one value, cv of a mean of 0, skew of fewer than three or of equal values.
    """
    finite = np.asarray(values, np.float64)
    if not (known := np.isfinite(finite)).all():
        finite = finite[known]
    if finite.size == 0:
        return dict.fromkeys(STATISTICS)
    mean = float(np.mean(finite))
    deviations = finite - mean
    sd = float(np.sqrt(np.sum(deviations**2) / (finite.size - 1))) if finite.size > 1 else None
    cv = sd / mean if sd is not None and mean != 0 else None
    quantiles = (float(q) for q in np.quantile(finite, QUANTILES, method="linear"))
    return dict(zip(STATISTICS, (mean, sd, cv, *quantiles, _skew(deviations)), strict=True))


def _skew(deviations: NDArray[np.float64]) -> float | None:
    """Return the adjusted third standardized moment of values given as deviations from their mean (N,)."""
    n = deviations.size
    variance = float(np.mean(deviations**2))
    if n < 3 or np.ptp(deviations) == 0.0:
        return None
    return float(np.mean(deviations**3)) / math.sqrt(variance) ** 3 * math.sqrt(n * (n - 1)) / (n - 2)
