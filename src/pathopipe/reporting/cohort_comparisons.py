"""Statistics of the slides by the columns of the sheet: what is compared, with which test, and how it is said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Final

import numpy as np
from markupsafe import Markup

from pathopipe.annotations.tables import number as as_number
from pathopipe.ops.comparisons import (
    FAR,
    FEWEST_PAIRS,
    SMALLEST_GROUP,
    Comparison,
    adjusted,
    compare_groups,
    compare_ranks,
    robust_z,
)
from pathopipe.reporting import cohort_figures
from pathopipe.reporting.cohort_entry import CohortEntry, shade
from pathopipe.reporting.cohort_figures import Dot
from pathopipe.reporting.figures import axis_title
from pathopipe.results.schemas.statistics import column_term
from pathopipe.text import number

MOST_GROUPS: Final = 12
"""Values of a column that are drawn as groups."""
_FEWEST_NUMBERS: Final = 6
"""Numbers of up to so many different values, such as a score, are groups, too."""
EMPTY: Final = "(empty)"


@dataclass(frozen=True)
class Compared:
    """A statistic by a column: the drawing, the test where there is one, and its p value among all of the page."""

    drawing: Markup
    test: Comparison | None
    adjusted: float | None = None
    tested: bool = True

    @property
    def words(self) -> str:
        """The test in a sentence, or why there is none; empty where none was meant to be."""
        if not self.tested:
            return ""
        if self.test is None:
            return "Not tested: too few slides, or all have the same value."
        p = f"p {p_words(self.test.p)}, adjusted {p_words(self.adjusted)}"
        if self.test.groups:
            about = f"Kruskal-Wallis test of {self.test.groups} groups, n = {self.test.size:,}"
            return f"{about}: H = {number(self.test.statistic)}, {p}; ε² = {number(self.test.effect, 2)}."
        return f"Spearman's ρ = {number(self.test.effect, 2)}, n = {self.test.size:,}: {p}."


@dataclass(frozen=True)
class ByColumn:
    """All statistics by one column; without drawings where it has too many different values."""

    title: str
    compared: tuple[Compared, ...]
    remark: str = ""


def p_words(p: float | None) -> str:
    """Write a p value with its sign of equality."""
    if p is None:
        return "unknown"
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


@dataclass(frozen=True)
class Column:
    """A column of the sheet, or the grades: what it says of each slide, in the order of the entries.

    Attributes
    ----------
    order
        Values that come first among the groups, in this order.
    tested
        Whether differences between the groups are to be tested.
    """

    title: str
    values: tuple[str, ...]
    order: tuple[str, ...] = ()
    tested: bool = True

    @cached_property
    def numbers(self) -> tuple[float | None, ...] | None:
        """The values as numbers, None where it is not a column of numbers."""
        found = [as_number(value) for value in self.values]
        if any(value and known is None for value, known in zip(self.values, found, strict=True)):
            return None
        return tuple(found) if len(set(found) - {None}) > _FEWEST_NUMBERS else None

    @cached_property
    def groups(self) -> list[str]:
        """The different values: those of ``order``, then the others as people sort, what is empty last."""
        others = sorted({*self.values} - {*self.order, ""}, key=natural)
        return [name for name in (*self.order, *others, "") if name in {*self.values}]


def natural(words: str) -> tuple[int, float, str]:
    """Sort numbers as numbers, before words."""
    value = as_number(words)
    return (1, 0.0, words) if value is None else (0, value, words)


@dataclass(frozen=True)
class Slides:
    """Analyzed slides, and the grades from best to worst, which color them."""

    entries: Sequence[CohortEntry]
    grades: Sequence[str] = ()

    def dots(self, statistic: str) -> list[Dot | None]:
        """Each slide with its statistic, None where it has none."""
        values = [entry.row.statistics.get(statistic) for entry in self.entries]
        return [
            None if value is None else Dot(float(value), entry.row.slide, shade(entry.row.grade, self.grades))
            for value, entry in zip(values, self.entries, strict=True)
        ]

    @property
    def units(self) -> list[str]:
        """What each slide counts as: the slides of one patient as one."""
        return [entry.row.patient_slides or entry.row.slide for entry in self.entries]


def compare(slides: Slides, statistics: Sequence[str], columns: Iterable[Column]) -> list[ByColumn]:
    """Compare the statistics of analyzed slides by each column, p values adjusted for all comparisons together."""
    found = [_by_column(slides, statistics, column) for column in columns]
    values = iter(adjusted([one.test.p for by in found for one in by.compared if one.test]))
    return [
        replace(by, compared=tuple(replace(one, adjusted=next(values)) if one.test else one for one in by.compared))
        for by in found
    ]


def _by_column(slides: Slides, statistics: Sequence[str], column: Column) -> ByColumn:
    if column.numbers is None and len(column.groups) > MOST_GROUPS:
        return ByColumn(column.title, (), f"{len(column.groups)} different values: too many to compare.")
    compared = (_compared(slides, statistic, column) for statistic in statistics)
    return ByColumn(column.title, tuple(one for one in compared if one), _remark(slides, column))


def _remark(slides: Slides, column: Column) -> str:
    """Say that slides of one patient with different values count as different patients."""
    values = dict[str, set[str]]()
    for unit, value in zip(slides.units, column.values, strict=True):
        values.setdefault(unit, set()).update({value} - {""})
    several = sum(len(found) > 1 for found in values.values())
    if not several or not column.tested:
        return ""
    have = "1 patient has" if several == 1 else f"{several:,} patients have"
    return f"{have} slides of different values here, which the tests take for slides of different patients."


def _compared(slides: Slides, statistic: str, column: Column) -> Compared | None:
    dots = slides.dots(statistic)
    if not any(dots):
        return None
    title, units = axis_title(column_term(statistic)), _units(slides, dots, column)
    if column.numbers is not None:
        pairs = [(x, dot) for x, dot in zip(column.numbers, dots, strict=True) if x is not None and dot]
        tested = [(as_number(name), value) for name, values in units.items() for value in values]
        drawing = cohort_figures.scatter(pairs, column.title, title) if pairs else None
        return Compared(drawing, compare_ranks(*np.array(tested, np.float64).T)) if drawing else None
    groups = {
        name or EMPTY: [dot for dot, value in zip(dots, column.values, strict=True) if dot and value == name]
        for name in column.groups
    }
    test = compare_groups(list(units.values())) if column.tested else None
    return Compared(cohort_figures.boxes(groups, title, column.title), test, tested=column.tested)


def _units(slides: Slides, dots: Sequence[Dot | None], column: Column) -> dict[str, list[float]]:
    """Return numbers by value of the column, the slides of one patient that share a value taken as one, their mean.

    Slides whose cell is empty are none of them: what they have in common is not known.
    """
    found = dict[str, dict[str, list[float]]]()
    for unit, dot, value in zip(slides.units, dots, column.values, strict=True):
        if dot and value:
            found.setdefault(value, {}).setdefault(unit, []).append(dot.value)
    return {value: [fmean(numbers) for numbers in units.values()] for value, units in found.items()}


def rules(columns: Sequence[ByColumn]) -> str:
    """Say how many comparisons were made, how, and how they are adjusted; empty where none was."""
    made = sum(one.test is not None for by in columns for one in by.compared)
    if not made:
        return ""
    were = "1 comparison was" if made == 1 else f"{made:,} comparisons were"
    return (
        f"{were} made: groups of at least {SMALLEST_GROUP} slides by the test of Kruskal and Wallis (1952), numbers of "
        f"at least {FEWEST_PAIRS} slides by rank correlation (Spearman 1904). Adjusted p values take account of all of "
        "them (false discovery rate, Benjamini and Hochberg 1995). Slides of one patient with the same value count as "
        "one, by their mean; those whose cell is empty are left out. Grades are not tested: they are made from such "
        "statistics. A difference may have other causes than the column, such as the scanner or the stain."
    )


def marked(entries: Sequence[CohortEntry], statistics: Sequence[str]) -> list[CohortEntry]:
    """Note for each analyzed slide in which statistics it lies far from the others."""
    far: list[dict[str, float]] = [{} for _ in entries]
    for name in statistics:
        values = [entry.row.statistics.get(name) for entry in entries]
        for place, z in enumerate(robust_z([np.nan if value is None else value for value in values]).tolist()):
            if abs(z) > FAR:
                far[place][name] = z
    return [
        replace(entry, far=found, row=replace(entry.row, outlying=" ".join(found) or None))
        for entry, found in zip(entries, far, strict=True)
    ]
