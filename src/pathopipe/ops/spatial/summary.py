"""All spatial statistics of one set of nuclei: of a slide or of a region."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.spatial import mixing, ripley
from pathopipe.ops.spatial.autocorrelation import (
    CRITICAL,
    QUADRANTS,
    autocorrelation,
    hot_spot_scores,
    quadrant_shares,
    weights_of,
)
from pathopipe.ops.spatial.cells import sort_into_cells
from pathopipe.ops.spatial.clusters import cluster_measures, dense_clusters
from pathopipe.ops.spatial.graph import (
    Graph,
    delaunay_measures,
    dual_lengths,
    edge_lengths,
    neighbor_graph,
    triangle_areas,
)
from pathopipe.ops.spatial.pairs import REACH_UM, pair_histogram
from pathopipe.ops.spatial.window import Window

FEWEST: Final = 30
"""Fewest nuclei for anything, values of a measure, edges, triangles, and closed cells."""
MEASURES: Final = MappingProxyType(
    {"area": "area_um2", "circularity": "circularity", "hematoxylin": "hematoxylin_mean"}
)
"""What autocorrelation is measured of: the word in a column's name, and the measure."""
K_AT_UM: Final = (20, 50, 100)
PEAK_UM: Final = (3, 50)
_SIDE_UM: Final = 50.0

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]
Found = dict[str, float]


@dataclass(frozen=True)
class Shared:
    """What several families need.

    Attributes
    ----------
    points_um, types, measures, window, workers
        As `spatial_measures` takes them.
    graph
        The neighbor graph.
    delaunay
        What `delaunay_measures` returned.
    histogram
        int64 (T + 1, T + 1, 100), pairs by distance and type; the last type is none.
    """

    points_um: Floats
    types: Codes | None
    measures: Mapping[str, Floats]
    window: Window
    workers: int
    graph: Graph
    delaunay: Mapping[str, Floats]
    histogram: NDArray[np.int64]


def spatial_measures(
    points_um: Floats, types: Codes | None, measures: Mapping[str, Floats], window: Window, workers: int = 1
) -> dict[str, float | None]:
    """Measure how nuclei lie.

    Parameters
    ----------
    points_um
        float64 (N, 2), finite centers of the nuclei.
    types
        int8 (N,), positions in `TYPES`, -1 where not known; None without types.
    measures
        float64 (N,) by name; of `MEASURES` those that there are. NaN is allowed.
    window
        Where nuclei could have been seen. Centers just outside it, which a mask of pixels allows for, count like the
        others.
    workers
        Threads; the result does not depend on them.

    Returns
    -------
    dict
        A value per name of `NAMES`, in that order. None where it is not defined, or where there is too little to
        measure: fewer than `FEWEST` nuclei, fewer than `mixing.FEWEST_OF_TYPE` of a type.
    """
    if len(points_um) < FEWEST:
        return dict.fromkeys(NAMES)
    shared = prepare(points_um, types, measures, window, workers)
    found: Found = {}
    for family in FAMILIES.values():
        found |= family(shared)
    return {name: _finite(found.get(name.removeprefix("spatial_"), math.nan)) for name in NAMES}


def prepare(
    points_um: Floats, types: Codes | None, measures: Mapping[str, Floats], window: Window, workers: int
) -> Shared:
    """Compute what several families need."""
    codes = np.full(len(points_um), len(TYPES), np.int8) if types is None else np.where(types < 0, len(TYPES), types)
    graph = neighbor_graph(points_um, workers=workers)
    histogram = pair_histogram(points_um, codes, len(TYPES) + 1, workers=workers)
    delaunay = delaunay_measures(points_um, graph)
    return Shared(points_um, types, measures, window, workers, graph, delaunay, histogram)


def of_graph(shared: Shared) -> Found:
    """Neighbors, their distances, triangles, and Voronoi cells."""
    lengths, degree = edge_lengths(shared.points_um, shared.graph), shared.delaunay["degree"]
    cells = shared.delaunay["voronoi_um2"]
    cells = cells[~np.isnan(cells)]
    found = {
        "isolated_share": float((degree == 0).mean()),
        "degree_mean": float(degree.mean()),
        "degree_sd": float(degree.std()),
    }
    for name, unit, values in (
        ("edge", "um", lengths),
        ("triangle", "um2", triangle_areas(shared.points_um, shared.graph)),
        ("voronoi", "um2", cells),
    ):
        mean, sd = (float(values.mean()), float(values.std())) if len(values) >= FEWEST else (math.nan, math.nan)
        found |= {f"{name}_mean_{unit}": mean, f"{name}_sd_{unit}": sd, f"{name}_disorder": sd / (mean + sd)}
    return found | {"voronoi_median_um2": float(np.median(cells)) if len(cells) >= FEWEST else math.nan}


