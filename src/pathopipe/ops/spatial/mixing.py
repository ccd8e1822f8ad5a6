"""How nuclei of different types lie among each other.

Types are codes: positions in `TYPES`, or -1 where the type is not known. Such nuclei count nowhere here. A value is NaN
where it needs a type of which there are fewer than `FEWEST_OF_TYPE` nuclei.
"""

import math
from fractions import Fraction
from itertools import combinations_with_replacement, permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.spatial.cells import sort_into_cells
from pathopipe.ops.spatial.graph import Graph

FEWEST_OF_TYPE: Final = 20
WITHIN_UM: Final = (25, 50, 100)
SQUARE_UM: Final = 250.0
FEWEST_IN_SQUARE: Final = 20
PAIRS: Final = tuple(combinations_with_replacement(range(len(TYPES)), 2))
"""Unordered pairs of types, each with itself too."""
ORDERED: Final = tuple(permutations(range(len(TYPES)), 2))
"""Ordered pairs of different types."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Codes = NDArray[np.int8]
_EPITHELIAL: Final = TYPES.index("epithelial")
_INFLAMMATORY: Final = TYPES.index("inflammatory")
_STROMAL: Final = TYPES.index("stromal")
_SIDE_UM: Final = 50.0


def type_counts(types: Codes) -> Counts:
    """Nuclei of each type (T,)."""
    return np.bincount(types[types >= 0], minlength=len(TYPES)).astype(np.int64)


def neighbor_counts(types: Codes, graph: Graph) -> Counts:
    """Count (T, T) pairs of neighbors by type; each edge in both directions, so of a type with itself twice."""
    ends = types[graph.edges]
    ends = ends[(ends >= 0).all(axis=1)].astype(np.int64)
    size = len(TYPES)
    counts = np.bincount(ends[:, 0] * size + ends[:, 1], minlength=size * size).reshape(size, size)
    return (counts + counts.T).astype(np.int64)


def interaction_shares(types: Codes, graph: Graph) -> Floats:
    """Share (T, T) of the edges of a type's nuclei (row) that lead to each type (column); rows add up to 1."""
    counts = neighbor_counts(types, graph)
    totals = np.where(type_counts(types) >= FEWEST_OF_TYPE, counts.sum(axis=1), 0)
    return _ratio(counts.astype(np.float64), np.broadcast_to(totals[:, None], counts.shape))


def enrichment_scores(types: Codes, graph: Graph) -> Floats:
    """Standard scores (T, T) of the number of edges between two types against random labelling; symmetric.

    Join counts (Moran 1948, Cliff and Ord 1981): the graph and the number of nuclei of each type are given, and every
    way of assigning the types to the nuclei of known type was as likely. Mean and variance are exact.
    """
    counts, numbers = neighbor_counts(types, graph), [int(number) for number in type_counts(types)]
    known = (types >= 0)[graph.edges].all(axis=1)
    degree = np.bincount(graph.edges[known].ravel(), minlength=graph.count)
    edges, touching = int(np.count_nonzero(known)), int((degree * (degree - 1)).sum())
    scores = np.full(counts.shape, np.nan)
    for a, b in PAIRS:
        if min(numbers[a], numbers[b]) >= FEWEST_OF_TYPE:
            joins = int(counts[a, b]) // (2 if a == b else 1)
            scores[a, b] = scores[b, a] = _join_score(
                joins, edges, touching, numbers[a], numbers[b], a == b, sum(numbers)
            )
    return scores


def nearest_distances(points_um: Floats, types: Codes, workers: int = 1) -> dict[tuple[int, int], Floats]:
    """Distances in um from every nucleus of the first type to the nearest one of the second, by ordered pair.

    Only pairs with `FEWEST_OF_TYPE` of each are there.
    """
    # Sorted: points that lie near each other are near each other in memory, too, and a tree finds them in less time.
    places = [sort_into_cells(points_um[types == code], _SIDE_UM) for code in range(len(TYPES))]
    trees = [cKDTree(place.points) if len(place.order) >= FEWEST_OF_TYPE else None for place in places]
    found = {}
    for a, b in ORDERED:
        tree = trees[b]
        if tree is not None and trees[a] is not None:
            distances = np.asarray(tree.query(places[a].points, k=1, workers=workers)[0], np.float64)
            found[a, b] = places[a].unsorted(distances)
    return found


def co_occurrence(histogram: Counts, types: Codes, within_um: int) -> Floats:
    """Co-occurrence ratio (T, T) p(b within d of a) / p(b); symmetric, 1 where types are mixed at random.

    Of all ordered pairs within d, p(b) is the share whose second nucleus is of type b, and p(b within d of a) the same
    share of those whose first one is of type a (as squidpy, Palla and others 2022).

    Parameters
    ----------
    histogram
        int64 (T, T, R) or larger, what `pathopipe.ops.spatial.pairs.pair_histogram` returned for these types first.
    types
        Codes of the nuclei.
    within_um
        The distance d, at most R.
    """
    size = len(TYPES)
    counts = histogram[:size, :size, :within_um].sum(axis=2).astype(np.float64)
    rows, total = counts.sum(axis=1), counts.sum()
    enough = type_counts(types) >= FEWEST_OF_TYPE
    expected = np.where(enough[:, None] & enough, rows[:, None] * rows, 0.0)
    return _ratio(counts * total, expected)


