"""Columns ``spatial_...``: how nuclei lie, as `pathopipe.ops.spatial.summary` measures it.

Null where a value is not defined or there are too few nuclei.
"""

from itertools import combinations_with_replacement, permutations
from typing import Final

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.results.schemas.column import Column

_WORDS: Final = {"area": "nuclear area", "circularity": "circularity", "hematoxylin": "mean hematoxylin density"}


def _spatial(name: str, unit: str, label: str, meaning: str, formula: str = "", source: str = "") -> Column:
    """Make a column."""
    return Column(f"spatial_{name}", "float64", unit, meaning, label, formula=formula, source=source)


_GRAPH_NOTE: Final = "neighbors are joined by a Delaunay triangle with a circumradius of at most 50 µm"
_DOYLE: Final = "Doyle and others 2008"


def _spread(name: str, unit: str, label: str, what: str, source: str) -> tuple[Column, ...]:
    """Mean, standard deviation and disorder of something about the neighbor graph."""
    suffix = unit.replace("µ", "u").replace("²", "2")
    return (
        _spatial(f"{name}_mean_{suffix}", unit, f"{label}, mean", f"mean {what}", "mean", source),
        _spatial(f"{name}_sd_{suffix}", unit, f"{label}, SD", f"standard deviation of the {what}", "SD", source),
        _spatial(
            f"{name}_disorder", "", f"{label}, disorder",
            f"0 where every {what} is equal, close to 1 where they differ",
            "1 - 1 / (1 + SD / mean)", _DOYLE,
        ),
    )  # fmt: skip


_GRAPH: Final = (
    _spatial("isolated_share", "", "Nuclei without neighbors", f"share of nuclei without a neighbor; {_GRAPH_NOTE}",
             "nuclei without neighbors / nuclei", "Edelsbrunner, Kirkpatrick and Seidel 1983"),
    _spatial("degree_mean", "", "Neighbors, mean", f"mean number of neighbors of a nucleus; {_GRAPH_NOTE}",
             "mean of the degree", "Delaunay 1934"),
    _spatial("degree_sd", "", "Neighbors, SD", "standard deviation of the number of neighbors",
             "SD of the degree", "Delaunay 1934"),
    *_spread("edge", "µm", "Distance of neighbors", "distance between neighbors, center to center", "Delaunay 1934"),
    *_spread("triangle", "µm²", "Delaunay triangles", "area of the triangles between neighbors", "Delaunay 1934"),
    *_spread("voronoi", "µm²", "Voronoi cells", "area nearer to a nucleus than to others, where these surround it",
             "Voronoi 1908"),
    _spatial("voronoi_median_um2", "µm²", "Voronoi cells, median", "median area nearer to a nucleus than to any other",
             "median", "Voronoi 1908"),
)  # fmt: skip


def _at(r: int) -> tuple[Column, ...]:
    """Shares and J at a distance: three columns, of which each goes to its own group."""
    return (
        _spatial(f"nearest_share_{r}um", "", f"G at {r} µm",
                 f"share of nuclei whose nearest one is within {r} µm, of those at least as far from the border",
                 "#(d ≤ r, b ≥ r) / #(b ≥ r)", "Ripley 1988"),
        _spatial(f"empty_share_{r}um", "", f"F at {r} µm",
                 f"share of places in tissue with a nucleus within {r} µm, of those at least as far from the border",
                 "#(d ≤ r, b ≥ r) / #(b ≥ r)", "Ripley 1988"),
        _spatial(f"j_{r}um", "", f"J at {r} µm",
                 f"1 at random, lower where nuclei cluster, higher where they keep apart, at {r} µm",
                 "(1 - G) / (1 - F)", "van Lieshout and Baddeley 1996"),
    )  # fmt: skip


