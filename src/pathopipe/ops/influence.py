"""How much each nucleus contributes to a number that is made of statistics, by their influence functions.

The empirical influence function (Hampel 1974, J Am Stat Assoc 69:383) of a statistic says how it moves when a little
more weight is put on a value. Times the slope of a score by the statistic, and divided by the number of nuclei, it is
what the score would lose without that nucleus, to first order.

Of one measure, all statistics in `ops.statistics` together are a polynomial of degree 4 in the value (moments), and a
step function (quantiles and what is made of them). So they take one evaluation per value, however many there are.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.statistics import QUANTILES, STATISTICS

Floats = NDArray[np.float64]
Slope = Mapping[tuple[str, str], float]
"""Derivatives of a score, by type of nuclei (``all`` or one of them) and column of statistics."""
Described = Mapping[str, Mapping[str, Any]]
"""Statistics by type of nuclei and column."""
Parts = Callable[[Sequence[str]], Iterable[Mapping[str, NDArray[Any]]]]
"""Gives columns of all nuclei, in the same order on every call, some at a time."""
TYPE: Final = "type"
AT_BORDER: Final = "at_border"
_ALL: Final = "all"
_PERCENTILES: Final = {f"p{round(100 * share):02}": share for share in QUANTILES}
_DEVIATION: Final = ("mad_low", "mad_high")
# Half the width of a uniform kernel, in spreads over the fifth root of n: Silverman's rule (1986, 3.31) for the
# Gaussian, by the ratio of their canonical widths (Marron and Nolan 1988).
_HALF_WIDTH: Final = 0.9 * 1.3510 / 0.7764
_IQR_OF_NORMAL: Final = 1.349


@dataclass(frozen=True)
class _Term:
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
class _Function:
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


@dataclass(frozen=True)
class Coverage:
    """How much of a slope influence is known of.

    Attributes
    ----------
    share
        Of the sum of absolute slopes, each times its statistic: by how much the score moves when each statistic moves
        by the same share of itself.
    left_out
        Type and column of the others, the steepest first.
    """

    share: float
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ScoreInfluence:
    """Contributions of nuclei to a score; made by `score_influence`."""

    nuclei: Parts
    whole_only: frozenset[str]
    terms: tuple[_Term, ...]
    coverage: Coverage

    def parts(self) -> Iterator[Floats]:
        """Contribution of each nucleus, some at a time, in their order: positive where it raises the score."""
        functions = [(term, _function(term, *counted)) for term, counted in zip(self.terms, self._count(), strict=True)]
        used = [(term, function) for term, function in functions if function is not None]
        for columns in self._columns():
            total = np.zeros(len(columns[AT_BORDER]))
            for term, function in used:
                members = _members(columns, term.group)
                total[members] += function(self._values(columns, term, members))
            yield total

    def _columns(self) -> Iterator[Mapping[str, NDArray[Any]]]:
        names = dict.fromkeys(term.measure for term in self.terms)
        yield from self.nuclei([*names, AT_BORDER, TYPE])

    def _values(self, columns: Mapping[str, NDArray[Any]], term: _Term, members: Any) -> Floats:
        values = np.asarray(columns[term.measure], np.float64)
        if term.measure in self.whole_only:
            values = np.where(columns[AT_BORDER] == 0, values, np.nan)
        of_members: Floats = values[members]
        return of_members

    def _count(self) -> list[tuple[int, Floats]]:
        """Values of each term, and how many lie up to each end of the kernels at its places, and up to the places."""
        edges = [_edges(term) for term in self.terms]
        counts = [0] * len(self.terms)
        upto = [np.zeros(len(some)) for some in edges]
        for columns in self._columns():
            for number, term in enumerate(self.terms):
                values = self._values(columns, term, _members(columns, term.group))
                counts[number] += int(np.count_nonzero(np.isfinite(values)))
                upto[number] += [np.count_nonzero(values <= edge) for edge in edges[number].tolist()]
        return list(zip(counts, upto, strict=True))


def score_influence(
    nuclei: Parts, slope: Slope, described: Described, measures: Iterable[str], whole_only: Iterable[str]
) -> ScoreInfluence:
    """Prepare the contributions of nuclei to a score.

    Parameters
    ----------
    nuclei
        Their measures, ``type`` as a place in `TYPES` (-1 where it is not known), and ``at_border``.
    slope
        Of the score, at these statistics. A column without influence function is left out: how nuclei lie, counts and
        shares, and what is not described.
    described
        Statistics that `ops.statistics` made of the same nuclei.
    measures
        Columns of nuclei that there are.
    whole_only
        Measures of whose statistics nuclei at the border are no part.
    """
    known = frozenset(measures)
    steep = {key: value for key, value in slope.items() if value and math.isfinite(value)}
    parts = {key: _split(key, known, described) for key in steep}
    slopes = dict[tuple[str, str], dict[str, float]]()
    for (group, column), found in parts.items():
        if found is not None:
            slopes.setdefault((group, found[0]), {})[found[1]] = steep[group, column]
    terms = tuple(
        _Term(group, measure, of_measure, _statistics(described[group], measure), _total(described[group]))
        for (group, measure), of_measure in slopes.items()
    )
    left_out = [key for key, found in parts.items() if found is None]
    return ScoreInfluence(nuclei, frozenset(whole_only), terms, _coverage(steep, described, left_out))


def _coverage(slope: Slope, described: Described, left_out: list[tuple[str, str]]) -> Coverage:
    weights = {key: abs(value * float(described.get(key[0], {}).get(key[1]) or 0.0)) for key, value in slope.items()}
    total = math.fsum(weights.values())
    lost = math.fsum(weights[key] for key in left_out)
    order = sorted(left_out, key=lambda key: (-weights[key], key))
    return Coverage(1 - lost / total if total else float(not left_out), tuple(order))


def _split(key: tuple[str, str], measures: frozenset[str], described: Described) -> tuple[str, str] | None:
    """Measure and statistic of a column; None where it has no influence function here."""
    group, column = key
    measure, _, statistic = column.rpartition("_")
    if measure not in measures or statistic not in STATISTICS or group not in {_ALL, *TYPES}:
        return None
    known = _statistics(described.get(group, {}), measure)
    # Without a spread all values are the same, or too few: no statistic says how they are distributed.
    return (measure, statistic) if known[statistic] is not None and known["sd"] else None


def _statistics(row: Mapping[str, Any], measure: str) -> dict[str, float | None]:
    return {name: row.get(f"{measure}_{name}") for name in STATISTICS}


def _total(row: Mapping[str, Any]) -> int:
    return max(int(row.get("nuclei_count") or 0), 1)


def _members(columns: Mapping[str, NDArray[Any]], group: str) -> Any:
    return slice(None) if group == _ALL else np.flatnonzero(columns[TYPE] == TYPES.index(group))


def _edges(term: _Term) -> Floats:
    """Lower end of the kernel, place and upper end, for each of the places, one after the other."""
    reach = term.half_width
    return np.array([place + step for place in term.places.values() for step in (-reach, 0.0, reach)])


def _function(term: _Term, count: int, upto: Floats) -> _Function | None:
    """Influence on the score, per nucleus, of the values of one measure; None where too few have one."""
    if count < 4:
        return None
    sd, mean = float(term.known["sd"] or 0.0), float(term.known["mean"] or 0.0)
    scale = sd * math.sqrt((count - 1) / count)
    powers = sum((slope * _powers(name, term.known, count, scale) for name, slope in term.slopes.items()), np.zeros(5))
    at, levels = _steps(term, count, upto)
    return _Function(mean, scale, powers / count, at, levels / count)


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


def _steps(term: _Term, count: int, upto: Floats) -> tuple[Floats, Floats]:
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
