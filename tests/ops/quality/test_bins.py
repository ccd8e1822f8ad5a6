"""Bins hold what a plain computation of their colors and details gives."""

import numpy as np
import pytest

from pathopipe.ops.quality.bins import CHANNELS, measure_bins
from pathopipe.ops.quality.surroundings import FEATURES, HALO, describe


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4 * 7, 4 * 9, 3), np.uint8)


def squared_steps(plane: np.ndarray) -> np.ndarray:
    inner = 4 * plane[1:-1, 1:-1] - plane[:-2, 1:-1] - plane[2:, 1:-1] - plane[1:-1, :-2] - plane[1:-1, 2:]
    return np.pad(inner.astype(float), 1) ** 2


def means(plane: np.ndarray, side: int) -> np.ndarray:
    height, width = (size // side for size in plane.shape)
    return plane.reshape(height, side, width, side).mean(axis=(1, 3))[1:-1, 1:-1]


def test_colors_details_and_clipped_pixels(image: np.ndarray) -> None:
    found = measure_bins(image)
    assert found.shape == (5, 7, CHANNELS)
    for channel in range(3):
        np.testing.assert_allclose(found[..., channel], means(image[..., channel].astype(float), 4), rtol=1e-6)
    green = image[..., 1].astype(float)
    np.testing.assert_allclose(found[..., 3], means(squared_steps(green), 4), rtol=1e-6)
    pairs = green.reshape(14, 2, 18, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(found[..., 4], means(squared_steps(pairs), 2), rtol=1e-6)
    np.testing.assert_allclose(found[..., 5], means((image.min(axis=2) <= 1).astype(float), 4), rtol=1e-6)


def test_a_bin_is_described_by_nothing_beyond_the_halo() -> None:
    rng = np.random.default_rng(1)
    bins = rng.uniform(50, 250, (8 + 2 * HALO, 8 + 2 * HALO, CHANNELS)).astype(np.float32)
    wider = np.pad(bins, ((64, 64), (64, 64), (0, 0)), mode="reflect")
    inner = describe(wider)[:, 64:-64, 64:-64]
    assert describe(bins).shape == (len(FEATURES), 8, 8)
    np.testing.assert_allclose(describe(bins), inner, rtol=1e-3, atol=1e-3)


def test_detail_falls_when_an_image_is_blurred(image: np.ndarray) -> None:
    import cv2

    sharp, soft = (measure_bins(rgb) for rgb in (image, cv2.GaussianBlur(image, (0, 0), 1.5)))
    assert soft[..., 3].mean() < 0.1 * sharp[..., 3].mean()
