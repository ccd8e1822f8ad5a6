"""Tissue on glass: pale, dark, marked with pens, shaded, dusty."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pathopipe.ops.tissue import find_tissue, looks_dark, sharpness
from pathopipe.slide import open_slide

CELL_UM, MIN_MM2, MARGIN_UM = 8.0, 0.02, 24.0
GLASS = (243, 243, 241)
HEMATOXYLIN, EOSIN = (0.65, 0.70, 0.29), (0.07, 0.99, 0.11)  # Ruifrok and Johnston 2001
INKS = {"blue": (30, 60, 165), "green": (25, 115, 70), "black": (28, 28, 32), "red": (200, 40, 50)}
Image = NDArray[np.float32]


def tissue_slide(strength: float = 1.0, seed: int = 0, glass: tuple[int, int, int] = GLASS) -> tuple[Image, np.ndarray]:
    """Three ellipses with the color and grain of H&E at 8 µm per pixel, and where they are."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((400, 600), np.uint8)
    for x, y in ((120, 120), (320, 250), (480, 110)):
        cv2.ellipse(truth, (x, y), (90, 70), 20, 0, 360, 1, -1)
    grain = rng.gamma(4.0, 0.25, (2, *truth.shape)).astype(np.float32)
    density = (
        strength
        * truth[..., None]
        * (0.25 * grain[0][..., None] * np.float32(HEMATOXYLIN) + 0.3 * grain[1][..., None] * np.float32(EOSIN))
    )
    image = np.float32(glass) * 10**-density + rng.normal(0, 0.4, density.shape)
    return image.astype(np.float32), truth.astype(bool)


def as_view(image: Image) -> NDArray[np.uint8]:
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def draw(image: Image, color: tuple[int, ...]) -> tuple[Image, np.ndarray]:
    """A stroke of ink over glass and tissue: light passes both."""
    stroke = np.zeros(image.shape[:2], np.uint8)
    cv2.polylines(stroke, [np.array([(20, 380), (130, 100), (560, 340), (580, 30)], np.int32)], False, 255, 9)
    weight = 0.9 * cv2.GaussianBlur(stroke, (0, 0), 0.8).astype(np.float32)[..., None] / 255
    return image * (1 - weight + weight * np.float32(color) / 255), stroke > 0


def found(image: Image) -> tuple[np.ndarray, float]:
    view = find_tissue(as_view(image), CELL_UM, MIN_MM2, MARGIN_UM)
    return view.tissue, view.pen_share


def widened(mask: np.ndarray, cells: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * cells + 1,) * 2, np.uint8)).astype(bool)


