"""Reading at any resolution: levels, rectangles, micrometers per pixel."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import Slide, open_slide
from pathopipe.slide.backend import BLOCK, RGB, Level
from pathopipe.units import Grid, Mpp
from tests.slide.files import scene, shrink, write_svs

IMAGE = scene(700, 900)


class Memory:
    """A pyramid in memory that checks what it is asked for."""

    format = "memory"
    bounds = None

    def __init__(self, *images: RGB, mpp: tuple[float, float] | None = (0.25, 0.25)) -> None:
        self.images = images
        self.mpp = mpp
        self.levels = tuple(
            Level(image.shape[1], image.shape[0], float(round(images[0].shape[1] / image.shape[1]))) for image in images
        )
        self.asked: list[tuple[int, int, int]] = []

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        image = self.images[level]
        assert x % BLOCK == 0
        assert y % BLOCK == 0
        assert x + width <= image.shape[1]
        assert y + height <= image.shape[0]
        self.asked.append((level, x, y))
        return image[y : y + height, x : x + width]

    def is_blank(self, level: int, x: range, y: range) -> bool:
        return False

    def close(self) -> None:
        pass


def slide_of(tmp_path: Path, backend: Memory, mpp: tuple[float, float] | None = None) -> Slide:
    (tmp_path / "file").write_bytes(b"x")
    return Slide(tmp_path / "file", backend, mpp)


def test_the_sheet_goes_before_the_file(tmp_path: Path) -> None:
    backend = Memory(IMAGE, mpp=(0.25, 0.26))
    assert slide_of(tmp_path, backend).mpp == Mpp(0.25, 0.26, "metadata")
    assert slide_of(tmp_path, backend, (0.5, 0.6)).mpp == Mpp(0.5, 0.6, "sheet")


@pytest.mark.parametrize(
    ("stated", "sheet", "words"),
    [
        (None, None, "in the sheet's column 'mpp'"),
        ((352.8, 352.8), None, r"352.8 x 352.8 .*metadata.*0.05 to 2"),
        ((0.25, 0.25), (25.0, 25.0), "from the sheet"),
        ((0.0, 0.25), None, "implausible"),
        ((float("nan"), 0.25), None, "implausible"),
    ],
)
def test_unknown_and_impossible_resolutions_are_rejected(
    stated: tuple[float, float] | None, sheet: tuple[float, float] | None, words: str, tmp_path: Path
) -> None:
    with pytest.raises(SlideRejectedError, match=words):
        slide_of(tmp_path, Memory(IMAGE, mpp=stated), sheet).mpp  # noqa: B018


@pytest.mark.parametrize(
    ("mpp", "level", "factor"),
    [(0.25, 0, 1.0), (0.5, 0, 2.0), (0.9, 0, 3.6), (1.0, 1, 4.0), (1.01, 1, 4.0), (8.0, 2, 32.0), (0.2, 0, 0.8)],
)
def test_the_best_level_is_read(mpp: float, level: int, factor: float, tmp_path: Path) -> None:
    backend = Memory(IMAGE, shrink(IMAGE, 4), shrink(IMAGE, 16))
    slide = slide_of(tmp_path, backend)
    grid = slide.grid(mpp)
    assert grid.factor_x == pytest.approx(factor)
    slide.read(grid, 0, 0, 5, 5)
    assert {asked[0] for asked in backend.asked} == {level}


def test_resolution_may_differ_along_the_axes(tmp_path: Path) -> None:
    slide = slide_of(tmp_path, Memory(IMAGE, mpp=(0.25, 0.125)))
    grid = slide.grid(0.5)
    assert (grid.factor_x, grid.factor_y) == (2.0, 4.0)
    expected = IMAGE.reshape(175, 4, 450, 2, 3).mean(axis=(1, 3))
    assert np.abs(slide.read(grid, 0, 0, grid.width, grid.height) - expected).max() <= 0.5


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    fx=st.one_of(st.sampled_from([1.0, 2.0, 4.0, 16.0, 0.5, 2.2]), st.floats(0.4, 20)),
    fy=st.one_of(st.sampled_from([1.0, 2.0, 4.0, 16.0, 0.5, 2.2]), st.floats(0.4, 20)),
)
def test_a_pixel_does_not_depend_on_the_rectangle(
    data: st.DataObject, fx: float, fy: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # 701 x 903 pixels: no level is a whole fraction of the one before.
    image = np.pad(IMAGE, ((0, 1), (0, 3), (0, 0)), mode="edge")
    slide = slide_of(tmp_path_factory.getbasetemp(), Memory(image, shrink(image, 4), shrink(image, 16)))
    grid = Grid(max(1, round(903 / fx)), max(1, round(701 / fy)), fx, fy, 0.25 * fx, 0.25 * fy)
    x = data.draw(st.integers(-40, grid.width + 20))
    y = data.draw(st.integers(-40, grid.height + 20))
    width, height = data.draw(st.integers(2, 300)), data.draw(st.integers(2, 300))
    whole = slide.read(grid, x, y, width, height)
    assert whole.shape == (height, width, 3)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top))
    part = slide.read(grid, x + left, y + top, w, h)
    np.testing.assert_array_equal(part, whole[top : top + h, left : left + w])


def test_outside_of_the_slide_it_is_mirrored(tmp_path: Path) -> None:
    slide = slide_of(tmp_path, Memory(IMAGE))
    grid = Grid(900, 700, 1.0, 1.0, 0.25, 0.25)
    expected = np.pad(IMAGE, ((30, 30), (30, 30), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(slide.read(grid, -30, -30, 960, 760), expected)


def test_a_level_that_is_a_pixel_short_is_continued(tmp_path: Path) -> None:
    image = np.full((10, 1003, 3), 90, np.uint8)
    slide = slide_of(tmp_path, Memory(image, image[:2, :250]))
    grid = slide.grid(1.0)
    assert grid.width == 251
    assert (slide.read(grid, 240, 0, 20, 2) == 90).all()


def test_large_reads_are_cut_into_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slide = slide_of(tmp_path, Memory(IMAGE))
    grid = slide.grid(0.55)
    whole = slide.read(grid, -20, -20, grid.width + 40, grid.height + 40)
    monkeypatch.setattr("pathopipe.slide.slide._MAX_SOURCE_PIXELS", 5000)
    sizes = []
    assemble = Slide._assemble
    monkeypatch.setattr(
        Slide,
        "_assemble",
        lambda *args: sizes.append(assemble(*args)) or sizes[-1],  # type: ignore[func-returns-value]
    )
    np.testing.assert_array_equal(slide.read(grid, -20, -20, grid.width + 40, grid.height + 40), whole)
    assert max(pixels.shape[0] * pixels.shape[1] for pixels in sizes) <= 5000


def test_windows_cover_the_grid_once(tmp_path: Path) -> None:
    slide = slide_of(tmp_path, Memory(IMAGE))
    grid = slide.grid(0.5)
    seen = np.zeros((grid.height, grid.width), int)
    for x, y, pixels in slide.windows(grid, 100):
        seen[y : y + pixels.shape[0], x : x + pixels.shape[1]] += 1
    assert (seen == 1).all()


def test_blocks_are_decoded_once(tmp_path: Path) -> None:
    backend = Memory(IMAGE)
    slide = slide_of(tmp_path, backend)
    for _ in slide.windows(slide.grid(0.25), 100):
        pass
    assert len(backend.asked) == len(set(backend.asked)) == 4


def test_levels_are_not_shifted_far_from_the_origin(tmp_path: Path) -> None:
    # By their sizes, 1151 x 750 pixels are 4.0002 times smaller than 4603 x 3001.
    small = scene(750, 1151, seed=5)
    large = np.pad(small.repeat(4, axis=0).repeat(4, axis=1), ((0, 1), (0, 0), (0, 0)), mode="edge")[:, :4603]
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for image, kind in ((large, 0), (small, 1)):
            tiff.write(image, tile=(256, 256), photometric="rgb", compression="lzw", subfiletype=kind, metadata=None)
    with open_slide(tmp_path / "a.tif", (0.125, 0.125)) as slide:
        assert slide.backend.levels[1].downsample == 4.0
        grid = Grid(1151, 750, 4.0, 4.0, 0.5, 0.5)
        pixels = slide.read(grid, 0, 0, 1151, 750)
    assert np.abs(pixels.astype(int) - small).max() <= 4


def test_a_real_slide(shared_data: Path) -> None:
    with open_slide(shared_data / "slides" / "CMU-1-Small-Region.svs") as slide:
        assert (slide.width_px, slide.height_px) == (2220, 2967)
        assert slide.mpp == Mpp(0.499, 0.499, "metadata")
        grid = slide.grid(0.5)
        assert (grid.factor_x, grid.width, grid.height) == (1.0, 2220, 2967)
        page = tifffile.imread(slide.path, key=0)
        np.testing.assert_array_equal(slide.read(grid, 500, 700, 700, 600), page[700:1300, 500:1200])


def test_svs_levels(tmp_path: Path) -> None:
    write_svs(tmp_path / "a.svs", IMAGE, compression="lzw")
    with open_slide(tmp_path / "a.svs") as slide:
        grid = slide.grid(2.0)
        np.testing.assert_array_equal(slide.read(grid, 0, 0, 225, 175), shrink(IMAGE, 4))
