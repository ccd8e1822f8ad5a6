import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathopipe.ops.stain import (
    DEFAULT_EOSIN,
    DEFAULT_HEMATOXYLIN,
    Stains,
    densities,
    estimate_stains,
    optical_density,
)

HEMATOXYLIN = np.array([0.62, 0.70, 0.354])
EOSIN = np.array([0.20, 0.90, 0.387])


def mixture(n: int, seed: int = 0) -> np.ndarray:
    """Pixels (n, 3) of known stains: a third mostly hematoxylin, the rest mostly eosin."""
    rng = np.random.default_rng(seed)
    nuclear = rng.random(n) < 0.33
    h = np.where(nuclear, rng.uniform(0.4, 0.9, n), rng.uniform(0.0, 0.05, n))
    e = np.where(nuclear, rng.uniform(0.0, 0.05, n), rng.uniform(0.3, 0.7, n))
    density = h[:, None] * unit(HEMATOXYLIN) + e[:, None] * unit(EOSIN)
    return np.round(255 * 10**-density).astype(np.uint8)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def degrees_between(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(unit(np.asarray(a)) @ unit(np.asarray(b)), -1, 1))))


def test_optical_density_of_white_gray_and_black() -> None:
    density = optical_density(np.array([255, 26, 0], np.uint8))
    assert density == pytest.approx([0.0, np.log10(255 / 26), np.log10(255)], abs=1e-6)


def test_known_stains_are_recovered() -> None:
    stains = estimate_stains(mixture(20_000))
    assert stains.source == "macenko"
    assert degrees_between(stains.hematoxylin, HEMATOXYLIN) < 3
    assert degrees_between(stains.eosin, EOSIN) < 3
    assert stains.hematoxylin_max == pytest.approx(0.9, abs=0.03)
    assert stains.eosin_max == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize(
    "foreign",
    [(255, 255, 255), (250, 248, 251), (0, 0, 0), (60, 62, 58), (20, 120, 50), (30, 60, 200), (220, 30, 40)],
    ids=["white", "glass", "black", "gray", "green pen", "blue pen", "red pen"],
)
def test_glass_and_pens_change_nothing(foreign: tuple[int, int, int]) -> None:
    tissue = mixture(5_000)
    marked = np.concatenate([np.full((20_000, 3), foreign, np.uint8), tissue])
    assert estimate_stains(marked) == estimate_stains(tissue)


def test_order_of_the_pixels_does_not_matter() -> None:
    pixels = mixture(5_000)
    assert estimate_stains(pixels[::-1]) == estimate_stains(pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 3), np.uint8),
        np.full((10_000, 3), 255, np.uint8),
        mixture(300),
        np.full((10_000, 3), (150, 100, 180), np.uint8),
        np.round(255 * 10 ** -(np.linspace(0.2, 0.9, 5000)[:, None] * unit(EOSIN))).astype(np.uint8),
    ],
    ids=["none", "white", "few", "one color", "eosin only"],
)
def test_too_little_to_go_by_falls_back_to_the_textbook(pixels: np.ndarray) -> None:
    stains = estimate_stains(pixels)
    assert stains.source == "default"
    assert stains.hematoxylin == DEFAULT_HEMATOXYLIN
    assert stains.eosin == DEFAULT_EOSIN
    assert stains.hematoxylin_max > 0
    assert stains.eosin_max > 0


def test_one_stain_is_not_split_in_two() -> None:
    # A nuclear stain alone: its hue drifts with its density, and all of it is dark.
    amount = np.linspace(0.2, 1.3, 20_000)[:, None]
    faint, dark = unit(np.array([0.60, 0.73, 0.33])), unit(np.array([0.40, 0.90, 0.17]))
    share = (amount - 0.2) / 1.1
    pixels = np.round(255 * 10 ** -(amount * ((1 - share) * faint + share * dark))).astype(np.uint8)
    stains = estimate_stains(pixels)
    assert stains.source == "default"
    assert stains.hematoxylin_max > 0.5


def test_densities_unmix_what_was_mixed() -> None:
    stains = Stains(tuple(unit(HEMATOXYLIN)), tuple(unit(EOSIN)))
    density = 0.8 * unit(HEMATOXYLIN) + 0.3 * unit(EOSIN)
    pixel = np.round(255 * 10**-density).astype(np.uint8).reshape(1, 1, 3)
    assert densities(pixel, stains)[:, 0, 0] == pytest.approx([0.8, 0.3], abs=0.02)


def test_densities_of_glass_are_zero_and_none_is_negative() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    rgb[0, 0] = 255
    found = densities(rgb, Stains())
    assert found.shape == (2, 64, 64)
    assert found.dtype == np.float32
    assert (found[:, 0, 0] == 0).all()
    assert (found >= 0).all()


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 23), st.integers(1, 23))
def test_densities_do_not_depend_on_the_tile(y: int, x: int, height: int, width: int) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    stains = Stains(tuple(unit(HEMATOXYLIN)), tuple(unit(EOSIN)))
    crop = np.s_[y : y + height, x : x + width]
    assert np.array_equal(densities(rgb[crop], stains), densities(rgb, stains)[:, *crop])


def test_stains_survive_the_manifest() -> None:
    stains = estimate_stains(mixture(5_000))
    assert Stains.from_dict(json.loads(json.dumps(stains.to_dict()))) == stains
