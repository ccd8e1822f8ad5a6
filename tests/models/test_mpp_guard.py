"""The judgment on the mpp, from numbers that `open` gave on a real slide at its own mpp, at half and at twice that."""

import math
from dataclasses import replace

import pytest

from pathopipe.models.mpp_guard import GUARDS, LEAST_NUCLEI, SCALES, Sight, judge, measures

# CMU-1-Small-Region: nuclei found, and seeds of two windows, mean score and median area at each scale.
SEEN = {
    "open": {
        None: (2111, (22, 0.6787, 9.88), (102, 0.6248, 48.5), (22, 0.471, 15.75)),
        "small": (889, (92, 0.6369, 48.5), (53, 0.4766, 9.88), (2, 0.5131, 9.25)),
        "large": (2504, (46, 0.5615, 20.81), (14, 0.6361, 1.5), (91, 0.6337, 72.38)),
    },
    # As the `open` saw it that `research` was trained from.
    "research": {
        None: (2099, (13, 0.5947, 2.38), (111, 0.631, 43.12), (50, 0.4848, 17.94)),
        "small": (888, (111, 0.631, 43.12), (50, 0.4848, 17.94), (1, 0.5159, 2.19)),
        "large": (2728, (57, 0.5692, 47.12), (34, 0.693, 57.0), (94, 0.625, 73.5)),
    },
}
HALF, TWICE = SEEN["open"]["small"], SEEN["open"]["large"]


def sights(*seen: tuple[int, float, float]) -> list[Sight]:
    return [Sight(scale, 2, 131072, *numbers) for scale, numbers in zip(SCALES, seen, strict=True)]


def judged(case, model="open", nuclei=None, score=0.7):
    return judge(model, case[0] if nuclei is None else nuclei, score, [vars(sight) for sight in sights(*case[1:])])


@pytest.mark.parametrize("model", GUARDS)
@pytest.mark.parametrize("side", [None, "small", "large"])
def test_a_wrong_mpp_is_doubted_and_the_right_one_is_not(model, side):
    known, doubt = judged(SEEN[model][side], model)
    assert known
    assert (doubt.side if doubt else None) == side
    if doubt:
        assert doubt.value > doubt.threshold == GUARDS[model].sides[side].threshold


@pytest.mark.parametrize("case", SEEN["open"].values())
def test_no_judgment_on_models_and_nuclei_that_the_weights_are_not_for(case):
    assert judged(case, model="classical") == (False, None)
    assert judged(case, model="mine@0123456789abcdef") == (False, None)
    assert judged(case, score=GUARDS["open"].surest + 0.001) == (False, None)


def test_too_few_nuclei_are_not_judged():
    few = [tuple((min(seeds, LEAST_NUCLEI - 1), *rest) for seeds, *rest in case[1:]) for case in (HALF, TWICE)]
    for seen in few:
        assert judged((LEAST_NUCLEI - 1, *seen)) == (False, None)


def test_nuclei_at_the_finer_scale_count_against_an_mpp_that_is_too_small_alone():
    known, doubt = judged(HALF, nuclei=5)
    assert known
    assert doubt is not None
    assert doubt.side == "small"
    assert judged(TWICE, nuclei=5) == (False, None)


def test_measures_are_certainty_density_and_size_scale_by_scale():
    found = measures(sights((0, 0.0, 0.0), (127, 0.7, 60.0), (255, 0.6, 12.0)))
    assert found[0::3] == pytest.approx((0.5, 0.6954, 0.5988), abs=1e-4)
    assert found[1::3] == pytest.approx([math.log2(count / 13.1072) for count in (1, 128, 256)])
    assert found[2::3] == (2, 6, 4)


def test_few_nuclei_say_little_of_certainty():
    many, few, none = (Sight(1, 2, 131072, seeds, 0.8, 60.0) for seeds in (1000, 3, 0))
    assert many.certainty == pytest.approx(0.8, abs=0.001)
    assert few.certainty == pytest.approx(0.65)
    assert none.certainty == 0.5


def test_density_does_not_depend_on_how_many_windows_were_looked_at():
    one = Sight(1, 2, 131072, 999, 0.7, 60.0)
    assert replace(one, windows=4, pixels=262144, seeds=1999).density == pytest.approx(one.density)
