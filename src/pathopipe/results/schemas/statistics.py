"""Columns of ``features/statistics.parquet``: those of the slide, then ``<feature>_<statistic>`` for each feature."""

from types import MappingProxyType
from typing import Final

from pathopipe.ops.statistics import STATISTICS as ORDER
from pathopipe.results.schemas.column import Column, Table, Term
from pathopipe.results.schemas.features import MEASURES, term_of

STATISTICS: Final = MappingProxyType(
    {
        "mean": "Mean",
        "sd": "SD",
        "cv": "CV",
        "skew": "Skewness",
        "p05": "5th percentile",
        "p25": "25th percentile",
        "p50": "Median",
        "p75": "75th percentile",
        "p95": "95th percentile",
    }
)
"""What statistics are called, in the order in which pages show them."""
REGION: Final = Column("region", "string", "", "region that the row describes: slide, for the whole slide")
WHOLE_SLIDE: Final = "slide"
"""The region that is all of it."""
SLIDE: Final = (
    Column("nuclei_count", "int64", "", "nuclei outlined on the slide", "Nuclei"),
    Column("tissue_mm2", "float64", "mm²", "tissue area", "Tissue area"),
    Column("nuclei_per_mm2", "float64", "per mm²", "nuclei per mm² of tissue", "Nuclear density"),
)
"""Measures of the slide as a whole."""
SLIDE_TERMS: Final = MappingProxyType({column.name: column.term for column in SLIDE})


def split(column: str) -> tuple[str, str] | None:
    """Split ``area_um2_p50`` into ``("area_um2", "p50")``; None where the column is not a feature's statistic."""
    name, _, statistic = column.rpartition("_")
    return (name, statistic) if name and statistic in STATISTICS else None


def column_term(column: str) -> Term:
    """Return the term of a column of the statistics table, a feature's statistic or a measure of the whole slide."""
    if column in SLIDE_TERMS:
        return SLIDE_TERMS[column]
    parts = split(column)
    if parts is None:
        return Term(column, "", "")
    term, statistic = term_of(parts[0]), STATISTICS[parts[1]]
    unit = "" if parts[1] in {"cv", "skew"} else term.unit
    words = statistic if statistic.isupper() else statistic.lower()
    return Term(f"{term.label}, {words}", unit, term.meaning)


def _column(name: str) -> Column:
    term = column_term(name)
    return Column(name, "float64", term.unit, term.meaning, term.label)


BY_FEATURE: Final = tuple(_column(f"{feature.name}_{statistic}") for feature in MEASURES for statistic in ORDER)
"""Statistics of the features."""
TABLE: Final = Table((REGION, *SLIDE, *BY_FEATURE), complete=False)