def of_spacing(shared: Shared) -> Found:
    """Ripley's functions, pair correlation, distances to the nearest, Clark and Evans."""
    window, count = shared.window, len(shared.points_um)
    found = _of_nearest(shared)
    covariance = window.covariance(REACH_UM)
    pairs = shared.histogram.sum(axis=(0, 1))
    k = ripley.k_function(pairs, count, covariance)
    scores = ripley.k_score(k, count, covariance, ripley.disc_cover(window, window.border_distances(), REACH_UM))
    found |= {f"ripley_k_{r}um": float(k[r - 1]) for r in K_AT_UM}
    found |= {f"ripley_l_{r}um": float(ripley.l_minus_r(k)[r - 1]) for r in ripley.L_AT_UM}
    found |= {f"ripley_z_{r}um": float(scores[r - 1]) for r in ripley.L_AT_UM}
    return found | _of_pair_correlation(ripley.pair_correlation(pairs, count, covariance))


def _of_nearest(shared: Shared) -> Found:
    """Distances from nuclei, and from anywhere, to the nearest one."""
    points, window, at = shared.points_um, shared.window, ripley.NEAREST_AT_UM
    # Points that lie near each other are near each other in memory, too: a tree finds them in less time.
    cells, border = sort_into_cells(points, _SIDE_UM), window.border_distances()
    tree = cKDTree(cells.points)
    second = np.asarray(tree.query(cells.points, k=[2], workers=shared.workers)[0], np.float64)
    nearest = cells.unsorted(second[:, 0])
    index, standard = ripley.clark_evans(nearest, window.area_mm2 * 1e6, window.perimeter_um)
    found = {
        "nearest_mean_um": float(nearest.mean()),
        "nearest_sd_um": float(nearest.std()),
        "clark_evans": index,
        "clark_evans_z": standard,
    }
    g = ripley.reduced_sample(nearest, window.sample(border, points), at)
    f = ripley.reduced_sample(*ripley.empty_distances(tree, window, border, shared.workers), at)
    found |= {f"nearest_share_{r}um": float(share) for r, share in zip(at, g, strict=True)}
    found |= {f"empty_share_{r}um": float(share) for r, share in zip(at, f, strict=True)}
    j = dict(zip(at, ripley.j_function(g, f), strict=True))
    return found | {f"j_{r}um": float(j[r]) for r in ripley.J_AT_UM}


def of_likeness(shared: Shared) -> Found:
    """Autocorrelation and hot spots of size, form and stain."""
    found: Found = {}
    for measures in _of_same_nuclei(shared.measures):
        weights = weights_of(next(iter(measures.values())), shared.graph)
        for word, values in measures.items() if len(weights.chosen) >= FEWEST else ():
            whole = autocorrelation(values, weights)
            found |= {f"{word}_moran_i": whole.moran_i, f"{word}_moran_z": whole.moran_z}
            found |= {f"{word}_geary_c": whole.geary_c, f"{word}_geary_z": whole.geary_z}
            found |= {f"{word}_{name}_share": share for name, share in quadrant_shares(values, weights).items()}
        columns = np.column_stack(list(measures.values()))
        scores = hot_spot_scores(shared.points_um, columns, workers=shared.workers)
        for word, of_measure in zip(measures, scores.T, strict=True):
            found |= _of_hot_spots(word, of_measure, shared.delaunay["voronoi_um2"])
    return found


def _of_same_nuclei(measures: Mapping[str, Floats]) -> list[dict[str, Floats]]:
    """Put measures together that are known of the same nuclei, by word; those known of too few are left out."""
    groups: list[tuple[NDArray[np.bool_], dict[str, Floats]]] = []
    for word, measure in MEASURES.items():
        known = np.isfinite(measures.get(measure, np.empty(0)))
        if np.count_nonzero(known) < FEWEST:
            continue
        for same, group in groups:
            if np.array_equal(same, known):
                group[word] = measures[measure]
                break
        else:
            groups.append((known, {word: measures[measure]}))
    return [group for _, group in groups]


def _of_hot_spots(word: str, scores: Floats, cells: Floats) -> Found:
    """Shares of the nuclei in hot and in cold spots, and the area of the hot ones."""
    known, hot = int(np.count_nonzero(~np.isnan(scores))), scores > CRITICAL
    if not known:
        return {}
    return {
        f"{word}_hot_share": int(np.count_nonzero(hot)) / known,
        f"{word}_cold_share": int(np.count_nonzero(scores < -CRITICAL)) / known,
        f"{word}_hot_mm2": float(cells[hot & ~np.isnan(cells)].sum()) / 1e6,
    }


def of_clusters(shared: Shared) -> Found:
    """Dense clusters."""
    found = cluster_measures(shared.points_um, dense_clusters(shared.points_um, workers=shared.workers))
    area = shared.window.area_mm2
    return found | {"clusters_per_mm2": found["clusters"] / area if area > 0 else math.nan}