@pytest.mark.parametrize("strength", [0.1, 0.2, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("glass", [GLASS, (238, 228, 240), (240, 238, 212), (222, 222, 220)])
def test_tissue_is_found_faint_and_strong(strength: float, glass: tuple[int, int, int]) -> None:
    image, truth = tissue_slide(strength, glass=glass)
    tissue, pen_share = found(image)
    assert (tissue & truth).sum() >= 0.98 * truth.sum()
    assert not (tissue & ~widened(truth, 8)).any()
    assert pen_share == 0


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_pen_marks_are_left_out(ink: str, strength: float) -> None:
    image, truth = tissue_slide(strength)
    marked, stroke = draw(image, INKS[ink])
    tissue, pen_share = found(marked)
    on_glass = stroke & ~widened(truth, 12)
    assert (tissue & on_glass).sum() <= 0.1 * on_glass.sum()
    assert (tissue & truth & ~widened(stroke, 4)).sum() >= 0.95 * (truth & ~widened(stroke, 4)).sum()
    assert pen_share == pytest.approx(stroke.mean(), rel=0.6)


def shade(image: Image) -> Image:
    x = np.arange(image.shape[1])
    return image * (1 - 0.35 * np.exp(-(((x - 400) / 60.0) ** 2)))[None, :, None].astype(np.float32)


def vignette(image: Image) -> Image:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return image * (1 - 0.3 * ((x / 300 - 1) ** 2 + (y / 200 - 1) ** 2) / 2)[..., None].astype(np.float32)


def add_coverslip(image: Image) -> Image:
    out = image.copy()
    cv2.rectangle(out, (5, 5), (590, 390), (120, 122, 124), 2)
    return out


def add_bubbles(image: Image) -> Image:
    out = image.copy()
    for x, y, radius in ((40, 300, 25), (220, 60, 18), (560, 350, 30)):
        cv2.circle(out, (x, y), radius, (110, 110, 112), 2)
    return out


def add_dust(image: Image) -> Image:
    out, rng = image.copy(), np.random.default_rng(5)
    for _ in range(200):
        x, y, radius, *color = (
            int(value) for value in rng.integers((0, 0, 0, 40, 40, 40), (600, 400, 3, 200, 200, 200))
        )
        cv2.circle(out, (x, y), radius, color, -1)
    return out


FLAWS: list[Callable[[Image], Image]] = [shade, vignette, add_coverslip, add_bubbles, add_dust]


@pytest.mark.parametrize("flaw", FLAWS)
def test_flaws_are_no_tissue(flaw: Callable[[Image], Image]) -> None:
    image, truth = tissue_slide(0.7)
    tissue, _ = found(flaw(image))
    assert (tissue & truth).sum() >= 0.97 * truth.sum()
    assert not (tissue & ~widened(truth, 10)).any()


def blank() -> Image:
    return (np.float32(GLASS) + np.random.default_rng(1).normal(0, 0.4, (400, 600, 3))).astype(np.float32)


@pytest.mark.parametrize(
    "image",
    [
        blank(),
        *(flaw(blank()) for flaw in FLAWS),
        np.full((300, 300, 3), 255, np.float32),
        np.full((300, 300, 3), 128, np.float32),
        np.full((300, 300, 3), 128, np.float32) + np.random.default_rng(2).normal(0, 20, (300, 300, 1)),
    ],
)
def test_nothing_is_found_where_nothing_is(image: Image) -> None:
    assert not found(image)[0].any()


def test_a_blank_slide_with_pen_marks_has_no_tissue() -> None:
    marked, stroke = draw(blank(), INKS["blue"])
    tissue, pen_share = found(marked)
    assert not tissue.any()
    assert pen_share == pytest.approx(stroke.mean(), rel=0.6)


@pytest.mark.parametrize("strength", [0.1, 1.0])
def test_a_field_without_glass_is_all_tissue(strength: float) -> None:
    image, _ = tissue_slide(strength)
    field = image[80:160, 80:160]
    tissue, pen_share = found(field)
    assert tissue.all()
    assert pen_share == 0


def test_specks_are_dropped_and_small_holes_filled() -> None:
    image, _ = tissue_slide()
    image[118:124, 118:124] = GLASS
    image[350:356, 20:26] = image[118:124, 300:306]
    tissue, _ = found(image)
    assert tissue[118:124, 118:124].all()
    assert not tissue[340:366, 10:36].any()


def test_the_smallest_views_work() -> None:
    for shape in ((1, 1), (1, 7), (3, 2)):
        find_tissue(np.full((*shape, 3), 200, np.uint8), CELL_UM, MIN_MM2, MARGIN_UM)


def test_fluorescence_is_dark() -> None:
    image = np.full((50, 50, 3), 6, np.uint8)
    image[10:20, 10:20] = (0, 0, 250)
    assert looks_dark(image)
    assert not looks_dark(as_view(tissue_slide(2.0)[0]))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("black", [0, 6])
def test_black_fill_was_not_scanned_and_is_neither_fluorescence_nor_pen(share: float, black: int) -> None:
    image, _ = tissue_slide()
    alone, _ = found(image)
    rows = round(400 * share / (1 - share))
    canvas = np.full((400 + rows, 600, 3), black, np.float32)
    canvas[rows:] = image
    assert not looks_dark(as_view(canvas))
    tissue, pen_share = found(canvas)
    assert pen_share == 0
    assert not tissue[:rows].any()
    np.testing.assert_array_equal(tissue[rows + 1 :], alone[1:])


def test_black_patches_between_fields_are_cut_out_of_what_is_all_tissue() -> None:
    field = tissue_slide()[0][80:160, 80:160]
    canvas = np.zeros((160, 160, 3), np.float32)
    canvas[:80, :80] = canvas[80:, 80:] = field
    tissue, _ = found(canvas)
    assert tissue[:79, :79].all()
    assert tissue[81:, 81:].all()
    assert not tissue[:80, 80:].any()


@pytest.mark.parametrize("color", [(0, 0, 250), (0, 200, 0), (200, 0, 250), (0, 220, 255)])
def test_fluorescence_on_pure_black_is_dark(color: tuple[int, int, int]) -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    image[10:40, 10:40] = color
    assert looks_dark(image)
    assert looks_dark(np.zeros((50, 50, 3), np.uint8))


@pytest.mark.parametrize("set_name", ["nucls", "tnbc", "brca_m2c", "monuseg_train", "dsb2018_colour"])
def test_real_fields_are_all_tissue(set_name: str, shared_data: Path) -> None:
    mpp = {"brca_m2c": 0.5, "dsb2018_colour": 0.3}.get(set_name, 0.25)
    for path in sorted((shared_data / "nuclei" / set_name / "images").iterdir())[::4]:
        with open_slide(path, (mpp, mpp)) as slide:
            grid = slide.grid(CELL_UM)
            view = slide.read(grid, 0, 0, grid.width, grid.height)
        assert find_tissue(view, CELL_UM, MIN_MM2, MARGIN_UM).tissue.mean() > 0.97, path.name


def test_sharpness_tells_blur_in_real_tissue(shared_data: Path) -> None:
    sharp, blurred = [], []
    for path in sorted((shared_data / "nuclei" / "tnbc" / "images").iterdir())[::5]:
        with open_slide(path, (0.25, 0.25)) as slide:
            window = slide.read(slide.grid(0.5), 0, 0, 256, 256)
        sharp.append(sharpness(window))
        blurred.append(sharpness(np.asarray(cv2.GaussianBlur(window, (0, 0), 2))))
        # Neither stain strength nor brightness matters.
        paler = (255 - (255 - window.astype(int)) // 2).astype(np.uint8)
        assert sharpness(paler) == pytest.approx(sharp[-1], rel=0.1)
    assert min(sharp) > 0.3
    assert np.mean(np.array(blurred) < 0.3) > 0.9


def test_an_even_window_is_not_called_blurred() -> None:
    assert sharpness(np.full((64, 64, 3), 230, np.uint8)) == float("inf")
