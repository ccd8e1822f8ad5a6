"""A slide beside the slides that its grader learned from, by their grades."""

from dataclasses import dataclass

from markupsafe import Markup

from pathopipe.reporting import cohort_figures
from pathopipe.reporting.cohort_figures import Spread
from pathopipe.results.grade_parts import ReferenceGroup, ReferencesEntry, ReferenceStatistic
from pathopipe.results.schemas.column import Term
from pathopipe.results.schemas.counts import ALL, REGION_LABELS
from pathopipe.results.schemas.statistics import column_term
from pathopipe.text import count, number, quantity


@dataclass(frozen=True)
class Beside:
    """A statistic of the slide, ``of`` which nuclei, and its spread over each group of slides."""

    term: Term
    of: str
    value: float
    groups: tuple[Spread, ...]

    @property
    def written(self) -> str:
        """The slide's number."""
        return quantity(self.value, self.term.unit)

    @property
    def drawing(self) -> Markup:
        """A box per group, and a line for the slide."""
        words = (
            f"{one.name} {number(one.p50)} ({number(one.p25)} to {number(one.p75)}, n = {count(one.slides)})"
            for one in self.groups
        )
        label = f"{self.term.label} of {self.of}: {self.written} in this slide; by grade: {'; '.join(words)}."
        return cohort_figures.beside(self.value, self.groups, self.term.unit, label)


@dataclass(frozen=True)
class References:
    """The statistics that a grader knows of slides of known grades; ``label`` is the column that held these."""

    label: str
    statistics: tuple[Beside, ...]


def references_of(entry: ReferencesEntry | None) -> References | None:
    """Read the entry of ``grade.json``; None where there is nothing to show."""
    if not entry or not entry["statistics"]:
        return None
    return References(entry["label"], tuple(_beside(one, entry["groups"]) for one in entry["statistics"]))


def _beside(entry: ReferenceStatistic, groups: list[ReferenceGroup]) -> Beside:
    pairs = zip(groups, entry["quantiles"], strict=True)
    spreads = tuple(Spread(group["grade"], group["slides"], *quantiles) for group, quantiles in pairs)
    region, _, kind = entry["row"].rpartition("/")
    nuclei = "all nuclei" if kind == ALL else f"{kind} nuclei"
    of = f"{nuclei}, {REGION_LABELS.get(region, region)}" if region else nuclei
    return Beside(column_term(entry["column"]), of, entry["value"], spreads)
