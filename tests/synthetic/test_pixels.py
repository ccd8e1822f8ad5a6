import numpy as np
import pytest
import skimage.draw
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pathopipe.synthetic import Scene, render, truth


@given(
    x=st.integers(0, 500),
    y=st.integers(0, 500),
    width=st.integers(1, 120),
    height=st.integers(1, 120),
    mpp=st.sampled_from([0.25, 0.5, 0.3]),
)
@example(x=1, y=7, width=1, height=1, mpp=0.5)
@settings(max_examples=20, deadline=None)
def test_a_rectangle_is_the_crop_of_a_larger_one(x: int, y: int, width: int, height: int, mpp: float) -> None:
    scene = Scene(640, 640, mpp=mpp, seed=3, pleomorphism=2, origin_x=-100)
    whole = render(scene, 0, 0, 640, 640)
    assert np.array_equal(render(scene, x, y, width, height), whole[y : y + height, x : x + width])


@given(dx=st.integers(-3000, 3000), dy=st.integers(-3000, 3000))
@settings(max_examples=10, deadline=None)
def test_a_shifted_scene_shows_the_same_tissue(dx: int, dy: int) -> None:
    scene = Scene(900, 900, seed=8, pleomorphism=3, tissue="field")
    assert np.array_equal(render(scene.shifted(dx, dy), 0, 0, 90, 70), render(scene, dx, dy, 90, 70))


def test_seeds_give_different_slides() -> None:
    first, second = (render(Scene(200, 200, seed=seed, tissue="field"), 0, 0, 200, 200) for seed in (0, 1))
    assert np.mean(first != second) > 0.9


@pytest.mark.parametrize("pleomorphism", [1, 2, 3])
def test_nuclei_are_darker_than_their_surroundings(pleomorphism: int) -> None:
    scene = Scene(900, 900, seed=2, pleomorphism=pleomorphism, tissue="field")
    red = render(scene, 0, 0, 900, 900)[..., 0].astype(float)  # only hematoxylin takes red light away
    nuclei = truth(scene, 60, 60, 780, 780)
    inside = np.zeros(red.shape, bool)
    means = []
    for outline in nuclei.outlines_px:
        rows, columns = skimage.draw.polygon(outline[:, 1] - 0.5, outline[:, 0] - 0.5, red.shape)
        inside[rows, columns] = True
        means.append(red[rows, columns].mean())
    outside = red[60:840, 60:840][~inside[60:840, 60:840]]
    assert len(nuclei) > 150
    assert np.mean(np.array(means) < np.median(outside) - 25) > 0.97


def test_outlines_are_drawn_where_the_truth_says() -> None:
    scene = Scene(800, 800, seed=2, pleomorphism=2, density=400, tissue="field")
    red = render(scene, 0, 0, 800, 800)[..., 0].astype(float)
    profile = {}
    for scale in (0.8, 1.0, 1.25):
        values = []
        nuclei = truth(scene, 60, 60, 680, 680)
        for outline, center in zip(nuclei.outlines_px, nuclei.centers_px, strict=True):
            places = np.floor(center + scale * (outline - center)).astype(int)
            values.append(red[places[:, 1], places[:, 0]].mean())
        profile[scale] = np.mean(values)
    middle = (profile[0.8] + profile[1.25]) / 2
    assert profile[0.8] + 40 < profile[1.25]
    assert abs(profile[1.0] - middle) < 0.2 * (profile[1.25] - profile[0.8])


def test_glass_is_white_and_without_nuclei() -> None:
    scene = Scene(1200, 1200, seed=1)
    corner = render(scene, 0, 0, 40, 40)
    assert corner.mean() > 235
    assert len(truth(scene, 0, 0, 40, 40)) == 0
