"""Groups of slides that differ in many numbers at once, found without being told of any."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST_SLIDES: Final = 10
"""Slides of which groups are looked for: of fewer, chance makes too many."""
SMALLEST: Final = 3
"""Slides of a group: fewer are outliers."""
COMPONENTS: Final = 3
ALPHA: Final = 0.01
"""Chance that slides of one kind are split."""
_SHARE: Final = 0.4
_OF_NORMAL: Final = 1.0488
"""Width of the middle 40% of a standard normal distribution."""
_FARTHEST: Final = 8.0
_REFERENCES: Final = 1999
_MOST_DRAWN: Final = 1000

Floats = NDArray[np.float64]


def scaled(values: ArrayLike, least: ArrayLike) -> Floats:
    """Bring measures to one scale that groups of slides do not widen.

    Each has its median subtracted, and is divided by the shortest interval that holds 40% of its values (after the
    shortest half of Rousseeuw 1984), in standard deviations of a normal distribution. Where there are up to two groups
    of the same size that is the spread within a group, not between them. Values beyond 8 count as 8.

    Parameters
    ----------
    values
        (n, d), at least 10 slides.
    least
        (d,): a smaller spread than this counts as this one, so that differences too small to matter stay small.
    """
    found = np.asarray(values, np.float64)
    ordered = np.sort(found, axis=0)
    inside = max(SMALLEST, int(np.ceil(_SHARE * len(found))))
    shortest = (ordered[inside - 1 :] - ordered[: len(found) - inside + 1]).min(axis=0)
    spread = np.maximum(shortest / _OF_NORMAL, least)
    return np.asarray(np.clip((found - np.median(found, axis=0)) / spread, -_FARTHEST, _FARTHEST))


def find_groups(values: Floats) -> NDArray[np.int64]:
    """Split slides in two as long as they fall apart more clearly than chance makes slides of one kind do.

    Principal direction divisive partitioning (Boley 1998) with the criterion of Tibshirani, Walther and Hastie (2001).
    Along each of the first three principal components the slides are cut in two where the squares within both parts are
    smallest. The clearest cut counts if its share of squares within is among the smallest 1% (Bonferroni for three
    components) of as many numbers drawn from a uniform distribution: the one without groups that is most like having
    some. Both parts are then looked at in the same way.

    Parameters
    ----------
    values
        (n, d), as `scaled` makes them, or any of one scale.

    Returns
    -------
    (n,): the group of each, 0 for the largest; all 0 where there are no groups, and of fewer than 10 slides.
    """
    groups = np.zeros(len(values), np.int64)
    waiting = [np.arange(len(values))]
    while waiting:
        members = waiting.pop()
        parts = _cut(values[members])
        if parts is not None:
            first, second = (members[part] for part in parts)
            groups[second] = groups.max() + 1
            waiting += [first, second]
    sizes = np.bincount(groups)
    firsts = [int(np.argmax(groups == group)) for group in range(len(sizes))]
    order = sorted(range(len(sizes)), key=lambda group: (-int(sizes[group]), firsts[group]))
    return np.argsort(order)[groups]


def first_components(values: Floats) -> tuple[Floats, Floats]:
    """Places (n, 2) along the first two principal components, and the share of all variation that each holds (2,).

    Each component is turned so that the value farthest from 0 is positive.
    """
    centered = values - values.mean(axis=0)
    squares, axes = np.linalg.eigh(centered.T @ centered)
    places = centered @ axes[:, :-3:-1]
    farthest = places[np.abs(places).argmax(axis=0), np.arange(places.shape[1])]
    return places * np.where(farthest < 0, -1.0, 1.0), squares[:-3:-1] / (squares.sum() or 1.0)


def _cut(values: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Members of both parts; None where there is no clear cut."""
    count = len(values)
    if count < FEWEST_SLIDES:
        return None
    centered = values - values.mean(axis=0)
    axes = np.linalg.eigh(centered.T @ centered)[1][:, : -COMPONENTS - 1 : -1]
    cuts = []
    for place, along in enumerate((centered @ axes).T):
        order = np.argsort(along, kind="stable")
        within, first = _best_cut(along[order])
        cuts.append((float(within), place, order, int(first)))
    least, _, order, cut = min(cuts, key=lambda one: one[:2])
    reference = _reference(min(count, _MOST_DRAWN))
    p = (1 + int(np.searchsorted(reference, least, "right"))) / (_REFERENCES + 1)
    return (order[:cut], order[cut:]) if p * len(cuts) <= ALPHA else None


def _best_cut(ordered: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Share of the squares that is left within both parts of sorted numbers (..., n), and the size of the first."""
    count = ordered.shape[-1]
    centered = ordered - ordered.mean(axis=-1, keepdims=True)
    sums, sizes = np.cumsum(centered, axis=-1)[..., :-1], np.arange(1, count)
    between = sums**2 * (1 / sizes + 1 / (count - sizes))
    between[..., (sizes < SMALLEST) | (count - sizes < SMALLEST)] = -1.0
    total = (centered**2).sum(axis=-1)
    return 1 - between.max(axis=-1) / np.where(total, total, 1.0), between.argmax(axis=-1) + 1


@cache
def _reference(count: int) -> Floats:
    """Sorted shares of squares within the best cut of ``count`` uniform numbers, the same at every call."""
    drawn = np.random.default_rng(0).uniform(size=(_REFERENCES, count))
    drawn.sort(axis=1)
    return np.sort(_best_cut(drawn)[0])
