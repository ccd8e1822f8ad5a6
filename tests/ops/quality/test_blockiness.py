"""Blocks of JPEG compression show where it is strong, wherever their grid begins, and nowhere else."""

import cv2
import numpy as np
import pytest

from pathopipe.evaluation.perturbation import compressed
from pathopipe.ops.quality.blockiness import blockiness


@pytest.fixture
def image() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (300, 320, 3), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 40, 240, cv2.NORM_MINMAX)


def test_it_grows_with_the_compression(image: np.ndarray) -> None:
    found = [blockiness(compressed(image, quality)[..., 1].copy()) for quality in (90, 50, 20, 10)]
    assert found == sorted(found)
    assert blockiness(image[..., 1].copy()) < 0.05
    assert found[0] < 0.1
    assert found[-1] > 0.35


@pytest.mark.parametrize("start", [(0, 0), (3, 5), (7, 1)])
def test_the_grid_may_begin_anywhere(start: tuple[int, int], image: np.ndarray) -> None:
    strong = compressed(image, 10)[..., 1]
    moved = np.ascontiguousarray(strong[start[0] :, start[1] :])
    assert blockiness(moved) == pytest.approx(blockiness(strong.copy()), rel=0.1)


def test_stripes_in_one_direction_are_no_blocks(image: np.ndarray) -> None:
    striped = image[..., 1].copy()
    striped[:, ::8] //= 2
    assert blockiness(striped) < 0.05
