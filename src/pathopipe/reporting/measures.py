"""What a page takes from the row of statistics of a slide."""

from collections.abc import Mapping
from typing import Any

from pathopipe import text
from pathopipe.reporting.slide_page import Fact, StatisticsRow
from pathopipe.results.schemas.features import term_of
from pathopipe.results.schemas.statistics import SLIDE_TERMS, STATISTICS, split

Row = Mapping[str, Any]
SHOWN_AS_HISTOGRAM = ("area_um2", "circularity", "hematoxylin_mean", "nearest_um")


def key_figures(row: Row) -> tuple[Fact, ...]:
    """Return the handful of numbers that stand at the top of the page."""
    facts = [
        Fact("Nuclei", text.count(row.get("nuclei_count"))),
        Fact(
            "Nuclear density",
            text.number(row.get("nuclei_per_mm2")),
            SLIDE_TERMS["nuclei_per_mm2"].unit + " of tissue",
        ),
        Fact("Tissue area", text.quantity(row.get("tissue_mm2"), "mm²")),
    ]
    if row.get("area_um2_mean") is not None:
        spread = f"SD {text.quantity(row.get('area_um2_sd'), 'µm²')}"
        facts.append(Fact("Mean nuclear area", text.quantity(row["area_um2_mean"], "µm²"), spread))
    if row.get("area_um2_cv") is not None:
        facts.append(Fact("Variation of area", text.percent(row["area_um2_cv"]), "CV: SD / mean"))
    if row.get("circularity_p50") is not None:
        facts.append(Fact("Median circularity", text.number(row["circularity_p50"]), "1 is a circle"))
    return tuple(facts)


def statistics_table(row: Row) -> tuple[tuple[str, ...], tuple[StatisticsRow, ...]]:
    """Return the names of the table's columns, and a row per feature in the order of the statistics' columns."""
    by_feature: dict[str, dict[str, float | None]] = {}
    for column, value in row.items():
        parts = split(column)
        if parts is not None:
            by_feature.setdefault(parts[0], {})[parts[1]] = value
    present = [name for name in STATISTICS if any(name in values for values in by_feature.values())]
    rows = tuple(
        StatisticsRow(term_of(name), tuple(values.get(statistic) for statistic in present))
        for name, values in by_feature.items()
    )
    return tuple(_short(name) for name in present), rows


def _short(statistic: str) -> str:
    return f"P{int(statistic[1:])}" if statistic[0] == "p" and statistic != "p50" else STATISTICS[statistic]
