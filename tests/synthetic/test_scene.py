import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathopipe.errors import RefusalError
from pathopipe.synthetic import Scene
from pathopipe.synthetic.scene import fiber_wave, terrain


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(RefusalError) as caught:
        Scene(0, 10, mpp=9.0, pleomorphism=4, tissue="ocean", density=-1, stain_variation=3)
    assert len(caught.value.problems) == 6
    assert "0 x 10" in caught.value.problems[0]


@given(dx=st.integers(-(10**6), 10**6), dy=st.integers(-(10**6), 10**6))
def test_shifting_moves_the_window_and_nothing_else(dx: int, dy: int) -> None:
    scene = Scene(300, 200, origin_x=7)
    shifted = scene.shifted(dx, dy)
    assert (shifted.origin_x, shifted.origin_y) == (7 + dx, dy)
    assert dataclasses.replace(shifted, origin_x=7, origin_y=0) == scene
    assert shifted.layout == scene.layout


def test_stain_vectors_are_unit_and_stray_with_the_seed_only_as_far_as_asked() -> None:
    stains = [Scene(10, 10, seed=seed).stain for seed in range(20)]
    reference = {Scene(10, 10, seed=seed, stain_variation=0).stain for seed in range(20)}
    assert len(set(stains)) == 20
    assert len(reference) == 1
    for stain in stains:
        assert np.linalg.norm(stain.hematoxylin) == pytest.approx(1)
        assert np.linalg.norm(stain.eosin) == pytest.approx(1)
        assert stain.hematoxylin[0] > 4 * stain.eosin[0]  # only hematoxylin takes red light away


def test_islands_lie_on_glass_and_a_field_is_tissue_but_for_lumens() -> None:
    def share(scene: Scene) -> float:
        side = scene.width_px * scene.mpp
        places = np.linspace(0, side, 60)
        return float(np.mean([terrain(scene.layout, x, y)[0] > 0 for x in places for y in places]))

    for seed in range(5):
        assert 0.2 < share(Scene(3000, 3000, seed=seed)) < 0.75
        assert share(Scene(3000, 3000, seed=seed, tissue="field")) > 0.9


def test_fibers_change_slowly_enough_to_be_interpolated() -> None:
    layout = Scene(1000, 1000).layout
    x = np.arange(0, 2000, 2.0)
    wave = np.array([fiber_wave(layout, value, 100.0) for value in x])
    assert np.abs(np.diff(wave)).max() < 5