_SPACING: Final = (
    _spatial("nearest_mean_um", "µm", "Nearest neighbor, mean", "mean distance to the nearest other nucleus",
             "mean of the nearest distance", "Clark and Evans 1954"),
    _spatial("nearest_sd_um", "µm", "Nearest neighbor, SD", "standard deviation of the distance to the nearest nucleus",
             "SD of the nearest distance", "Clark and Evans 1954"),
    _spatial("clark_evans", "", "Clark-Evans index",
             "1 at random, lower where nuclei cluster, higher where they are regularly spaced",
             "mean / (0.5 √(A/n) + (0.0514 + 0.041/√n) P/n)", "Clark and Evans 1954, Donnelly 1978"),
    _spatial("clark_evans_z", "", "Clark-Evans index, z", "standard score of the index against random places",
             "(mean - expected) / √(0.0703 A/n² + 0.037 P √(A/n⁵))", "Donnelly 1978"),
    *(_at(r)[k] for k in range(2) for r in (5, 10, 15, 20, 30)),
    *(_at(r)[2] for r in (5, 10, 15, 20)),
    *(_spatial(f"ripley_k_{r}um", "µm²", f"Ripley's K at {r} µm",
               f"area that would hold as many nuclei at random as lie within {r} µm of a nucleus",
               "A² / (n (n - 1)) Σ 1 / γ(d) over d ≤ r", "Ripley 1976, Ohser and Stoyan 1981") for r in (20, 50, 100)),
    *(_spatial(f"ripley_l_{r}um", "µm", f"L(r) - r at {r} µm",
               f"0 at random, positive where nuclei cluster, negative where they keep apart, up to {r} µm",
               "√(K / π) - r", "Besag 1977") for r in (10, 20, 30, 50, 100)),
    *(_spatial(f"ripley_z_{r}um", "", f"Ripley's K at {r} µm, z",
               f"standard score of the number of pairs within {r} µm against random places",
               "(K - π r²) / SD of K at random", "Ripley 1988, Hoeffding 1948") for r in (10, 20, 30, 50, 100)),
    *(_spatial(f"pair_correlation_{r}um", "", f"Pair correlation at {r} µm",
               f"density of nuclei {r} µm from a nucleus over that at random", "dK / (2 π r dr), box of ± 2 µm",
               "Stoyan and Stoyan 1994") for r in (5, 10, 15, 20, 30, 50, 75)),
    _spatial("pair_correlation_peak", "", "Pair correlation, peak", "highest pair correlation from 3 to 50 µm",
             "max g", "Stoyan and Stoyan 1994"),
    _spatial("pair_correlation_peak_um", "µm", "Pair correlation, place of the peak",
             "distance at which the pair correlation is highest: the usual spacing", "argmax g",
             "Stoyan and Stoyan 1994"),
)  # fmt: skip


def _likeness(word: str) -> tuple[Column, ...]:
    """Autocorrelation and hot spots of one measure."""
    what = _WORDS[word]
    label = what[0].upper() + what[1:]
    quadrants = (
        ("high_high", f"a high {what} among high ones"),
        ("low_low", f"a low {what} among low ones"),
        ("high_low", f"a high {what} among low ones"),
        ("low_high", f"a low {what} among high ones"),
    )
    return (
        _spatial(f"{word}_moran_i", "", f"{label}: Moran's I",
                 f"0 at random, positive where neighbors have a similar {what}",
                 "(n / S0) Σ w_ij z_i z_j / Σ z_i²", "Moran 1950"),
        _spatial(f"{word}_moran_z", "", f"{label}: Moran's I, z", "standard score of Moran's I under randomization",
                 "(I - E) / SD", "Cliff and Ord 1981"),
        _spatial(f"{word}_geary_c", "", f"{label}: Geary's C",
                 f"1 at random, lower where neighbors have a similar {what}",
                 "((n - 1) / 2 S0) Σ w_ij (x_i - x_j)² / Σ z_i²", "Geary 1954"),
        _spatial(f"{word}_geary_z", "", f"{label}: Geary's C, z", "standard score of Geary's C under randomization",
                 "(C - 1) / SD", "Cliff and Ord 1981"),
        *(_spatial(f"{word}_{name}_share", "", f"{label}: {name.replace('_', '-')}",
                   f"share of nuclei with {meaning}, by local Moran's I at p < 0.05", "z Σ w z",
                   "Anselin 1995, Sokal, Oden and Thomson 1998") for name, meaning in quadrants),
        _spatial(f"{word}_hot_share", "", f"{label}: hot spots",
                 f"share of nuclei around which {what} is significantly high within 50 µm (p < 0.05)",
                 "Gi* > 1.96", "Ord and Getis 1995"),
        _spatial(f"{word}_cold_share", "", f"{label}: cold spots",
                 f"share of nuclei around which {what} is significantly low within 50 µm (p < 0.05)",
                 "Gi* < -1.96", "Ord and Getis 1995"),
        _spatial(f"{word}_hot_mm2", "mm²", f"{label}: area of hot spots",
                 f"area of the Voronoi cells of the nuclei in hot spots of {what}, where known", "Σ cells, Gi* > 1.96",
                 "Ord and Getis 1995"),
    )  # fmt: skip


