"""How nuclei lie to each other: distances, always measured; and neighbors in a graph, the group `neighborhood`."""

from typing import Final

from pathopipe.ops.spatial.graph import REACH_UM
from pathopipe.ops.spatial.neighbors import NEAREST, WITHIN
from pathopipe.results.schemas.column import Column
from pathopipe.results.schemas.measures.size import SIZE
from pathopipe.results.schemas.measures.staining import STAINING

_EDELSBRUNNER: Final = "Delaunay 1934; Edelsbrunner, Kirkpatrick and Seidel 1983"
_GRAPH: Final = (
    f"neighbors are joined by Delaunay triangles with a circumradius of at most {REACH_UM:g} µm; points are the centers"
)
COMPARED: Final = (
    "area_um2",
    "eccentricity",
    "solidity",
    "circularity",
    "hematoxylin_mean",
    "hematoxylin_sd",
    "eosin_mean",
    "hematoxylin_contrast_5um",
)
"""Measures whose difference from the neighbors' is a measure."""
_NAMED: Final = {column.name: column for column in (*SIZE, *STAINING)}
_ORDINALS: Final = {1: "nearest", 3: "third nearest", 5: "fifth nearest"}


def _column(name: str, unit: str, label: str, meaning: str, formula: str, limits: str = "0 or more") -> Column:
    return Column(name, "float32", unit, meaning, label, formula=formula, source=_EDELSBRUNNER, range=limits)


def _nearest(name: str, number: int) -> Column:
    which = _ORDINALS[number]
    label = "Nearest neighbor" if number == 1 else f"{which.capitalize()} neighbor"
    kind = "float64" if number == 1 else "float32"
    return Column(
        name, kind, "µm", f"distance to the {which} other nucleus, center to center", label, range="0 or more"
    )


def _within(name: str, radius: float) -> Column:
    meaning = f"number of other nuclei within {radius:g} µm"
    return Column(name, "int64", "", meaning, f"Neighbors within {radius:g} µm", range="0 or more")


def _difference(name: str) -> Column:
    column = _NAMED[name]
    return Column(
        f"contrast_{name}",
        "float32",
        column.unit,
        f"how much it exceeds the mean of the neighbors: {column.meaning}",
        f"{column.label}, against neighbors",
        formula=f"value minus mean of the neighbors; {_GRAPH}",
    )


DISTANCES: Final = (
    *(_nearest(name, number) for name, number in NEAREST.items()),
    *(_within(name, radius) for name, radius in WITHIN.items()),
)
NEIGHBORHOOD: Final = (
    _column("degree", "", "Neighbors", "number of neighboring nuclei", _GRAPH),
    _column("edge_mean_um", "µm", "Distance to neighbors, mean", "mean distance to the neighbors", _GRAPH),
    _column("edge_sd_um", "µm", "Distance to neighbors, SD", "spread of the distances to the neighbors", _GRAPH),
    _column("triangle_mean_um2", "µm²", "Triangles, mean", "mean area of the triangles with neighbors", _GRAPH),
    _column("triangle_sd_um2", "µm²", "Triangles, SD", "spread of the areas of the triangles with neighbors", _GRAPH),
    Column(
        "voronoi_um2",
        "float32",
        "µm²",
        "area that is nearer to this nucleus than to any other; none at the rim of the tissue",
        "Voronoi area",
        formula=f"sum of the Voronoi parts of its triangles where they close around it; {_GRAPH}",
        source="Voronoi 1908",
        range="above 0",
    ),
    Column(
        "orientation_agreement",
        "float32",
        "",
        "1 where the neighbors point in the same direction, −1 where they are perpendicular, 0 by chance",
        "Agreement of orientation",
        formula=f"mean over the neighbors of cos 2(a − b), a and b the directions of the major axes; {_GRAPH}",
        source="de Gennes and Prost 1993",
        range="−1 to 1",
    ),
    *(_difference(name) for name in COMPARED),
)
