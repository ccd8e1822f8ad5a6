from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.models.base import Prediction
from pathopipe.models.classical import CONSTANTS, TRAITS, ClassicalModel, capped_depth, cleaned
from pathopipe.ops.stain import Stains, estimate_stains
from pathopipe.pipeline import TilesSettings

SIZE = 320


def scene(seed: int = 0, size: int = SIZE) -> np.ndarray:
    """H&E-like noise of many scales: touching dark blobs, gradients, glass, texture."""
    rng = np.random.default_rng(seed)
    fine, coarse, eosin = (
        cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), s) * s for s in (1.0, 5.0, 15.0)
    )
    nuclei = 0.6 / (1 + np.exp(-12 * (coarse + 0.2 * fine - 0.15)))
    density = nuclei[..., None] * (0.65, 0.70, 0.29) + np.maximum(eosin + 0.2, 0)[..., None] * (0.07, 0.99, 0.11)
    return np.round(255 * 10**-density).astype(np.uint8)


def disc(rgb: np.ndarray, y: int, x: int, radius: float) -> None:
    ys, xs = np.ogrid[: rgb.shape[0], : rgb.shape[1]]
    rgb[(ys - y) ** 2 + (xs - x) ** 2 <= radius**2] = (95, 80, 150)


@pytest.fixture(scope="module")
def model() -> ClassicalModel:
    return ClassicalModel(Stains(hematoxylin_max=0.6))


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    return scene()


def test_radius_fits_the_default_halo() -> None:
    assert 0 < TRAITS.radius <= TilesSettings().halo


def test_result_has_the_promised_shape_and_order(model: ClassicalModel, rgb: np.ndarray) -> None:
    found = model.predict(rgb)
    assert tuple(found.maps) == model.traits.channels == ("foreground", "barrier")
    assert all((image.shape, image.dtype) == ((SIZE, SIZE), np.uint8) for image in found.maps.values())
    assert found.seeds.dtype == np.int32
    assert found.scores.dtype == np.float32
    assert len(found.seeds) == len(found.scores) > 20
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert (np.diff(found.seeds[:, 0].astype(int) * SIZE + found.seeds[:, 1]) > 0).all()
    assert (found.maps["foreground"][tuple(found.seeds.T)] >= 128).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 190), st.integers(0, 190), st.integers(1, 130), st.integers(1, 130), st.integers(0, 3))
def test_a_tile_with_its_halo_shows_what_the_whole_shows(y: int, x: int, height: int, width: int, seed: int) -> None:
    model = ClassicalModel(Stains(hematoxylin_max=0.6))
    rgb = scene(seed)
    whole = model.predict(rgb)
    y1, x1 = min(SIZE, y + height), min(SIZE, x + width)
    top, left = max(0, y - TRAITS.radius), max(0, x - TRAITS.radius)
    tile = model.predict(rgb[top : y1 + TRAITS.radius, left : x1 + TRAITS.radius])
    part = model.predict(rgb, (y, x, y1, x1))
    assert part.seeds.tolist() == [[row - y, column - x] for row, column, _ in within(*seen(whole), y, x, y1, x1)]
    assert all(np.array_equal(image, whole.maps[name][y:y1, x:x1]) for name, image in part.maps.items())
    for name, image in tile.maps.items():
        assert np.array_equal(image[y - top : y1 - top, x - left : x1 - left], whole.maps[name][y:y1, x:x1])
    assert within(tile.seeds + np.array([top, left]), tile.scores, y, x, y1, x1) == within(*seen(whole), y, x, y1, x1)


def seen(found: Prediction) -> tuple[np.ndarray, np.ndarray]:
    return found.seeds, found.scores


def within(seeds: np.ndarray, scores: np.ndarray, y: int, x: int, y1: int, x1: int) -> list[tuple[float, ...]]:
    inside = (seeds[:, 0] >= y) & (seeds[:, 0] < y1) & (seeds[:, 1] >= x) & (seeds[:, 1] < x1)
    return [(*seed, score) for seed, score in zip(seeds[inside].tolist(), scores[inside].tolist(), strict=True)]


def test_every_disc_is_one_nucleus(model: ClassicalModel) -> None:
    rgb = np.full((200, 200, 3), (235, 190, 215), np.uint8)
    centers = [(30, 30), (30, 100), (100, 40), (150, 150)]
    for (y, x), radius in zip(centers, (4.5, 6, 8, 11), strict=True):
        disc(rgb, y, x, radius)
    found = model.predict(rgb)
    assert sorted(map(tuple, found.seeds.tolist())) == pytest.approx(np.array(centers), abs=3)
    assert found.maps["foreground"][30, 30] == 255
    assert found.maps["foreground"][60, 60] < 128


def test_two_touching_discs_are_two_nuclei_with_a_barrier_between(model: ClassicalModel) -> None:
    rgb = np.full((120, 120, 3), (235, 190, 215), np.uint8)
    disc(rgb, 60, 50, 8)
    disc(rgb, 60, 65, 8)
    found = model.predict(rgb)
    assert len(found.seeds) == 2
    barrier = found.maps["barrier"][60]
    assert barrier[57] > barrier[50]
    assert barrier[58] > barrier[65]


@pytest.mark.parametrize("color", [(255, 255, 255), (235, 190, 215)], ids=["glass", "eosin"])
def test_nothing_is_found_where_nothing_stands_out(model: ClassicalModel, color: tuple[int, int, int]) -> None:
    found = model.predict(np.full((150, 150, 3), color, np.uint8))
    assert not len(found.seeds)
    assert not (found.maps["foreground"] >= 128).any()


def test_an_image_smaller_than_the_windows_is_no_problem(model: ClassicalModel) -> None:
    found = model.predict(np.full((3, 2, 3), 250, np.uint8))
    assert [image.shape for image in found.maps.values()] == [(3, 2)] * 2
    assert found.seeds.shape == (0, 2)


def test_small_holes_are_filled_and_thin_lines_cut_off() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:35, 5:35] = True
    mask[8:12, 8:12] = False
    mask[20:30, 20:30] = False
    mask[2, :] = True
    clean = cleaned(mask, replace(CONSTANTS, hole_side=6, hole_area=30, opening=1))
    assert clean[8:12, 8:12].all()
    assert not clean[20:30, 20:30].any()
    assert not clean[:5].any()


def test_what_lies_at_the_border_is_no_hole() -> None:
    mask = np.zeros((40, 40), bool)
    mask[:, 3:] = True
    mask[:4, 20:24] = False
    clean = cleaned(mask)
    assert not clean[:, :3].any()
    assert not clean[:3, 20:24].any()


def test_depth_is_the_distance_to_the_edge_up_to_a_cap() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    depth = capped_depth(mask)
    assert depth[10, 30] == 1
    assert depth[13, 30] == 4
    assert depth[30, 30] == depth.max() == CONSTANTS.depth
    assert depth[0, 0] == 0


def test_a_flat_image_shows_no_nuclei():
    flat = np.full((300, 300, 3), (220, 120, 190), np.uint8)
    assert len(ClassicalModel(estimate_stains(flat.reshape(-1, 3))).predict(flat).seeds) == 0
