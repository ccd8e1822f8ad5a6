import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.errors import RefusalError
from pathopipe.synthetic import Scene
from pathopipe.synthetic.nuclei import BLOCK_UM, nuclei_in
from pathopipe.synthetic.placement import (
    AREA_UM2,
    HALF_LONG,
    X,
    Y,
    margin_um,
    reach_um,
    settle,
)
from pathopipe.synthetic.scene import terrain


@given(left=st.floats(-1500, 1500), top=st.floats(-1500, 1500), side=st.floats(1, 600))
@settings(max_examples=15, deadline=None)
def test_a_rectangle_has_the_nuclei_of_a_larger_one(left: float, top: float, side: float) -> None:
    scene = Scene(1000, 1000, tissue="field")
    right, bottom = left + side, top + side
    part = nuclei_in(scene, left, top, right, bottom)
    whole = nuclei_in(scene, left - 100, top - 200, right + 300, bottom + 50)
    x, y = whole.table[:, X], whole.table[:, Y]
    inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    assert sorted(part.words) == sorted(whole.words[inside])


@pytest.mark.parametrize("pleomorphism", [1, 3])
def test_blocks_are_a_matter_of_speed_only(pleomorphism: int) -> None:
    scene = Scene(1000, 1000, pleomorphism=pleomorphism, tissue="field")
    box = (BLOCK_UM - 150, -150.0, BLOCK_UM + 150, 150.0)
    rates = {1: (0.2, 0.02), 3: (0.3, 0.02)}[pleomorphism]
    whole, _ = settle(scene.layout, pleomorphism, rates, box)
    halves = [
        settle(scene.layout, pleomorphism, rates, (box[0], box[1], BLOCK_UM, box[3]))[0],
        settle(scene.layout, pleomorphism, rates, (BLOCK_UM, box[1], box[2], box[3]))[0],
    ]
    joined = np.concatenate(halves)
    assert len(joined) == len(whole) > 100
    assert np.array_equal(joined[np.lexsort(joined.T)], whole[np.lexsort(whole.T)])


@pytest.mark.parametrize("pleomorphism", [1, 2, 3])
def test_nothing_reaches_further_than_stated(pleomorphism: int) -> None:
    nuclei = nuclei_in(Scene(10, 10, pleomorphism=pleomorphism, tissue="field"), 0, 0, 1000, 1000)
    assert (nuclei.table[:, HALF_LONG] * nuclei.radii.max(axis=1)).max() <= reach_um(pleomorphism)
    assert margin_um(pleomorphism) > 12 * reach_um(pleomorphism)


@pytest.mark.parametrize(("pleomorphism", "density"), [(1, 800.0), (1, 3000.0), (2, 2000.0), (3, 600.0), (3, 1900.0)])
def test_density_is_as_asked_for(pleomorphism: int, density: float) -> None:
    side = 2000.0
    scene = Scene(10, 10, seed=5, pleomorphism=pleomorphism, density=density, tissue="field")
    places = np.linspace(0, side, 80)
    share = np.mean([terrain(scene.layout, x, y)[0] > 0 for x in places for y in places])
    count = len(nuclei_in(scene, 0, 0, side, side).words)
    assert count / (share * side * side * 1e-6) == pytest.approx(density, rel=0.12)


def test_a_density_beyond_what_fits_is_refused() -> None:
    with pytest.raises(RefusalError, match="choose at most"):
        nuclei_in(Scene(100, 100, pleomorphism=3, density=9000), 0, 0, 50, 50)


def test_no_nuclei_where_none_are_wanted() -> None:
    assert len(nuclei_in(Scene(100, 100, density=0, tissue="field"), 0, 0, 500, 500).words) == 0


def test_outlines_enclose_the_stated_area() -> None:
    nuclei = nuclei_in(Scene(10, 10, pleomorphism=3, tissue="field"), 0, 0, 500, 500)
    outline = nuclei.outlines_um()
    x, y = outline[..., 0], outline[..., 1]
    area = 0.5 * np.sum(x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y, axis=1)
    assert np.abs(area / nuclei.table[:, AREA_UM2] - 1).max() < 0.01
