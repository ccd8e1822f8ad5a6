"""Influence of a value on a score by all statistics of one measure: a polynomial, and a step function."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.statistics import QUANTILES

Floats = NDArray[np.float64]
_PERCENTILES: Final = {f"p{round(100 * share):02}": share for share in QUANTILES}
_DEVIATION: Final = ("mad_low", "mad_high")
# Half the width of a uniform kernel, in spreads over the fifth root of n: Silverman's rule (1986, 3.31) for the
# Gaussian, by the ratio of their canonical widths (Marron and Nolan 1988).
_HALF_WIDTH: Final = 0.9 * 1.3510 / 0.7764
_IQR_OF_NORMAL: Final = 1.349


@dataclass(frozen=True)
class Term:
    """What a score takes of one measure of a group of nuclei.

    Attributes
    ----------
    slopes
        Of the score, by statistic.
    known
        The group's statistics of the measure, by name.
    count
        Nuclei of the group, at least as many as have a value.
    """

    group: str
    measure: str
    slopes: Mapping[str, float]
    known: Mapping[str, float | None]
    count: int

    @property
    def places(self) -> dict[str, float]:
        """Values at which the density of the measure is needed, by name."""
        names = {name for name in self.slopes if name in _PERCENTILES}
        names |= {"p25", "p75"} if "iqr" in self.slopes else set()
        found = {name: float(self.known[name] or 0.0) for name in sorted(names | ({"p50"} & self._of_median))}
        if "mad" in self.slopes:
            median, mad = float(self.known["p50"] or 0.0), float(self.known["mad"] or 0.0)
            found |= dict(zip(_DEVIATION, (median - mad, median + mad), strict=True))
        return found

    @property
    def _of_median(self) -> set[str]:
        return {"p50"} if "mad" in self.slopes else set()

    @property
    def half_width(self) -> float:
        """Half the width of the kernel for the density."""
        sd, iqr = float(self.known["sd"] or 0.0), float(self.known["iqr"] or 0.0) / _IQR_OF_NORMAL
        return _HALF_WIDTH * (min(sd, iqr) or sd) * math.pow(self.count, -0.2)


@dataclass(frozen=True)
class Function:
    """Influence of a value: a polynomial of its distance from ``center`` in units of ``scale``, and steps.

    Attributes
    ----------
    powers
        (5,) coefficients, the constant first.
    at, levels
        (k,) ascending values, and (k + 1,) what is added up to each of them and beyond the last.
    """

    center: float
    scale: float
    powers: Floats
    at: Floats
    levels: Floats

    def __call__(self, values: Floats) -> Floats:
        """Influence of values (n,), 0 where there is none."""
        z = (values - self.center) / self.scale
        total: Floats = np.asarray(np.polynomial.polynomial.polyval(z, self.powers), np.float64)
        if len(self.at):
            total += self.levels[np.searchsorted(self.at, values)]
        total[~np.isfinite(total)] = 0.0
        return total


def edges(term: Term) -> Floats:
    """Lower end of the kernel, place and upper end, for each of the places, one after the other."""
    reach = term.half_width
    return np.array([place + step for place in term.places.values() for step in (-reach, 0.0, reach)])


def function_of(term: Term, count: int, upto: Floats) -> Function | None:
    """Influence on the score, per nucleus, of the values of one measure; None where too few have one."""
    if count < 4:
        return None
    sd, mean = float(term.known["sd"] or 0.0), float(term.known["mean"] or 0.0)
    scale = sd * math.sqrt((count - 1) / count)
    powers = sum((slope * _powers(name, term.known, count, scale) for name, slope in term.slopes.items()), np.zeros(5))
    at, levels = _steps(term, count, upto)
    return Function(mean, scale, powers / count, at, levels / count)


def _powers(statistic: str, known: Mapping[str, float | None], count: int, scale: float) -> Floats:
    """Coefficients (5,) of the influence function of a moment, by the value's standard score; 0 for other statistics.

    By differentiating moments about the mean: that of order k changes by d^k - m_k - k m_(k-1) d for a value at a
    distance d from the mean.
    """
    sd, cv = float(known["sd"] or 0.0), float(known["cv"] or 0.0)
    if statistic == "mean":
        return np.array([0, scale, 0, 0, 0])
    if statistic == "sd":
        return sd / 2 * np.array([-1.0, 0, 1, 0, 0])
    if statistic == "cv":
        return cv / 2 * np.array([-1.0, 0, 1, 0, 0]) - cv * cv / sd * np.array([0, scale, 0, 0, 0])
    adjust = math.sqrt(count * (count - 1)) / (count - 2)
    skew = float(known["skew"] or 0.0) / adjust
    if statistic == "skew":
        return adjust * np.array([skew / 2, -3, -1.5 * skew, 1, 0])
    if statistic == "kurtosis":
        adjust = (count - 1) / ((count - 2) * (count - 3))
        fourth = (float(known["kurtosis"] or 0.0) / adjust - 6) / (count + 1) + 3
        return adjust * (count + 1) * np.array([fourth, -4 * skew, -2 * fourth, 0, 1])
    return np.zeros(5)


def _steps(term: Term, count: int, upto: Floats) -> tuple[Floats, Floats]:
    """Influence function of the quantiles and of what is made of them: values (k,) and levels (k + 1,) between them."""
    names = list(term.places)
    if not names:
        return np.zeros(0), np.zeros(1)
    low, here, high = upto.reshape(-1, 3).T
    # At least one value, so that the density is never 0: a quantile lies between values that are there.
    density = np.maximum(high - low, 1.0) / (2 * term.half_width * count)
    shares = dict(zip(names, here / count, strict=True))
    densities = dict(zip(names, density.tolist(), strict=True))
    at = np.array(sorted(term.places.values()))
    beyond = np.array([*at, np.inf])
    levels = np.zeros(len(beyond))
    for name, drop in _drops(term.slopes, densities).items():
        levels += drop * (shares[name] - (beyond <= term.places[name]))
    return at, levels


def _drops(slopes: Mapping[str, float], densities: Mapping[str, float]) -> dict[str, float]:
    """How much lower the influence is up to each place than beyond it.

    A quantile q changes by (share - [x <= q]) / density. The MAD s about the median m solves F(m + s) - F(m - s) = 1/2,
    which is differentiated by both; where values are not distributed symmetrically, the median's change counts.
    """
    drops = dict.fromkeys(densities, 0.0)
    wanted = {name: slope for name, slope in slopes.items() if name in _PERCENTILES}
    if iqr := slopes.get("iqr", 0.0):
        wanted["p75"] = wanted.get("p75", 0.0) + iqr
        wanted["p25"] = wanted.get("p25", 0.0) - iqr
    if mad := slopes.get("mad", 0.0):
        low, high = (densities[name] for name in _DEVIATION)
        drops["mad_low"] -= mad / (low + high)
        drops["mad_high"] += mad / (low + high)
        wanted["p50"] = wanted.get("p50", 0.0) - mad * (high - low) / (low + high)
    for name, slope in wanted.items():
        drops[name] += slope / densities[name]
    return drops
