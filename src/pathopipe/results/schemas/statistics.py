"""Columns of ``statistics/statistics.parquet``, a row per region and type of nuclei.

First what is counted, then how far the slide can be trusted, then ``<measure>_<statistic>`` for each measure of
nuclei, then ``spatial_<measure>``.
"""

from types import MappingProxyType
from typing import Final

from pathopipe.ops.statistics import STATISTICS as ORDER
from pathopipe.results.schemas.column import Column, Table, Term
from pathopipe.results.schemas.counts import REGION, REGION_CLASS, ROWS_PER_GROUP, SLIDE, TYPE
from pathopipe.results.schemas.features import MEASURES, TERMS, term_of
from pathopipe.results.schemas.quality import QUALITY
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
SLIDE_TERMS: Final = MappingProxyType({column.name: column.term for column in (*SLIDE, *QUALITY, *SPATIAL)})
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
COLUMNS: Final = (REGION, REGION_CLASS, TYPE, *SLIDE, *QUALITY, *BY_FEATURE, *SPATIAL)
TABLE: Final = Table(COLUMNS, complete=False, rows_per_group=ROWS_PER_GROUP)
KINDS: Final = MappingProxyType({column.name: column.kind for column in (*SLIDE, *QUALITY, *BY_FEATURE, *SPATIAL)})
"""Types of the columns of numbers, by name."""
