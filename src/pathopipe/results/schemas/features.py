"""Columns of ``features/features.parquet``, a row per nucleus in the order of ``nuclei.parquet``."""

from types import MappingProxyType
from typing import Final

from pathopipe.results.schemas.column import Column, Table, Term

_OD: Final = "OD"

NUCLEUS_ID: Final = Column("nucleus_id", "int64", "", "number of the nucleus, as in nuclei.parquet")
MEASURES: Final = (
    Column("area_um2", "float64", "µm²", "area inside the outline", "Nuclear area"),
    Column("perimeter_um", "float64", "µm", "length of the outline (Crofton estimate)", "Perimeter"),
    Column("major_axis_um", "float64", "µm", "length of the ellipse with the same second moments", "Major axis"),
    Column("minor_axis_um", "float64", "µm", "width of the ellipse with the same second moments", "Minor axis"),
    Column("eccentricity", "float64", "", "0 for a circle, close to 1 for a spindle", "Eccentricity"),
    Column("solidity", "float64", "", "share of the convex hull that the nucleus fills; 1 is convex", "Solidity"),
    Column(
        "circularity",
        "float64",
        "",
        "4π area / perimeter²; 1 for a circle, lower for irregular outlines",
        "Circularity",
    ),
    Column(
        "hematoxylin_mean",
        "float64",
        _OD,
        "mean hematoxylin density; higher is darker (hyperchromasia)",
        "Hematoxylin, mean",
    ),
    Column(
        "hematoxylin_sd", "float64", _OD, "spread within the nucleus; higher is coarser chromatin", "Hematoxylin, SD"
    ),
    Column(
        "hematoxylin_edge",
        "float64",
        _OD,
        "drop in density across the outline; higher is a crisper border",
        "Hematoxylin, edge",
    ),
    Column("eosin_mean", "float64", _OD, "mean eosin density inside the nucleus", "Eosin, mean"),
    Column("eosin_sd", "float64", _OD, "spread of eosin within the nucleus", "Eosin, SD"),
    Column(
        "eosin_edge",
        "float64",
        _OD,
        "drop in eosin across the outline; negative where the cytoplasm is redder",
        "Eosin, edge",
    ),
    Column(
        "nearest_um", "float64", "µm", "distance to the nearest other nucleus, center to center", "Nearest neighbor"
    ),
    Column("neighbors_50um", "int64", "", "number of other nuclei within 50 µm", "Neighbors within 50 µm"),
)
"""What is measured of each nucleus."""
TABLE: Final = Table((NUCLEUS_ID, *MEASURES), complete=False)
TERMS: Final = MappingProxyType({column.name: column.term for column in MEASURES})


def term_of(name: str) -> Term:
    """Return the term of a feature; one that is not known is shown under its own name."""
    return TERMS.get(name) or Term(name, "", "")
