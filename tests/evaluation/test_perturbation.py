import cv2
import numpy as np
import pytest

from pathopipe.evaluation.perturbation import PERTURBATIONS, Perturbation, perturb, perturb_labels, perturb_points
from pathopipe.ops.stain import DEFAULT_EOSIN, DEFAULT_HEMATOXYLIN, optical_density

BY_NAME = {how.name: how for how in PERTURBATIONS}


def stained(density: np.ndarray) -> np.ndarray:
    return np.rint(255 * 10 ** -np.atleast_3d(density).reshape(1, -1, 3)).astype(np.uint8)


def disc(size: int = 101, x: float = 40.0, y: float = 60.0, radius: float = 12.0) -> np.ndarray:
    ys, xs = np.ogrid[:size, :size]
    return ((xs + 0.5 - x) ** 2 + (ys + 0.5 - y) ** 2 <= radius**2).astype(np.int32)


def noise(size: int = 64) -> np.ndarray:
    return np.random.default_rng(5).integers(60, 230, (size, size, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_same_image_is_changed_the_same_way_and_itself_stays(name: str):
    rgb = noise()
    before = rgb.copy()
    once, twice = perturb(rgb, BY_NAME[name], 2.0), perturb(rgb, BY_NAME[name], 2.0)
    assert np.array_equal(once, twice)
    assert np.array_equal(rgb, before)
    assert once.dtype == np.uint8
    assert once.shape != rgb.shape or not np.array_equal(once, rgb)


@pytest.mark.parametrize("strength", [0.6, 1.5])
def test_a_stronger_stain_multiplies_the_optical_density(strength: float):
    rgb = stained(np.array([DEFAULT_HEMATOXYLIN, DEFAULT_EOSIN]) * 0.5)
    changed = perturb(rgb, Perturbation("", strength=strength), 1.0)
    assert optical_density(changed) == pytest.approx(strength * optical_density(rgb), abs=0.01)


@pytest.mark.parametrize("name", ["pale and bluer", "dark and redder"])
def test_stain_vectors_turn_and_keep_their_angle_to_gray(name: str):
    how = BY_NAME[name]
    stain = np.array(DEFAULT_HEMATOXYLIN)
    changed = optical_density(perturb(stained(stain * 0.6), how, 1.0))[0, 0]
    assert np.linalg.norm(changed) == pytest.approx(0.6 * how.strength, rel=0.03)
    assert changed.sum() == pytest.approx(0.6 * how.strength * stain.sum(), rel=0.03)
    # Redder is what lets more red through than green, as against before.
    redder = changed[1] / changed[0] > stain[1] / stain[0]
    assert redder == (name == "dark and redder")


def test_gray_keeps_its_color_and_white_stays_white():
    rgb = np.full((4, 4, 3), 255, np.uint8)
    assert np.array_equal(perturb(rgb, BY_NAME["dark and redder"], 1.0), rgb)
    gray = perturb(np.full((4, 4, 3), 128, np.uint8), BY_NAME["pale and bluer"], 1.0)
    assert np.ptp(gray) == 0


def test_blur_is_of_one_working_pixel():
    rgb = np.zeros((65, 65, 3), np.uint8)
    rgb[32, 32] = 255
    spread = perturb(np.where(rgb > 0, 255, 0).astype(np.uint8), Perturbation("", blur=1.0), 2.0)[..., 0].astype(float)
    assert spread[32, 32] == pytest.approx(255 / (2 * np.pi * 4), abs=1)
    assert spread[32, 34] / spread[32, 32] == pytest.approx(np.exp(-0.5), abs=0.08)


def test_jpeg_keeps_colors_in_their_channels():
    rgb = np.full((32, 32, 3), (200, 90, 150), np.uint8)
    rgb[8:24, 8:24] = (90, 60, 140)
    changed = perturb(rgb, BY_NAME["JPEG 30"], 1.0)
    assert 0 < np.abs(changed.astype(int) - rgb).mean() < 15
    assert np.abs(changed.mean(axis=(0, 1)) - rgb.mean(axis=(0, 1))).max() < 5


@pytest.mark.parametrize("name", ["0.8 x as large", "1.25 x as large"])
def test_labels_and_points_stay_in_register(name: str):
    how, labels = BY_NAME[name], disc()
    rgb = np.where(labels[..., None] > 0, 60, 220).repeat(3, axis=2).astype(np.uint8)
    image, moved = perturb(rgb, how, 1.0), perturb_labels(labels, how)
    assert image.shape[:2] == moved.shape == (round(101 * how.scale), round(101 * how.scale))
    dark = image[..., 0] < 140
    assert (dark & (moved == 1)).sum() / (dark | (moved == 1)).sum() > 0.95
    ys, xs = np.nonzero(moved)
    point = perturb_points(np.array([[40.0, 60.0]]), how, labels.shape)
    assert point == pytest.approx(np.array([[xs.mean() + 0.5, ys.mean() + 0.5]]), abs=0.15)
    assert (moved == 1).sum() == pytest.approx(labels.sum() * how.scale**2, rel=0.05)


def test_labels_are_never_mixed():
    labels = np.random.default_rng(1).integers(0, 9, (37, 53)).astype(np.int32) * 1000
    for how in PERTURBATIONS:
        assert set(np.unique(perturb_labels(labels, how))) <= set(np.unique(labels))
        assert how.scale != 1 or np.array_equal(perturb_labels(labels, how), labels)


def test_the_image_is_resampled_not_cropped():
    rgb = cv2.resize(noise(8), (80, 80), interpolation=cv2.INTER_LINEAR)
    for name in ("0.8 x as large", "1.25 x as large"):
        back = cv2.resize(perturb(rgb, BY_NAME[name], 1.0), (80, 80), interpolation=cv2.INTER_LINEAR)
        assert np.abs(back.astype(int) - rgb).mean() < 4
