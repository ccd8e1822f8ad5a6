"""The score of a grader by criteria: the mean of standardized items, of a slide or of resamples of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.base import Described, Parts
from pathopipe.grading.criteria_card import CriteriaCard, Item, Statistic
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.resampling import each_resample, squares

Floats = NDArray[np.float64]
Known = Mapping[Statistic, Floats]

RESAMPLES: Final = 200
SQUARE_UM: Final = 250.0
SEED: Final = 1991
_AT_BORDER: Final = "at_border"


@dataclass(frozen=True)
class Resampled:
    """Statistics of the slide, and of resamples of its squares.

    Attributes
    ----------
    known
        (201,) of each: of the slide itself, then of 200 resamples; NaN where there are too few nuclei.
    squares, side_um
        How many squares hold nuclei, and how large they are.
    """

    known: Known
    squares: int
    side_um: float


def known_of(card: CriteriaCard, described: Described) -> dict[Statistic, Floats]:
    """Look up the statistics of a card; NaN where there is none."""
    return {part: _number(described.get(part.type, {}).get(part.column)) for part in card.statistics}


def item_values(item: Item, known: Known) -> Floats:
    """Value of an item, of any shape; not finite where it can't be had."""
    if item.over is None:
        return known[item.of]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(known[item.of] / known[item.over])


def score_of(card: CriteriaCard, known: Known) -> Floats:
    """Mean of the standardized items, of any shape."""
    standardized = [(item_values(item, known) - item.center) / item.scale for item in card.items]
    return np.asarray(np.mean(standardized, axis=0))


def slope_of(card: CriteriaCard, known: Known) -> dict[tuple[str, str], float]:
    """How much the score changes with each statistic, by type and column."""
    slope = dict.fromkeys(((part.type, part.column) for part in card.statistics), 0.0)
    for item in card.items:
        weight, of = 1 / (item.scale * len(card.items)), (item.of.type, item.of.column)
        if item.over is None:
            slope[of] += weight
            continue
        below = float(known[item.over])
        slope[of] += weight / below
        slope[item.over.type, item.over.column] -= weight * float(known[item.of]) / below**2
    return slope


def resample(nuclei: Parts, statistics: tuple[Statistic, ...]) -> Resampled:
    """Compute statistics of the slide and of resamples of its squares, as neighbors are alike.

    Every nucleus is added to its square by itself, in order, so it does not matter in which parts they come.
    """
    place, side_um = squares(lambda: ((part["x_um"], part["y_um"]) for part in nuclei(("x_um", "y_um"))), SQUARE_UM)
    count = int(place.max(initial=0)) + 1
    of = tuple(dict.fromkeys((part.type, part.measure, part.whole) for part in statistics))
    sums = _sums(nuclei, of, place, count)
    weights = (np.ones(count, np.int64), *each_resample(count, RESAMPLES, SEED))
    # Not a product of matrices, whose last bits may depend on the number of threads.
    drawn = np.stack([np.einsum("...k,k->...", sums, each) for each in weights], axis=-1)
    by_measure = dict(zip(of, drawn, strict=True))
    known = {part: _statistic(part.kind, by_measure[part.type, part.measure, part.whole]) for part in statistics}
    return Resampled(known, count, side_um)


def _sums(
    nuclei: Parts, of: tuple[tuple[str, str, bool], ...], place: NDArray[np.unsignedinteger], count: int
) -> Floats:
    """Number, sum and sum of squares of measures in every square, (measures, 3, count)."""
    sums, start = np.zeros((len(of), 3, count)), 0
    for part in nuclei(("type", _AT_BORDER, *dict.fromkeys(measure for _, measure, _ in of))):
        here = place[start : start + len(part["type"])]
        start += len(here)
        for (name, measure, whole), held in zip(of, sums, strict=True):
            values = part[measure]
            chosen = (part["type"] == TYPES.index(name)) & np.isfinite(values)
            if whole:
                chosen &= part[_AT_BORDER] == 0
            for power, into in enumerate(held):
                np.add.at(into, here[chosen], values[chosen] ** power)
    return sums


def _statistic(kind: str, sums: Floats) -> Floats:
    """Mean, standard deviation or coefficient of variation from sums (3, n)."""
    count, total, squared = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = total / count
        spread = np.sqrt(np.maximum(squared - total * mean, 0) / np.where(count > 1, count - 1, np.nan))
        found: dict[str, Floats] = {"mean": mean, "sd": spread, "cv": spread / mean}
    return found[kind]


def _number(value: object) -> Floats:
    return np.asarray(value if isinstance(value, int | float) else np.nan, np.float64)
