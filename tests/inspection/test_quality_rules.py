"""What single bins are called: what is measured counts beside what the network says."""

import numpy as np
import pytest

from pathopipe.inspection import quality_rules
from pathopipe.inspection.quality_rules import Rules
from pathopipe.models.quality.card import CLASSES
from pathopipe.models.quality.model import Judgment
from pathopipe.ops.quality.areas import NUMBERS
from pathopipe.ops.quality.surroundings import FEATURES
from pathopipe.pipeline import QualitySettings


def named(monkeypatch: pytest.MonkeyPatch, called: str, clipped: float, **features: float) -> int:
    """Return the number of a bin that the network calls by a name."""
    values = np.full((len(FEATURES), 1), 0.3, np.float32)
    for name, value in features.items():
        values[FEATURES.index(name)] = value
    sure = np.array([[0.99 if name == called else 0.0] for name in CLASSES], np.float32)
    monkeypatch.setattr(quality_rules, "judge", lambda *_: Judgment(sure, np.array([0.4], np.float32)))
    return int(Rules({}, QualitySettings(), True)(values, np.array([clipped], np.float32))[0][0])


@pytest.mark.parametrize(
    ("called", "clipped", "name"),
    [
        ("sound", 0.6, "saturated"),
        ("fold", 0.6, "saturated"),
        ("fold", 0.4, "fold"),
        ("pen", 0.6, "pen"),
        ("debris", 0.6, "debris"),
        ("rim", 0.0, "bubble"),
    ],
)
def test_black_is_saturated_unless_it_is_ink_or_dust(
    called: str, clipped: float, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert named(monkeypatch, called, clipped) == NUMBERS[name]


def test_stains_that_are_too_strong_or_too_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = ("red_wide", "green_wide", "blue_wide")
    assert named(monkeypatch, "sound", 0.0) == 0
    assert named(monkeypatch, "sound", 0.0, green_wide=1.3) == NUMBERS["overstained"]
    pale = dict.fromkeys(wide, 0.04)
    assert named(monkeypatch, "sound", 0.0, **pale, detail_1um_wide=4.0) == NUMBERS["understained"]
    assert named(monkeypatch, "sound", 0.0, **pale, detail_1um_wide=1.0) == 0
