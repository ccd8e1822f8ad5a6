"""Which nuclei a page shows one by one: chosen in one pass over all of them, by rules that the page states."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.results.grade_parts import DrivingNucleus

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
TYPICAL_BY: Final = ("area_um2", "solidity", "hematoxylin_mean")
"""Measures whose medians a typical nucleus is close to."""


@dataclass(frozen=True)
class Rule:
    """What a gallery is called, and how its nuclei were chosen, in a sentence."""

    title: str
    words: str


RULES: Final = MappingProxyType(
    {
        "drives": Rule("Drive the grade", "The nuclei that raise or lower the score most."),
        "typical": Rule(
            "Typical",
            "Closest to the slide's medians of area, solidity and hematoxylin, counted in interquartile ranges.",
        ),
        "largest": Rule("Largest", "The largest areas. Several nuclei outlined as one would be here, too."),
        "irregular": Rule("Most irregular", "The lowest solidity: the outline fills least of its convex hull."),
        "certain": Rule(
            "Most certain",
            "The highest certainty: the model's score of the nucleus or the probability of its type, whichever is "
            "lower.",
        ),
        "uncertain": Rule(
            "Least certain", "The lowest certainty. What is no nucleus, or of no clear type, would be here."
        ),
        "all": Rule("All nuclei of the slide", "There are no more; the largest first."),
    }
)
"""The galleries, in the order in which pages show them."""
_KINDS: Final = ("typical", "largest", "irregular", "certain", "uncertain", "all")


@dataclass
class _Best:
    """The rows with the highest keys seen so far; of equal ones the first."""

    wanted: int
    keys: Floats = field(default_factory=lambda: np.empty(0))
    ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    values: Floats = field(default_factory=lambda: np.empty(0))

    def add(self, keys: Floats, ids: NDArray[np.int64], values: Floats) -> None:
        known = np.isfinite(keys)
        keys = np.concatenate([self.keys, keys[known]])
        order = np.argsort(-keys, kind="stable")[: self.wanted]
        self.keys = keys[order]
        self.ids = np.concatenate([self.ids, ids[known]])[order]
        self.values = np.concatenate([self.values, values[known]])[order]


@dataclass(frozen=True)
class Chosen:
    """A gallery's nuclei in order, and the number that each was chosen by."""

    kind: str
    ids: tuple[int, ...]
    values: tuple[float, ...]


def choose(parts: Iterable[Columns], quartiles: Mapping[str, tuple[Any, ...]], wanted: int) -> tuple[Chosen, ...]:
    """Choose nuclei for each gallery but that of the grade; memory doesn't depend on how many there are.

    Nuclei that the border cuts off are left out where size or shape decides. Where all nuclei are equally certain,
    nothing is shown as more or less so. Where there are no more than ``wanted`` nuclei, they make one gallery.

    Parameters
    ----------
    parts
        Columns of some nuclei at a time: ``nucleus_id``, ``area_um2``, ``score``, ``at_border``, measures,
        ``p_<type>``, and ``typed`` where the type is said.
    quartiles
        25th, 50th and 75th percentile of the measures of `TYPICAL_BY`, as far as they are known.
    wanted
        Nuclei in each gallery.
    """
    if not wanted:
        return ()
    best = {kind: _Best(wanted + (kind == "all")) for kind in _KINDS}
    for part in parts:
        ids = part["nucleus_id"].astype(np.int64)
        for kind, (keys, values) in _keys(part, quartiles).items():
            best[kind].add(keys, ids, values)
    return tuple(_chosen(kind, best[kind]) for kind in _told_apart(best, wanted) if len(best[kind].ids))


def _told_apart(best: Mapping[str, _Best], wanted: int) -> tuple[str, ...]:
    """Galleries that show different nuclei."""
    if len(best["all"].ids) <= wanted:
        return _KINDS[-1:]
    highest, lowest = best["certain"].keys[:1], -best["uncertain"].keys[:1]
    return _KINDS[:3] if len(highest) and highest == lowest else _KINDS[:-1]


def _chosen(kind: str, best: _Best) -> Chosen:
    return Chosen(kind, tuple(best.ids.tolist()), tuple(best.values.tolist()))


def driving(strongest: Sequence[DrivingNucleus], wanted: int) -> tuple[Chosen, ...]:
    """Make the gallery of the nuclei that drive the grade, as the grader names them; none where it names none."""
    first = strongest[:wanted]
    if not first:
        return ()
    return (Chosen("drives", tuple(one["nucleus_id"] for one in first), tuple(one["influence"] for one in first)),)


def _keys(part: Columns, quartiles: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Floats, Floats]]:
    """Per gallery what is ranked, the highest first, and the number that is shown; nan is not chosen."""
    area = part["area_um2"].astype(np.float64)
    whole = np.where(part["at_border"] == 0, 0.0, np.nan)
    solidity = part["solidity"].astype(np.float64)
    certainty, is_typed = _certainty(part)
    return {
        "typical": (whole - _distance(part, quartiles), area),
        "largest": (whole + area, area),
        "irregular": (whole - solidity, solidity),
        "certain": (np.where(is_typed, certainty, np.nan), certainty),
        "uncertain": (-certainty, certainty),
        "all": (area, area),
    }


def _distance(part: Columns, quartiles: Mapping[str, tuple[Any, ...]]) -> Floats:
    """Mean square of how many interquartile ranges a nucleus is from the medians; nan where none is known."""
    found = [
        np.square((part[name] - middle) / (high - low)) for name, (low, middle, high) in quartiles.items() if high > low
    ]
    return np.asarray(np.mean(found, axis=0) if found else np.full(len(part["area_um2"]), np.nan), np.float64)


def _certainty(part: Columns) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the lower one of score and probability of the likeliest type, and for which nuclei the type is said.

    Where there is no model of types, only the score counts, and it counts for all.
    """
    score = part["score"].astype(np.float64)
    shares = np.column_stack([part[f"p_{name}"] for name in TYPES])
    known = np.isfinite(shares).any(axis=1)
    likeliest = np.where(known, np.nan_to_num(shares, nan=-np.inf).max(axis=1), np.inf)
    return np.minimum(score, likeliest), part["typed"].astype(bool) | ~known