def diversity(points_um: Floats, types: Codes, origin_um: tuple[float, float]) -> dict[str, float]:
    """Diversity of types in squares of `SQUARE_UM` with at least `FEWEST_IN_SQUARE` nuclei of known type.

    Returns
    -------
    dict
        ``shannon_mean``, ``shannon_sd``: mean and standard deviation over the squares of -sum p ln p (Shannon 1948);
        ``simpson_mean``, ``simpson_sd``: the same of 1 - sum p2 (Simpson 1949). NaN without such squares.
    """
    known = types >= 0
    names = ("shannon_mean", "shannon_sd", "simpson_mean", "simpson_sd")
    cells = np.floor((points_um[known] - origin_um) / SQUARE_UM).astype(np.int64)
    if len(cells) == 0:
        return dict.fromkeys(names, math.nan)
    cells -= cells.min(axis=0)
    # One number for both: `unique` of rows takes ten times as long.
    _, square = np.unique(cells[:, 0] * (int(cells[:, 1].max()) + 1) + cells[:, 1], return_inverse=True)
    size = len(TYPES)
    counts = np.bincount(square.ravel() * size + types[known], minlength=(int(square.max()) + 1) * size)
    counts = counts.reshape(-1, size)
    counts = counts[counts.sum(axis=1) >= FEWEST_IN_SQUARE]
    if len(counts) == 0:
        return dict.fromkeys(names, math.nan)
    shares = counts / counts.sum(axis=1, keepdims=True)
    shannon = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
    simpson = 1.0 - (shares**2).sum(axis=1)
    values = (shannon.mean(), shannon.std(), simpson.mean(), simpson.std())
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def interface_lengths(types: Codes, graph: Graph, duals_um: Floats) -> tuple[float, float]:
    """Length in mm of the border between epithelial nuclei and stromal ones, and between them and all other types.

    It is the sum of the Voronoi edges between neighbors of the two kinds (`dual_lengths`, (E,)); those without a
    length, at gaps and at the border of the tissue, are left out.
    """
    ends, numbers = types[graph.edges], type_counts(types)
    first, second = ends[:, 0], ends[:, 1]
    known = (ends >= 0).all(axis=1) & ~np.isnan(duals_um)
    mixed = known & ((first == _EPITHELIAL) != (second == _EPITHELIAL))
    stromal = mixed & ((first == _STROMAL) | (second == _STROMAL))
    others = int(numbers.sum() - numbers[_EPITHELIAL])
    found = []
    for flags, number in ((stromal, int(numbers[_STROMAL])), (mixed, others)):
        enough = min(number, int(numbers[_EPITHELIAL])) >= FEWEST_OF_TYPE
        found.append(float(duals_um[flags].sum()) / 1000.0 if enough else math.nan)
    return found[0], found[1]


def infiltration(distances: dict[tuple[int, int], Floats], types: Codes, graph: Graph) -> dict[str, float]:
    """Measure how inflammatory nuclei lie to epithelial ones.

    Returns
    -------
    dict
        ``inflammatory_within_25um`` and so on: share of the inflammatory nuclei within that distance of an epithelial
        one, from what `nearest_distances` returned; ``inflammatory_per_epithelial``: mean number of inflammatory
        neighbors of an epithelial nucleus.
    """
    near, numbers = distances.get((_INFLAMMATORY, _EPITHELIAL)), type_counts(types)
    found = {
        f"inflammatory_within_{d}um": math.nan if near is None else int(np.count_nonzero(near <= d)) / len(near)
        for d in WITHIN_UM
    }
    enough = min(int(numbers[_EPITHELIAL]), int(numbers[_INFLAMMATORY])) >= FEWEST_OF_TYPE
    joins = int(neighbor_counts(types, graph)[_EPITHELIAL, _INFLAMMATORY])
    return found | {"inflammatory_per_epithelial": joins / int(numbers[_EPITHELIAL]) if enough else math.nan}


def _join_score(joins: int, edges: int, touching: int, a: int, b: int, same: bool, total: int) -> float:
    """Standard score of a join count.

    Parameters
    ----------
    joins, edges, touching
        Edges between the two types, all edges (there may be none), and ordered pairs of different edges that share a
        nucleus.
    a, b, same, total
        Numbers of nuclei of the two types, whether the two are one type, and the number of nuclei of known type, at
        least 4.
    """
    if same:
        two, three, four = (math.perm(a, k) for k in (2, 3, 4))
    else:
        two, three, four = 2 * a * b, a * math.perm(b, 2) + b * math.perm(a, 2), 4 * math.perm(a, 2) * math.perm(b, 2)
    mean = Fraction(edges * two, math.perm(total, 2))
    apart = edges * (edges - 1) - touching
    square = mean + Fraction(touching * three, math.perm(total, 3)) + Fraction(apart * four, math.perm(total, 4))
    variance = square - mean**2
    return float(joins - mean) / math.sqrt(variance) if variance > 0 else math.nan


def _ratio(dividends: Floats, divisors: Floats | Counts) -> Floats:
    ratios: Floats = np.divide(dividends, divisors, out=np.full(dividends.shape, np.nan), where=divisors > 0)
    return ratios
