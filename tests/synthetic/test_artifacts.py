"""Painted artifacts change the image where they say so, and nowhere else."""

import cv2
import numpy as np
import pytest

from pathopipe.ops.quality.inks import INKS
from pathopipe.synthetic.artifacts import (
    BUBBLE,
    DEBRIS,
    FOLD,
    PAINTERS,
    PEN,
    RIM,
    Painting,
    defocus,
    equal_blur_um,
    pen,
    point_spread,
)

LABELS = {"fold": {FOLD}, "pen": {PEN}, "bubble": {RIM, BUBBLE}, "debris": {DEBRIS}}


@pytest.fixture
def image() -> np.ndarray:
    noise = np.random.default_rng(0).integers(90, 230, (400, 500, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.0)


@pytest.mark.parametrize("kind", sorted(LABELS))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_labeled_is_changed_and_what_lies_apart_is_not(kind: str, seed: int, image: np.ndarray) -> None:
    painting = Painting.of(image, 1.0)
    PAINTERS[kind](painting, np.random.default_rng(seed))
    labels = painting.labels
    assert set(np.unique(labels)) - {0} == LABELS[kind]
    assert painting.rgb.shape == image.shape
    changed = np.abs(painting.rgb.astype(int) - image).max(axis=2)
    apart = cv2.dilate((labels > 0).astype(np.uint8), np.ones((81, 81), np.uint8)) == 0
    assert (changed[apart] <= 1).all()
    inner = cv2.erode((labels > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert changed[inner].mean() > 10


def test_the_same_seed_paints_the_same(image: np.ndarray) -> None:
    first, second = (Painting.of(image, 1.0) for _ in range(2))
    for painting in (first, second):
        PAINTERS["bubble"](painting, np.random.default_rng(7))
    np.testing.assert_array_equal(first.rgb, second.rgb)


@pytest.mark.parametrize("ink", sorted(INKS))
def test_ink_takes_most_of_the_colors_that_it_absorbs(ink: str, image: np.ndarray) -> None:
    painting = Painting.of(image, 1.0)
    before = painting.density.copy()
    pen(painting, np.random.default_rng(4), ink)
    taken = (painting.density - before)[painting.labels == PEN].mean(axis=0)
    wanted = np.array(INKS[ink])
    assert taken @ wanted > 0.97 * np.linalg.norm(taken) * np.linalg.norm(wanted)


def test_the_spread_of_a_point_widens_out_of_focus_as_geometry_says() -> None:
    y, x = np.mgrid[-31:32, -31:32]
    for aperture in (0.5, 0.75):
        for distance in (8.0, 12.0):
            spread = point_spread(distance, aperture, 1.0)
            assert spread.sum() == pytest.approx(1)
            frequency = 0.05
            passed = float((spread * np.cos(2 * np.pi * frequency * x)).sum())
            sigma = np.sqrt(-np.log(passed) / 2) / (np.pi * frequency)
            assert sigma == pytest.approx(equal_blur_um(distance, aperture), rel=0.15)
    assert spread[np.hypot(x, y) < 25].sum() > 0.9


def test_defocus_blurs_part_of_an_image(image: np.ndarray) -> None:
    painting = Painting.of(image, 1.0)
    where = np.zeros(image.shape[:2], np.float32)
    where[:, 250:] = 1
    defocus(painting, where, 6.0, 0.75)
    assert painting.rgb[:, 280:].std() < 0.5 * image[:, 280:].std()
    np.testing.assert_allclose(painting.rgb[:, :240], image[:, :240], atol=1)
    assert painting.blur_um[0, 0] == 0
    assert painting.blur_um[0, 400] == pytest.approx(equal_blur_um(6.0, 0.75))
