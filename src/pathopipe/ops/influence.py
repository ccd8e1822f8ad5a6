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

from pathopipe.ops.influence_functions import Term, edges, function_of
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.statistics import STATISTICS

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
    terms: tuple[Term, ...]
    coverage: Coverage

    def parts(self) -> Iterator[Floats]:
        """Contribution of each nucleus, some at a time, in their order: positive where it raises the score."""
        functions = [
            (term, function_of(term, *counted)) for term, counted in zip(self.terms, self._count(), strict=True)
        ]
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

    def _values(self, columns: Mapping[str, NDArray[Any]], term: Term, members: Any) -> Floats:
        values = np.asarray(columns[term.measure], np.float64)
        if term.measure in self.whole_only:
            values = np.where(columns[AT_BORDER] == 0, values, np.nan)
        of_members: Floats = values[members]
        return of_members

    def _count(self) -> list[tuple[int, Floats]]:
        """Values of each term, and how many lie up to each end of the kernels at its places, and up to the places."""
        ends = [edges(term) for term in self.terms]
        counts = [0] * len(self.terms)
        upto = [np.zeros(len(some)) for some in ends]
        for columns in self._columns():
            for number, term in enumerate(self.terms):
                values = self._values(columns, term, _members(columns, term.group))
                counts[number] += int(np.count_nonzero(np.isfinite(values)))
                upto[number] += [np.count_nonzero(values <= edge) for edge in ends[number].tolist()]
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
        Term(group, measure, of_measure, _statistics(described[group], measure), _total(described[group]))
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
