"""Groups of slides that were stained or scanned in different ways, and columns of the sheet that go with that."""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pathopipe.annotations.tables import number as as_number
from pathopipe.ops.comparisons import FEWEST_PAIRS, SMALLEST_GROUP, Comparison, adjusted, compare_many
from pathopipe.ops.groups import ALPHA, FEWEST_SLIDES, find_groups, first_components, scaled
from pathopipe.reporting import cohort_figures
from pathopipe.reporting.cohort_comparisons import MOST_GROUPS, Column, p_words
from pathopipe.reporting.cohort_entry import CohortEntry
from pathopipe.reporting.cohort_figures import Dot
from pathopipe.reporting.figures import axis_title
from pathopipe.results.schemas.statistics import column_term
from pathopipe.text import count, number, percent

LEAST: Final = MappingProxyType(
    {f"stain_{stain}_{color}": 0.01 for stain in ("hematoxylin", "eosin") for color in ("red", "green", "blue")}
    | {f"stain_{stain}_strength": 0.03 for stain in ("hematoxylin", "eosin")}
    | {f"scan_glass_{color}": 1.0 for color in ("red", "green", "blue")}
    | {"scan_noise": 0.1, "scan_blockiness": 0.05, "scan_sharpness": 0.01}
)
"""Statistics of staining and scanning, and the spread below which slides do not differ in them."""
COLUMN: Final = "scanner group (found)"
"""What the page calls the groups among the columns of the sheet."""
_KNOWN: Final = 0.8
_SHOWN: Final = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Association:
    """A column, and whether staining and scanning go with it; without a test, a remark that says why."""

    title: str
    test: Comparison | None
    adjusted: float | None = None
    remark: str = ""

    @property
    def words(self) -> str:
        """The test in a sentence."""
        if self.test is None:
            return self.remark or "not tested: too few slides, or all have the same value."
        of = f"{self.test.groups} groups, n = {self.test.size:,}" if self.test.groups else f"n = {self.test.size:,}"
        p = f"p {p_words(self.test.p)}, adjusted {p_words(self.adjusted)}"
        return f"explains {percent(self.test.effect)} of the variation ({of}; F = {number(self.test.statistic)}, {p})."

    @property
    def found(self) -> bool:
        """Whether they do, at a false discovery rate of 5%."""
        return self.adjusted is not None and self.adjusted < 0.05


@dataclass(frozen=True)
class Scanners:
    """How slides were stained and scanned.

    Attributes
    ----------
    entries
        The slides that take part, those that all measures are known of.
    left_out
        How many analyzed slides do not.
    measures, values
        Names of statistics, and (n, d).
    groups
        Number of the group of each slide (n,), 0 for the largest.
    """

    entries: tuple[CohortEntry, ...]
    left_out: int
    measures: tuple[str, ...]
    values: Floats
    groups: NDArray[np.int64]
    associations: tuple[Association, ...] = ()

    @property
    def letters(self) -> list[str]:
        """The group of each slide."""
        return [_letter(group) for group in self.groups.tolist()]

    @property
    def sizes(self) -> list[tuple[str, int]]:
        """Groups and their numbers of slides, the largest first."""
        return [(_letter(group), int(size)) for group, size in enumerate(np.bincount(self.groups))]

    @property
    def several(self) -> bool:
        """Whether there are groups."""
        return len(self.sizes) > 1

    @property
    def finding(self) -> str:
        """What was found, in sentences."""
        slides, left_out = count(len(self.entries)), ""
        if self.left_out:
            lack = "1 slide lacks" if self.left_out == 1 else f"{count(self.left_out)} slides lack"
            left_out = f" {lack} some of these numbers and {'is' if self.left_out == 1 else 'are'} not looked at."
        if not self.several:
            return (
                f"No groups: by the color of both stains and of glass, noise, compression and sharpness, the {slides} "
                f"slides look like those of one scanner and one laboratory, or differ without gaps.{left_out}"
            )
        sizes = ", ".join(f"{letter} ({count(size)} slides)" for letter, size in self.sizes)
        return (
            f"The {slides} slides fall into {len(self.sizes)} groups: {sizes}. Such groups are usually different "
            "scanners, laboratories, batches of staining, or settings of export. Measures of color and texture may "
            f"differ between them for that reason alone: compare slides within a group first.{left_out}"
        )

    @property
    def differences(self) -> list[str]:
        """What the groups differ in most, with medians, in words."""
        return [f"{axis_title(column_term(name)).lower()}: {self._medians(name)}" for name in self._most]

    def _medians(self, name: str) -> str:
        of_name = self.values[:, self.measures.index(name)]
        return ", ".join(
            f"{letter} {number(float(np.median(of_name[self.groups == group])))}"
            for group, (letter, _) in enumerate(self.sizes)
        )

    @cached_property
    def _scaled(self) -> Floats:
        return scaled(self.values, [LEAST[name] for name in self.measures])

    @cached_property
    def _most(self) -> list[str]:
        """The measures of which the groups explain most, where they differ by more than what counts as a spread."""
        inside = np.zeros(len(self.measures))
        middles = []
        for group in range(len(self.sizes)):
            members = self._scaled[self.groups == group]
            inside += ((members - members.mean(axis=0)) ** 2).sum(axis=0)
            middles.append(np.median(members, axis=0))
        total = ((self._scaled - self._scaled.mean(axis=0)) ** 2).sum(axis=0)
        explained = 1 - inside / np.where(total, total, 1.0)
        apart = np.ptp(middles, axis=0) > 1
        order = np.argsort(-explained, kind="stable")
        return [self.measures[place] for place in order if apart[place]][:_SHOWN]

    @property
    def map(self) -> Markup:
        """The slides by their first two principal components."""
        places, shares = first_components(self._scaled)
        first, second = (percent(float(share)) for share in shares)
        titles = (f"Principal component 1 ({first} of the variation)", f"Component 2 ({second})")
        names = [entry.row.slide for entry in self.entries]
        return cohort_figures.lettered(places, self.letters, names, titles)

    @property
    def boxes(self) -> list[Markup]:
        """What the groups differ in most."""
        return [self._boxes(name) for name in self._most]

    def _boxes(self, name: str) -> Markup:
        of_name = self.values[:, self.measures.index(name)].tolist()
        dots: dict[str, list[Dot]] = {f"Group {letter}": [] for letter, _ in self.sizes}
        for value, letter, entry in zip(of_name, self.letters, self.entries, strict=True):
            dots[f"Group {letter}"].append(Dot(value, entry.row.slide, "gx"))
        return cohort_figures.boxes(dots, axis_title(column_term(name)), "group")

    @property
    def rules(self) -> str:
        """How groups are found, and columns tested."""
        return (
            "Numbers: stain vectors and strengths, color of glass, noise, compression, sharpness (docs/measures.md), "
            "each in units of its shortest interval that holds 40% of the slides. Slides are split in two along one "
            "of their first three principal components (Boley 1998), and the parts again, as long as that leaves a "
            f"smaller share of squares than in {1 - ALPHA:.0%} of sets of uniform numbers (Tibshirani, Walther and "
            f"Hastie 2001). Fewer than {FEWEST_SLIDES} slides are not split. Columns are tested on all numbers "
            "together, whether there are groups or not (PERMANOVA with 1,999 permutations; Anderson 2001): groups of "
            f"at least {SMALLEST_GROUP} slides, or ranks of numbers, of at least {FEWEST_PAIRS}. Slides of one patient "
            "with the same value count as one. Adjusted p values take account of all columns (Benjamini and Hochberg "
            "1995)."
        )