_DBSCAN: Final = "Ester and others 1996"
_CLUSTERS: Final = (
    _spatial("clusters", "", "Dense clusters", "number of clusters of at least 10 nuclei within 15 µm of one of them",
             "DBSCAN", _DBSCAN),
    _spatial("clusters_per_mm2", "per mm²", "Dense clusters per area", "dense clusters per area of tissue", "n / A",
             _DBSCAN),
    _spatial("clustered_share", "", "Nuclei in dense clusters", "share of nuclei in a dense cluster", "", _DBSCAN),
    _spatial("cluster_median", "", "Dense clusters, median size", "nuclei in the median dense cluster", "", _DBSCAN),
    _spatial("cluster_largest", "", "Dense clusters, largest", "nuclei in the largest dense cluster", "", _DBSCAN),
    _spatial("cluster_radius_median_um", "µm", "Dense clusters, median radius",
             "radius of gyration of the median dense cluster", "√(mean squared distance from the center)", _DBSCAN),
    _spatial("cluster_radius_largest_um", "µm", "Dense clusters, radius of the largest",
             "radius of gyration of the dense cluster with most nuclei", "√(mean squared distance from the center)",
             _DBSCAN),
)  # fmt: skip

_PAIRS: Final = tuple(combinations_with_replacement(TYPES, 2))
_TYPED: Final = (
    *(_spatial(f"interaction_{a}_{b}", "", f"Neighbors of {a} nuclei: {b}",
               f"share of the neighbors of {a} nuclei that are {b}", "edges a-b / edges of a", "Palla and others 2022")
      for a in TYPES for b in TYPES),
    *(_spatial(f"enrichment_{a}_{b}_z", "", f"Enrichment of {a} beside {b}",
               f"standard score of the number of {a} and {b} neighbors against types at random",
               "(joins - E) / SD", "Cliff and Ord 1981") for a, b in _PAIRS),
    *(_spatial(f"nearest_{a}_{b}_um", "µm", f"From {a} to {b}, median",
               f"median distance from {a} nuclei to the nearest {b} one", "median of the nearest distance",
               "Clark and Evans 1954") for a, b in permutations(TYPES, 2)),
    *(_spatial(f"cooccurrence_{a}_{b}_{within}um", "", f"Co-occurrence of {a} and {b} within {within} µm",
               f"probability of {b} within {within} µm of {a}, over that of {b}; 1 where types are mixed at random",
               "p(b within d of a) / p(b)", "Palla and others 2022") for within in (25, 50, 100) for a, b in _PAIRS),
    _spatial("shannon_mean", "", "Diversity of types (Shannon), mean",
             "mean Shannon diversity of types in squares of 250 µm",
             "-Σ p ln p", "Shannon 1948"),
    _spatial("shannon_sd", "", "Diversity of types (Shannon), SD", "its standard deviation over the squares",
             "SD of -Σ p ln p", "Shannon 1948"),
    _spatial("simpson_mean", "", "Diversity of types (Simpson), mean",
             "mean Simpson diversity of types in squares of 250 µm",
             "1 - Σ p²", "Simpson 1949"),
    _spatial("simpson_sd", "", "Diversity of types (Simpson), SD", "its standard deviation over the squares",
             "SD of 1 - Σ p²", "Simpson 1949"),
    _spatial("interface_stromal_mm", "mm", "Border of epithelium and stroma",
             "length of the Voronoi edges between epithelial and stromal neighbors", "Σ lengths", "Voronoi 1908"),
    _spatial("interface_stromal_mm_per_mm2", "mm/mm²", "Border of epithelium and stroma per area",
             "that length per area of tissue", "Σ lengths / A", "Voronoi 1908"),
    _spatial("interface_other_types_mm", "mm", "Border of epithelium",
             "length of the Voronoi edges between epithelial neighbors and those of any other type", "Σ lengths",
             "Voronoi 1908"),
    _spatial("interface_other_types_mm_per_mm2", "mm/mm²", "Border of epithelium per area",
             "that length per area of tissue", "Σ lengths / A", "Voronoi 1908"),
    *(_spatial(f"inflammatory_within_{within}um", "", f"Inflammatory nuclei within {within} µm of epithelium",
               f"share of inflammatory nuclei within {within} µm of an epithelial one", "#(d ≤ r) / n")
      for within in (25, 50, 100)),
    _spatial("inflammatory_per_epithelial", "", "Inflammatory neighbors of an epithelial nucleus",
             "mean number of inflammatory neighbors of an epithelial nucleus", "edges / epithelial nuclei",
             "Delaunay 1934"),
)  # fmt: skip

SPATIAL: Final = (
    *_GRAPH,
    *_SPACING,
    *(column for word in _WORDS for column in _likeness(word)),
    *_CLUSTERS,
    *_TYPED,
)
"""All columns; those from ``spatial_interaction_...`` on need types."""
