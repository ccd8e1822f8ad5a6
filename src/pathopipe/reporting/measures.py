"""What a page takes from the row of statistics of a slide."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pathopipe import text
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.slide_page import PartRow, StatisticsGroup, StatisticsRow
from pathopipe.reporting.statistics_rows import OtherRow
from pathopipe.results.schemas.column import Column, Term
from pathopipe.results.schemas.counts import ALL, REGION, REGION_LABELS, SLIDE, TYPE
from pathopipe.results.schemas.features import GROUPS, term_of
from pathopipe.results.schemas.quality import QUALITY
from pathopipe.results.schemas.spatial import SPATIAL
from pathopipe.results.schemas.statistics import SLIDE_TERMS, STATISTICS, SUMMARIZED, column_term

Row = Mapping[str, Any]
_TABLES: Final = MappingProxyType(
    {
        "Size and plain shape": ("size",),
        "Stain": ("stain",),
        "Distances": ("distances",),
        "Shape": ("shape",),
        "Texture": ("texture",),
        "Chromatin": ("chromatin",),
        "Neighborhood": ("neighborhood",),
    }
)
"""Titles of the tables, and the groups of measures in each."""
_SINGLES: Final = MappingProxyType(
    {"Counts, areas and quality": (*SLIDE, *QUALITY), "How nuclei are arranged": SPATIAL}
)
PART_COLUMNS: Final = (
    "nuclei_count",
    "nuclei_per_mm2",
    "area_um2_p50",
    "area_um2_sd",
    "circularity_p50",
    "hematoxylin_mean_p50",
)
_MOST_PARTS: Final = 200
_MOST_COMPARED: Final = 16
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


def statistics_groups(
    row: Row, compared: Sequence[Row] = (), known: Collection[str] = ()
) -> tuple[StatisticsGroup, ...]:
    """Return a table per group of measures, with a row per measure that has statistics.

    ``compared`` are rows of other regions and types of nuclei, whose medians stand beside; ``known`` are columns that
    any of them has.
    """
    groups = (
        StatisticsGroup(
            title, tuple(_rows(row, compared, known, [column for name in names for column in GROUPS[name]]))
        )
        for title, names in _TABLES.items()
    )
    return tuple(group for group in groups if group.rows)


def _rows(
    row: Row, compared: Sequence[Row], known: Collection[str], columns: Sequence[Column]
) -> Iterator[StatisticsRow]:
    for column in columns:
        name = column.name
        own = [f"{name}_{statistic}" for statistic in STATISTICS]
        values = tuple(row.get(column) for column in own)
        if any(value is not None for value in values) or not {*own}.isdisjoint(known):
            medians = tuple(other.get(f"{name}_p50") for other in compared)
            yield StatisticsRow(term_of(name), values, name, _definition(column), medians)


def _definition(column: Column) -> str:
    """Write how a measure is computed, and by whose definition, as the dictionary has it."""
    said = f"Definition: {column.formula}" if column.formula else ""
    return text.sentence(f"{said} ({column.source})" if said and column.source else said or column.source)


def compared_rows(rows: Sequence[Row]) -> list[Row]:
    """Choose the regions and types of nuclei to compare measure by measure: all but the first, or all that fit.

    Where they don't fit, regions are compared by all of their nuclei, the first ones.
    """
    others = list(rows[1:])
    if len(others) > _MOST_COMPARED:
        others = [row for row in others if REGION_LABELS.get(row[REGION.name]) or row[TYPE.name] == ALL]
    return others[:_MOST_COMPARED]


def compared_columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """Name these rows at the head of a table."""
    return tuple(f"{_called(row[REGION.name])}, {row[TYPE.name]}" for row in rows)


def median_columns(known: Collection[str]) -> tuple[str, ...]:
    """Names of the medians, of all measures, that a table has."""
    return tuple(name for name in (f"{measure}_p50" for measure in SUMMARIZED) if name in known)


def statistics_columns() -> tuple[str, ...]:
    """Return the names of the columns of these tables."""
    return tuple(_short(name) for name in STATISTICS)


def single_groups(row: Row, known: Collection[str] = ()) -> tuple[StatisticsGroup, ...]:
    """Return what is counted, how far the slide can be trusted, and spatial measures: with one value each.

    Those that the row has, or that are among the ``known`` columns.
    """
    groups = (StatisticsGroup(title, tuple(_singles(row, known, columns))) for title, columns in _SINGLES.items())
    return tuple(group for group in groups if group.rows)


def _singles(row: Row, known: Collection[str], columns: Sequence[Column]) -> Iterator[StatisticsRow]:
    for column in columns:
        value = row.get(column.name)
        if value is not None or column.name in known:
            yield StatisticsRow(column.term, (value,), column.name, _definition(column))


def page_columns(groups: Sequence[StatisticsGroup], singles: Sequence[StatisticsGroup]) -> list[str]:
    """Names of the columns of ``statistics.parquet`` that these tables show, in the order of the page's cells."""
    measured = [f"{row.name}_{statistic}" for group in groups for row in group.rows for statistic in STATISTICS]
    return [*measured, *(row.name for group in singles for row in group.rows)]


def parts_columns() -> tuple[Term, ...]:
    """Return the columns of the table of regions and types."""
    return tuple(column_term(name) for name in PART_COLUMNS)


def parts_rows(rows: Sequence[Row]) -> tuple[PartRow, ...]:
    """Return a line per region and type, where there are others than the whole slide and all nuclei."""
    if len(rows) < 2:
        return ()
    return tuple(
        PartRow(_called(row[REGION.name]), row[TYPE.name], tuple(_written(row.get(name)) for name in PART_COLUMNS))
        for row in (rows[place] for place in shown_parts(rows))
    )


def shown_parts(rows: Sequence[Row]) -> list[int]:
    """Places of the rows that are shown: all, or of too many the first ones of all nuclei of a region."""
    if len(rows) <= _MOST_PARTS:
        return [*range(len(rows))]
    return [place for place, row in enumerate(rows) if row[TYPE.name] == ALL][:_MOST_PARTS]


def other_rows(rows: Sequence[Row], places: Sequence[int]) -> list[OtherRow]:
    """Name some of the rows, with how many nuclei each has."""
    named = compared_columns([rows[place] for place in places])
    counts = (text.count(rows[place].get("nuclei_count")) for place in places)
    return [OtherRow(name, nuclei) for name, nuclei in zip(named, counts, strict=True)]


def _called(region: str) -> str:
    return REGION_LABELS.get(region, region)


def _written(value: float | None) -> str:
    return text.count(value) if isinstance(value, int) else text.number(value)


def _short(statistic: str) -> str:
    return f"P{int(statistic[1:])}" if statistic[0] == "p" and statistic != "p50" else STATISTICS[statistic]