def _letter(group: int) -> str:
    """A to Z, and from then on A1, B1 and so on."""
    round_, place = divmod(group, len(string.ascii_uppercase))
    return string.ascii_uppercase[place] + (str(round_) if round_ else "")


def scanners(entries: Sequence[CohortEntry], columns: Iterable[Column]) -> Scanners | None:
    """Look how analyzed slides were stained and scanned; None where too few are known for it.

    Parameters
    ----------
    columns
        Of the same slides, to test.
    """
    table = np.array(
        [[_number(entry.row.statistics.get(name)) for name in LEAST] for entry in entries], np.float64
    ).reshape(len(entries), len(LEAST))
    if len(entries) < FEWEST_SLIDES:
        return None
    known = np.isfinite(table).mean(axis=0) >= _KNOWN
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(table[:, known]).all(axis=1), np.bool_)
    if not known.any() or np.count_nonzero(whole) < FEWEST_SLIDES:
        return None
    measures = tuple(name for name, is_known in zip(LEAST, known, strict=True) if is_known)
    values = table[np.ix_(whole, known)]
    comparable = scaled(values, [LEAST[name] for name in measures])
    taking_part = tuple(entry for entry, is_whole in zip(entries, whole.tolist(), strict=True) if is_whole)
    found = Scanners(taking_part, len(entries) - len(taking_part), measures, values, find_groups(comparable))
    tested = [_association(column, entries, whole, comparable) for column in columns]
    return replace(found, associations=tuple(_adjusted(tested)))


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _association(
    column: Column, entries: Sequence[CohortEntry], whole: NDArray[np.bool_], comparable: Floats
) -> Association:
    """Test a column on the slides that have a value, those of a patient with the same one as their mean."""
    is_numbers = column.numbers is not None
    if not is_numbers and len(column.groups) > MOST_GROUPS:
        return Association(column.title, None, remark=f"{len(column.groups)} different values: too many to compare.")
    units: dict[tuple[str, str], list[Floats]] = {}
    taking_part = (
        pair for pair, is_whole in zip(zip(entries, column.values, strict=True), whole, strict=True) if is_whole
    )
    for (entry, value), numbers in zip(taking_part, comparable, strict=True):
        if value:
            units.setdefault((value, entry.row.patient_slides or entry.row.slide), []).append(numbers)
    if not units:
        return Association(column.title, None)
    named = [value for value, _ in units]
    by = np.array([as_number(value) for value in named], np.float64) if is_numbers else np.array(named)
    means = np.array([np.mean(numbers, axis=0) for numbers in units.values()])
    return Association(column.title, compare_many(means, by))


def _adjusted(tested: Sequence[Association]) -> Iterable[Association]:
    values = iter(adjusted([one.test.p for one in tested if one.test]))
    return [replace(one, adjusted=next(values)) if one.test else one for one in tested]


def grouped(entries: Sequence[CohortEntry], found: Scanners | None) -> list[CohortEntry]:
    """Note the group of each slide in its row, where there are several."""
    letters: Mapping[str, str] = {}
    if found is not None and found.several:
        letters = dict(zip((entry.row.slide for entry in found.entries), found.letters, strict=True))
    return [replace(entry, row=replace(entry.row, scanner_group=letters.get(entry.row.slide))) for entry in entries]


def with_column(entries: Sequence[CohortEntry]) -> list[CohortEntry]:
    """Put the groups among the sheet's columns, as `COLUMN`, so that the page compares, filters and groups by them."""
    return [
        replace(entry, row=replace(entry.row, extra={**entry.row.extra, COLUMN: entry.row.scanner_group or ""}))
        for entry in entries
    ]
