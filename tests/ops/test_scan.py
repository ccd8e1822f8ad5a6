from pathlib import Path

import numpy as np
import pytest

from pathopipe.evaluation.perturbation import compressed
from pathopipe.ops.scan import blockiness, middle_sharpness, noise
from pathopipe.slide import open_slide


def windows(image: np.ndarray, side: int = 256) -> list[np.ndarray]:
    """Cut an image into windows whose corners are multiples of 256."""
    rows, columns = (range(0, length - side + 1, side) for length in image.shape[:2])
    return [image[y : y + side, x : x + side] for y in rows for x in columns]


def noisy(sd: float, level: float = 170.0) -> np.ndarray:
    values = np.random.default_rng(3).normal(level, sd, (512, 512, 3))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def tissue(shared_data: Path) -> np.ndarray:
    with open_slide(shared_data / "slides" / "OS-1-detail.ome.tif", None) as slide:
        return slide.read(slide.grid(slide.mpp.x), 0, 0, 1024, 1024)


@pytest.mark.parametrize("sd", [0.5, 1.0, 2.0, 4.0])
def test_noise_of_known_strength_is_measured(sd: float):
    assert noise(windows(noisy(sd))) == pytest.approx(sd, rel=0.12)


def test_structure_is_not_taken_for_noise():
    ramp = np.tile(np.linspace(60, 220, 512), (512, 1))
    ramp[:, 200:220] -= 50  # an edge in some squares
    image = np.repeat(np.rint(ramp)[..., None], 3, axis=2).astype(np.uint8)
    assert noise(windows(image)) < 0.3


def test_clipped_light_is_no_quiet_place():
    half = noisy(2.0)
    half[:, 256:] = 255
    assert noise(windows(half)) == pytest.approx(2.0, rel=0.12)
    assert noise(windows(np.full((512, 512, 3), 255, np.uint8))) is None


def test_noise_adds_to_that_of_tissue(tissue: np.ndarray):
    before = noise(windows(tissue))
    grain = np.random.default_rng(0).normal(0, 3, tissue.shape)
    after = noise(windows(np.clip(np.rint(tissue + grain), 0, 255).astype(np.uint8)))
    assert after == pytest.approx(np.hypot(before, 3), rel=0.15)


def test_an_image_without_blocks_has_none():
    assert blockiness(windows(noisy(2.0))) == pytest.approx(0, abs=0.02)
    assert blockiness(windows(np.full((512, 512, 3), 180, np.uint8))) is None


@pytest.mark.parametrize("cut", [(0, 0), (3, 5)])
def test_blocks_grow_with_compression_wherever_they_begin(cut: tuple[int, int]):
    image = noisy(12.0)
    found = [blockiness(windows(compressed(image, quality)[cut[0] :, cut[1] :])) for quality in (90, 60, 30)]
    assert found == sorted(found)
    assert found[0] > -0.2
    assert found[2] > 0.5


def test_strong_compression_shows_in_tissue(tissue: np.ndarray):
    before = blockiness(windows(tissue))
    assert blockiness(windows(compressed(tissue, 30))) > before + 0.5


def test_tiny_windows_have_no_numbers():
    tiny = [np.full((3, 3, 3), 9, np.uint8)]
    assert (noise(tiny), blockiness(tiny), noise([]), blockiness([])) == (None, None, None, None)


def test_the_sharpness_of_windows_with_nothing_to_see_is_not_known():
    assert middle_sharpness([0.4, 0.5, float("inf")]) == 0.5
    assert middle_sharpness([0.4, float("inf"), float("inf")]) is None
    assert middle_sharpness([]) is None