def of_types(shared: Shared) -> Found:
    """Types among each other; nothing without types."""
    types, points, graph, window = shared.types, shared.points_um, shared.graph, shared.window
    if types is None:
        return {}
    shares, scores = mixing.interaction_shares(types, graph), mixing.enrichment_scores(types, graph)
    distances = mixing.nearest_distances(points, types, shared.workers)
    found = {
        f"interaction_{TYPES[a]}_{TYPES[b]}": float(shares[a, b]) for a in range(len(TYPES)) for b in range(len(TYPES))
    }
    found |= {f"enrichment_{TYPES[a]}_{TYPES[b]}_z": float(scores[a, b]) for a, b in mixing.PAIRS}
    found |= {f"nearest_{TYPES[a]}_{TYPES[b]}_um": float(np.median(each)) for (a, b), each in distances.items()}
    for within in mixing.WITHIN_UM:
        ratios = mixing.co_occurrence(shared.histogram, types, within)
        found |= {f"cooccurrence_{TYPES[a]}_{TYPES[b]}_{within}um": float(ratios[a, b]) for a, b in mixing.PAIRS}
    found |= mixing.diversity(points, types, (window.x0_um, window.y0_um))
    lengths = mixing.interface_lengths(types, graph, dual_lengths(points, graph))
    for name, length in zip(("stromal", "other_types"), lengths, strict=True):
        per_area = length / window.area_mm2 if window.area_mm2 > 0 else math.nan
        found |= {f"interface_{name}_mm": length, f"interface_{name}_mm_per_mm2": per_area}
    return found | mixing.infiltration(distances, types, graph)


FAMILIES: Final[Mapping[str, Callable[[Shared], Found]]] = MappingProxyType(
    {"graph": of_graph, "spacing": of_spacing, "likeness": of_likeness, "clusters": of_clusters, "types": of_types}
)


def _of_pair_correlation(g: Floats) -> Found:
    """The pair correlation at some distances, and where it is highest within `PEAK_UM`: the usual spacing."""
    found = {f"pair_correlation_{r}um": float(g[r]) for r in ripley.PAIR_CORRELATION_AT_UM}
    first, last = PEAK_UM
    part = g[first : last + 1]
    if np.any(np.isnan(part)):
        return found
    return found | {
        "pair_correlation_peak": float(part.max()),
        "pair_correlation_peak_um": float(first + part.argmax()),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _names() -> tuple[str, ...]:
    """All columns, in the order of the families."""
    names = ["isolated_share", "degree_mean", "degree_sd"]
    names += ["edge_mean_um", "edge_sd_um", "edge_disorder"]
    names += [f"{name}_{kind}" for name in ("triangle", "voronoi") for kind in ("mean_um2", "sd_um2", "disorder")]
    names += ["voronoi_median_um2", "nearest_mean_um", "nearest_sd_um", "clark_evans", "clark_evans_z"]
    names += [f"{name}_{r}um" for name in ("nearest_share", "empty_share") for r in ripley.NEAREST_AT_UM]
    names += [f"j_{r}um" for r in ripley.J_AT_UM]
    names += [f"ripley_k_{r}um" for r in K_AT_UM]
    names += [f"ripley_{name}_{r}um" for name in ("l", "z") for r in ripley.L_AT_UM]
    names += [f"pair_correlation_{r}um" for r in ripley.PAIR_CORRELATION_AT_UM]
    names += ["pair_correlation_peak", "pair_correlation_peak_um"]
    kinds = ("moran_i", "moran_z", "geary_c", "geary_z", *(f"{name}_share" for name in QUADRANTS))
    kinds += ("hot_share", "cold_share", "hot_mm2")
    names += [f"{word}_{kind}" for word in MEASURES for kind in kinds]
    names += ["clusters", "clusters_per_mm2", "clustered_share", "cluster_median", "cluster_largest"]
    names += ["cluster_radius_median_um", "cluster_radius_largest_um"]
    names += [f"interaction_{a}_{b}" for a in TYPES for b in TYPES]
    pairs = [f"{TYPES[a]}_{TYPES[b]}" for a, b in mixing.PAIRS]
    names += [f"enrichment_{pair}_z" for pair in pairs]
    names += [f"nearest_{TYPES[a]}_{TYPES[b]}_um" for a, b in mixing.ORDERED]
    names += [f"cooccurrence_{pair}_{within}um" for within in mixing.WITHIN_UM for pair in pairs]
    names += ["shannon_mean", "shannon_sd", "simpson_mean", "simpson_sd"]
    names += [f"interface_{name}_{unit}" for name in ("stromal", "other_types") for unit in ("mm", "mm_per_mm2")]
    names += [*(f"inflammatory_within_{within}um" for within in mixing.WITHIN_UM), "inflammatory_per_epithelial"]
    return tuple(f"spatial_{name}" for name in names)


NAMES: Final = _names()
"""All columns. Those from the first ``spatial_interaction_`` on need types."""
