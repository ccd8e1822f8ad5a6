"""What a page shows a slide beside: some statistics of the slides that a grader learned from, by grade.

Quantiles of groups only, and of no small one.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.card import REFERENCE_LEVELS, Reference, References
from pathopipe.ops.comparisons import compare_groups
from pathopipe.training.grade.cohort import Cohort

LEAST_SLIDES: Final = 10
LEAST_PATIENTS: Final = 5
"""Slides and patients of a grade without which it is no group."""
_MOST: Final = 8
"""Statistics that are kept."""

Floats = NDArray[np.float64]


def references_of(cohort: Cohort) -> References:
    """Choose the statistics that differ most between the grades, one of each family at most.

    By the effect size epsilon squared of the test of Kruskal and Wallis (1952). Nothing where fewer than two grades
    have enough slides and patients.
    """
    groups = [place for place in range(len(cohort.grades)) if _is_large(cohort, cohort.truth == place)]
    if len(groups) < 2:
        return References()
    found = [best for name, part in cohort.parts.items() if (best := _best(cohort, groups, name, part))]
    found.sort(key=lambda one: -one[0])
    sizes = [int(np.count_nonzero(cohort.truth == place)) for place in groups]
    named = tuple(zip([cohort.grades[place] for place in groups], sizes, strict=True))
    return References(named, tuple(reference for _, reference in found[:_MOST])) if found else References()


def _is_large(cohort: Cohort, chosen: NDArray[np.bool_]) -> bool:
    patients = {patient for patient, is_in in zip(cohort.patients, chosen.tolist(), strict=True) if is_in}
    return int(np.count_nonzero(chosen)) >= LEAST_SLIDES and len(patients) >= LEAST_PATIENTS


def _best(cohort: Cohort, groups: list[int], family: str, part: slice) -> tuple[float, Reference] | None:
    """The statistic of a family that differs most, and by how much; None where none is known in each group."""
    best: tuple[float, Reference] | None = None
    for place, column in zip(range(part.start, part.stop), cohort.families[family], strict=True):
        values = [cohort.values[cohort.truth == group, place] for group in groups]
        values = [own[np.isfinite(own)] for own in values]
        test = compare_groups(values) if min(map(len, values)) >= LEAST_SLIDES else None
        if test and (best is None or test.effect > best[0]):
            best = test.effect, Reference(family.partition(" ")[0], column, tuple(map(_quantiles, values)))
    return best


def _quantiles(values: Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in np.quantile(values, REFERENCE_LEVELS).tolist())
