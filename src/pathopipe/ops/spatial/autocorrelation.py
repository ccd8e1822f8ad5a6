"""Whether nuclei that lie near each other are alike in a measure: Moran, Geary, and hot spots.

Weights are binary: 1 between neighbors in the graph, else 0. Points without a value, and then points without a neighbor
that has one, are left out. Standard scores are under randomization: the values are given, and any of their orders over
the places was as likely (Cliff and Ord 1981).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.spatial.graph import Graph
from pathopipe.ops.spatial.pairs import sums_within

HOT_SPOT_UM: Final = 50.0
CRITICAL: Final = 1.959963984540054
"""Two-sided 5% of the normal distribution."""
QUADRANTS: Final = ("high_high", "low_low", "high_low", "low_high")
_TINY: Final = 1e-12

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


@dataclass(frozen=True)
class Autocorrelation:
    """Index and standard score of Moran and of Geary; NaN where all values are equal or there are fewer than 4."""

    moran_i: float
    moran_z: float
    geary_c: float
    geary_z: float


@dataclass(frozen=True)
class Weights:
    """Binary weights among the points that have a value and a neighbor with one.

    Attributes
    ----------
    chosen
        int64 (n,), which of the points these are.
    edges
        int32 (E, 2), pairs of neighbors as positions in ``chosen``.
    degree
        float64 (n,), number of neighbors, at least 1.
    """

    chosen: NDArray[np.int64]
    edges: Indices
    degree: Floats


def weights_of(values: Floats, graph: Graph) -> Weights:
    """Leave out what has no value (NaN or infinite) or no neighbor with one; values are (N,)."""
    known = np.isfinite(values)
    edges = graph.edges[known[graph.edges].all(axis=1)]
    degree = np.bincount(edges.ravel(), minlength=graph.count)
    chosen = np.flatnonzero(degree)
    position = np.cumsum(degree > 0) - 1
    return Weights(chosen, position[edges].astype(np.int32), degree[chosen].astype(np.float64))


def autocorrelation(values: Floats, weights: Weights) -> Autocorrelation:
    """Moran's I (1950) and Geary's C (1954) of values (N,), with scores under randomization (Cliff and Ord 1981).

    I is 0 at random (exactly -1 / (n - 1)) and positive where neighbors are alike; C is 1 at random and lower where
    they are alike.
    """
    z, n, ends = _deviations(values, weights), len(weights.chosen), weights.edges
    if n < 4 or len(z) == 0:
        return Autocorrelation(math.nan, math.nan, math.nan, math.nan)
    s0, s1, s2 = 2.0 * len(ends), 4.0 * len(ends), 4.0 * float((weights.degree**2).sum())
    square, kurtosis = float((z**2).sum()), n * float((z**4).sum()) / float((z**2).sum()) ** 2
    moran = n / s0 * 2.0 * float((z[ends[:, 0]] * z[ends[:, 1]]).sum()) / square
    geary = (n - 1) / (2.0 * s0) * 2.0 * float(((z[ends[:, 0]] - z[ends[:, 1]]) ** 2).sum()) / square
    expected = -1.0 / (n - 1)
    of_moran = (
        n * ((n * n - 3 * n + 3) * s1 - n * s2 + 3 * s0**2) - kurtosis * ((n * n - n) * s1 - 2 * n * s2 + 6 * s0**2)
    ) / ((n - 1.0) * (n - 2.0) * (n - 3.0) * s0**2) - expected**2
    of_geary = (
        (n - 1) * s1 * (n * n - 3 * n + 3 - (n - 1) * kurtosis)
        - (n - 1) * s2 * (n * n + 3 * n - 6 - (n * n - n + 2) * kurtosis) / 4.0
        + s0**2 * (n * n - 3 - (n - 1.0) ** 2 * kurtosis)
    ) / (n * (n - 2.0) * (n - 3.0) * s0**2)
    return Autocorrelation(moran, _score(moran - expected, of_moran), geary, _score(geary - 1.0, of_geary))


def local_moran(values: Floats, weights: Weights) -> tuple[Floats, Floats]:
    """Local Moran's I (n,) (Anselin 1995) of the chosen points, and standard scores (n,).

    I is a point's standardized value times the sum of its neighbors'. The score compares that sum with as many of the
    other points' values, drawn without replacement (conditional randomization; Sokal, Oden and Thomson 1998), and is
    taken as normal. Empty where all values are equal or there are fewer than 4.
    """
    z, n = _deviations(values, weights), len(weights.chosen)
    if n < 4 or len(z) == 0:
        return np.empty(0), np.empty(0)
    z = z / math.sqrt(float((z**2).sum()) / n)
    lag = np.zeros(n)
    _add_neighbors(z, weights.edges, lag)
    others = -z / (n - 1.0)
    variance = (n - z**2) / (n - 1.0) - others**2
    spread = weights.degree * (n - 1.0 - weights.degree) / (n - 2.0) * variance
    scores, usable = np.zeros(n), (spread > 0) & (z != 0)
    np.divide(np.sign(z) * (lag - weights.degree * others), np.sqrt(spread), out=scores, where=usable)
    return z * lag, scores


def quadrant_shares(values: Floats, weights: Weights) -> dict[str, float]:
    """Share of the chosen points of each kind of `QUADRANTS` whose local Moran's I is significant at 5%.

    The first word is the point's value, relative to the mean, the second its neighbors'. NaN where there is no score.
    """
    local, scores = local_moran(values, weights)
    if len(scores) == 0:
        return dict.fromkeys(QUADRANTS, math.nan)
    high = _deviations(values, weights) > 0
    alike, apart = scores > CRITICAL, scores < -CRITICAL
    near_high = high == (local > 0)
    flags = (alike & high & near_high, alike & ~high & ~near_high, apart & high & ~near_high, apart & ~high & near_high)
    return {name: int(np.count_nonzero(flag)) / len(scores) for name, flag in zip(QUADRANTS, flags, strict=True)}


def hot_spot_scores(points_um: Floats, values: Floats, radius_um: float = HOT_SPOT_UM, workers: int = 1) -> Floats:
    """Getis and Ord's Gi*: standard scores of the mean value around each point, itself included.

    Parameters
    ----------
    points_um
        float64 (N, 2).
    values
        float64 (N,), or (N, K) for several measures, which takes less time than one by one. Points that lack a value
        (NaN or infinite) are left out and get NaN.
    radius_um
        Everything up to this distance has weight 1 (Ord and Getis 1995).
    workers
        Threads; the result does not depend on them.

    Returns
    -------
    float64 like ``values``; all NaN where all values of a measure are equal, or fewer than 4.
    """
    columns = values[:, None] if values.ndim == 1 else values
    scores, known = np.full(columns.shape, np.nan), np.flatnonzero(np.isfinite(columns).all(axis=1))
    n = len(known)
    centered = {k: z for k in range(columns.shape[1]) if len(z := _centered(columns[known, k]))}
    if n >= 4 and centered:
        sums, counts = sums_within(points_um[known], np.column_stack(list(centered.values())), radius_um, workers)
        of_places = n * counts - counts.astype(np.float64) ** 2
        for place, (k, z) in enumerate(centered.items()):
            spread, found = float((z**2).sum()) / n * of_places / (n - 1.0), np.full(n, np.nan)
            np.divide(sums[:, place], np.sqrt(spread), out=found, where=spread > 0)
            scores[known, k] = found
    return scores.reshape(values.shape)


def _deviations(values: Floats, weights: Weights) -> Floats:
    return _centered(values[weights.chosen])


def _centered(values: Floats) -> Floats:
    """Deviations from the mean; empty where all values are equal but for rounding."""
    if len(values) == 0:
        return np.empty(0)
    z: Floats = values - values.mean()
    return z if float(np.abs(z).max()) > _TINY * float(np.abs(values).max()) else np.empty(0)


def _score(difference: float, variance: float) -> float:
    return difference / math.sqrt(variance) if variance > 0 else math.nan


@kernel
def _add_neighbors(values: Floats, edges: Indices, sums: Floats) -> None:
    """Add to each point's sum (n,) the values of its neighbors."""
    for e in range(len(edges)):
        sums[edges[e, 0]] += values[edges[e, 1]]
        sums[edges[e, 1]] += values[edges[e, 0]]
