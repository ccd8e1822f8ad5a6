"""What a card keeps of the slides learned from, by grade."""

from dataclasses import replace

import numpy as np
import pytest

from pathopipe.training.grade.references import references_of
from tests.training.grade.graded_slides import NAMES, TELLING, cohort


def test_the_statistic_of_each_family_that_differs_most_is_kept_by_grade():
    slides = cohort(60)
    found = references_of(slides)
    assert found.groups == (("1", 20), ("2", 20), ("3", 20))
    assert found.statistics[0].column in TELLING
    assert len(found.statistics) == len(slides.families)
    (only,) = references_of(replace(slides, families={"all mixed": NAMES})).statistics
    assert only.column in TELLING
    first = found.statistics[0]
    place = ["area_um2_mean", "area_um2_sd"].index(first.column)
    for grade, quantiles in enumerate(first.quantiles):
        own = slides.values[slides.truth == grade, place]
        assert quantiles == pytest.approx(np.quantile(own, [0.05, 0.25, 0.5, 0.75, 0.95]), rel=1e-5)


def test_a_grade_of_few_slides_or_of_few_patients_is_no_group():
    slides = cohort(60)
    kept = (slides.truth < 2) | (np.cumsum(slides.truth == 2) <= 9)
    assert [grade for grade, _ in references_of(slides.part(kept)).groups] == ["1", "2"]
    kept = (slides.truth < 2) | (np.cumsum(slides.truth == 2) <= 10)
    assert [grade for grade, _ in references_of(slides.part(kept)).groups] == ["1", "2", "3"]
    few = tuple(f"p{place % 12}" if slides.truth[place] == 2 else f"q{place}" for place in range(60))
    assert len({few[place] for place in range(60) if slides.truth[place] == 2}) == 4
    assert [grade for grade, _ in references_of(replace(slides, patients=few)).groups] == ["1", "2"]
    assert references_of(slides.part(slides.truth == 0)).groups == ()


def test_a_statistic_that_few_slides_of_a_grade_have_is_not_kept():
    slides = cohort(60)
    values = slides.values.copy()
    values[np.flatnonzero(slides.truth == 0)[9:], :2] = np.nan
    found = references_of(replace(slides, values=values))
    assert {one.column for one in found.statistics}.isdisjoint({"area_um2_mean", "area_um2_sd"})
