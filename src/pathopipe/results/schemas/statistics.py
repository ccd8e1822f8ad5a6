"""Columns of ``statistics/statistics.parquet``, a row per region and type of nuclei.

First what is counted, then ``<measure>_<statistic>`` for each measure of nuclei, then ``spatial_<measure>``.
"""

from types import MappingProxyType
from typing import Final

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.statistics import STATISTICS as ORDER
from pathopipe.results.schemas.column import Column, Table, Term
from pathopipe.results.schemas.features import MEASURES, TERMS, term_of
from pathopipe.results.schemas.spatial import SPATIAL

STATISTICS: Final = MappingProxyType(
    {
        "mean": "Mean",
        "sd": "SD",
        "cv": "CV",
        "mad": "MAD",
        "iqr": "IQR",
        "skew": "Skewness",
        "kurtosis": "Kurtosis",
        "p05": "5th percentile",
        "p10": "10th percentile",
        "p25": "25th percentile",
        "p50": "Median",
        "p75": "75th percentile",
        "p90": "90th percentile",
        "p95": "95th percentile",
    }
)
"""What statistics are called, in the order in which pages show them."""
DEFINITIONS: Final = MappingProxyType(
    {
        "mean": "arithmetic mean",
        "sd": "standard deviation of the sample (n − 1)",
        "cv": "SD / mean",
        "mad": "median distance from the median (Hampel 1974)",
        "iqr": "75th minus 25th percentile",
        "skew": "adjusted Fisher-Pearson coefficient of skewness (Joanes and Gill 1998)",
        "kurtosis": "adjusted excess kurtosis; 0 for a normal distribution (Joanes and Gill 1998)",
        "p05 to p95": "percentiles, linear between values (Hyndman and Fan 1996, type 7)",
    }
)
"""How they are defined, for the dictionary."""
REGION: Final = Column("region", "string", "", "region that the row describes: slide, for the whole slide")
TYPE: Final = Column("type", "string", "", f"which nuclei it describes: all, or {', '.join(TYPES)}")
WHOLE_SLIDE: Final = "slide"
"""The region that is all of it."""
ALL: Final = "all"
"""Nuclei of any type."""
DENSEST: Final = "densest_field"
LARGEST: Final = "largest_field"
"""Fields of the size that a pathologist counts in: with the most nuclei, and with the largest."""
_RATIOS: Final = ("inflammatory", "stromal")
SLIDE: Final = (
    Column("nuclei_count", "int64", "", "nuclei outlined in the region, of this type", "Nuclei"),
    Column("tissue_mm2", "float64", "mm²", "tissue area of the region", "Tissue area"),
    Column("nuclei_per_mm2", "float64", "per mm²", "nuclei per mm² of tissue", "Nuclear density"),
    Column(
        "region_mm2", "float64", "mm²", "area of the region as drawn; none for the whole slide", "Area of the region"
    ),
    Column(
        "nuclei_per_region_mm2", "float64", "per mm²", "nuclei per mm² of the region as drawn", "Nuclei per region area"
    ),
    Column("nuclear_share", "float64", "", "share of the tissue area that lies inside nuclei", "Nuclear area share"),
    Column(
        "cut_off_share",
        "float64",
        "",
        "share of nuclei at the border of the image or of the analyzed tissue; sizes and shapes leave them out",
        "Nuclei at the border",
    ),
    Column("typed_share", "float64", "", "share of nuclei whose type is known", "Nuclei with a type"),
    *(
        Column(
            f"{name}_share", "float64", "", f"share of {name} nuclei among those with a type", f"Share of {name} nuclei"
        )
        for name in TYPES
    ),
    *(
        Column(
            f"{name}_per_epithelial",
            "float64",
            "",
            f"{name} nuclei per epithelial nucleus",
            f"{name.capitalize()} per epithelial",
        )
        for name in _RATIOS
    ),
)
"""What is counted."""
SLIDE_TERMS: Final = MappingProxyType({column.name: column.term for column in (*SLIDE, *SPATIAL)})
"""Of all columns that are no statistic of a measure of nuclei."""


def split(column: str) -> tuple[str, str] | None:
    """Split ``area_um2_p50`` into ``("area_um2", "p50")``; None where the column is not a measure's statistic."""
    name, _, statistic = column.rpartition("_")
    return (name, statistic) if name in TERMS and statistic in STATISTICS else None


def column_term(column: str) -> Term:
    """Return the term of a column of the statistics table, a measure's statistic or what is counted."""
    if column in SLIDE_TERMS:
        return SLIDE_TERMS[column]
    parts = split(column)
    if parts is None:
        return Term(column, "", "")
    term, statistic = term_of(parts[0]), STATISTICS[parts[1]]
    unit = "" if parts[1] in {"cv", "skew", "kurtosis"} else term.unit
    words = statistic if statistic.isupper() else statistic.lower()
    return Term(f"{term.label}, {words}", unit, term.meaning)


def _column(name: str) -> Column:
    term = column_term(name)
    return Column(name, "float64", term.unit, term.meaning, term.label)


SUMMARIZED: Final = tuple(feature.name for feature in MEASURES if feature.name != "orientation_deg")
"""Measures that have statistics: a direction has no mean like a number's."""
BY_FEATURE: Final = tuple(_column(f"{name}_{statistic}") for name in SUMMARIZED for statistic in ORDER)
"""Statistics of the measures of nuclei."""
COLUMNS: Final = (REGION, TYPE, *SLIDE, *BY_FEATURE, *SPATIAL)
TABLE: Final = Table(COLUMNS, complete=False)
