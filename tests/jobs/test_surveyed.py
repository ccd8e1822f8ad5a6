from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import shapely

from pathopipe.jobs.surveyed import Survey, doubts, fields
from pathopipe.reporting.bins import BinCounts, DensityScale
from pathopipe.results.heat_map import Square
from pathopipe.units import Mpp

SIDE_PX = 4000.0
SLIDE = SimpleNamespace(width_px=SIDE_PX, height_px=SIDE_PX, mpp=Mpp(0.5, 0.5, "sheet"))


@pytest.mark.parametrize(
    ("influences", "wanted", "kinds"),
    [
        ((0.3, 0.2, 0.0), 1, ["densest", "raises"]),
        ((0.0, -0.1, -0.4), 1, ["densest", "lowers"]),
        ((0.3, -0.1, -0.4), 1, ["densest", "raises", "lowers"]),
        ((), 1, ["densest"]),
        ((0.3, -0.1, -0.4), 0, []),
    ],
)
def test_fields_that_drive_the_grade_are_those_that_raise_or_lower_the_score(influences, wanted, kinds):
    counts = BinCounts(SIDE_PX, SIDE_PX, 320.0, 240.0)
    counts.add(np.arange(0, SIDE_PX, 100), np.arange(0, SIDE_PX, 100), np.full(40, 30.0))
    ring = np.array([[0, 0], [SIDE_PX, 0], [SIDE_PX, SIDE_PX], [0, SIDE_PX], [0, 0]])
    squares = [Square(500.0 * k, 0.0, 500.0, 500.0, 10, influence) for k, influence in enumerate(influences)]
    found = fields(SLIDE, Survey(counts, counts, DensityScale(10.0, 40.0), (ring,), squares), wanted)
    assert [window.kind for window in found] == kinds


def test_the_field_of_the_worst_quality_is_shown_and_says_what_is_wrong():
    counts = BinCounts(SIDE_PX, SIDE_PX, 320.0, 240.0)
    counts.add(np.arange(0, SIDE_PX, 100), np.arange(0, SIDE_PX, 100), np.full(40, 30.0))
    ring = np.array([[0, 0], [SIDE_PX, 0], [SIDE_PX, SIDE_PX], [0, SIDE_PX], [0, 0]])
    areas = [("fold", shapely.box(3968, 0, 4000, 240)), ("pen", shapely.box(3200, 2400, 3840, 2640))]
    survey = Survey(counts, counts, DensityScale(10.0, 40.0), (ring,), (), areas)
    *others, worst = fields(SLIDE, survey, 1)
    assert [window.kind for window in others] == ["densest"]
    assert worst.kind == "worst"
    assert 3200 - 320 <= worst.x_px <= 3200
    assert 2400 - 240 <= worst.y_px <= 2400
    assert [(fact.label, fact.value) for fact in doubts(survey, worst)] == [("Not to be trusted", "pen 50%")]
    assert doubts(survey, others[0]) == []
    assert [window.kind for window in fields(SLIDE, replace(survey, doubtful=()), 1)] == ["densest"]
