"""Damaged pixels are white and counted; the rest of the slide is read."""

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile

from pathopipe.errors import FaultError, SlideRejectedError
from pathopipe.slide import Slide, open_slide
from pathopipe.slide.backend import MAX_DAMAGED_SHARE, RGB, DecodeError, Level
from pathopipe.slide.damage import Damage
from pathopipe.slide.openslide_backend import OpenSlideBackend
from pathopipe.slide.source import SourceFiles
from pathopipe.units import Grid
from tests.slide.files import scene, write_jpeg_tiles, write_ome, write_svs

IMAGE = scene(1300, 1500, seed=6)
WRITERS: dict[str, Callable[[Path], None]] = {
    "svs": lambda path: write_svs(path, IMAGE, compression="jpeg"),
    "ome": lambda path: write_ome(path, IMAGE, compression="jpeg", tile=(256, 256)),
    "zlib": lambda path: write_ome(path, IMAGE, compression="zlib", tile=(256, 256)),
}
# Tiles of 256 pixels, six in a row: this one is the fourth of the third row.
DAMAGED_TILE = 6 * 2 + 3


def places(path: Path) -> list[tuple[int, int]]:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        return list(zip(page.dataoffsets, page.databytecounts, strict=True))


def zero(path: Path, tile: int) -> None:
    offset, length = places(path)[tile]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(length))


def grid_at(slide: Slide, factor: int) -> Grid:
    return Grid(slide.width_px // factor, slide.height_px // factor, factor, factor, 0.25 * factor, 0.25 * factor)


def read_all(slide: Slide, factor: int = 1) -> RGB:
    grid = grid_at(slide, factor)
    return slide.read(grid, 0, 0, grid.width, grid.height)


@pytest.fixture(params=WRITERS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A slide, and the same one with a tile of zeros."""
    for name in ("intact", "damaged"):
        WRITERS[request.param](tmp_path / name)
    zero(tmp_path / "damaged", DAMAGED_TILE)
    return tmp_path / "intact", tmp_path / "damaged"


def test_a_damaged_tile_makes_its_place_white_and_nothing_else(pair: tuple[Path, Path]) -> None:
    with open_slide(pair[0]) as slide:
        expected = read_all(slide)
        assert slide.damaged == frozenset()
        assert slide.damaged_px == 0
        assert slide.damage is None
    with open_slide(pair[1]) as slide:
        pixels = read_all(slide)
        assert slide.damaged == {(0, 6, 4), (0, 7, 4), (0, 6, 5), (0, 7, 5)}
        assert slide.damaged_px == 256**2
        assert slide.damage is not None
        assert "level of downsample 1 cannot be decoded at level-0 pixel (768, 512)" in slide.damage
    expected[512:768, 768:1024] = 255
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("name", ["svs", "ome"])
def test_a_damaged_tile_makes_its_place_in_a_scaled_level_white(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "slide")
    with open_slide(tmp_path / "slide") as slide:
        expected = read_all(slide, 2)
    zero(tmp_path / "slide", DAMAGED_TILE)
    with open_slide(tmp_path / "slide") as slide:
        pixels = read_all(slide, 2)
        assert slide.backend.levels[1].scale == 2
        assert slide.damaged == {(1, 3, 2)}
        assert slide.damaged_px == 256**2
    expected[256:384, 384:512] = 255
    np.testing.assert_array_equal(pixels, expected)


def test_what_is_not_read_is_not_counted(pair: tuple[Path, Path]) -> None:
    with open_slide(pair[1]) as slide:
        slide.read(grid_at(slide, 1), 0, 0, 512, 512)
        assert not slide.damaged


def test_threads_change_nothing(pair: tuple[Path, Path]) -> None:
    for tile in (0, 5, 20, 34):
        zero(pair[1], tile)
    with open_slide(pair[1]) as slide:
        expected, damaged, sentence = read_all(slide), slide.damaged, slide.damage
    assert len(damaged) > 2
    rows = range(0, 1300, 100)
    for _ in range(3):
        with open_slide(pair[1]) as slide, ThreadPoolExecutor(8) as pool:
            grid = grid_at(slide, 1)
            parts = list(pool.map(lambda y, slide=slide, grid=grid: slide.read(grid, 0, y, 1500, 100), rows))
            assert (slide.damaged, slide.damage) == (damaged, sentence)
        np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_a_handle_that_failed_in_one_thread_does_not_fail_in_another(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    write_svs(path, IMAGE, compression="jpeg")
    zero(path, DAMAGED_TILE)
    good = IMAGE[:256, :256].astype(int)
    barrier = threading.Barrier(2, timeout=60)
    with contextlib.closing(OpenSlideBackend(path)) as backend:

        def fail(_: int) -> bool:
            barrier.wait()
            with pytest.raises(DecodeError):
                backend.read(0, 512, 512, 512, 512)
            return True

        def succeed(_: int) -> bool:
            barrier.wait()
            return all(np.abs(backend.read(0, 0, 0, 256, 256) - good).mean() < 2 for _ in range(4))

        with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
            both = first.map(fail, range(25)), second.map(succeed, range(25))
            results = [result for results in both for result in results]
    assert all(results)


def test_a_handle_that_failed_is_replaced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.svs"
    write_svs(path, IMAGE, compression="jpeg")
    zero(path, DAMAGED_TILE)
    opens = []
    really_open = openslide.OpenSlide
    monkeypatch.setattr(openslide, "OpenSlide", lambda path: opens.append(path) or really_open(path))
    with contextlib.closing(OpenSlideBackend(path)) as backend:
        with pytest.raises(DecodeError):
            backend.read(0, 512, 512, 512, 512)
        assert len(opens) == 3  # at first, for this region alone, and for all that follow
        for y in (0, 1024):
            assert np.abs(backend.read(0, 0, y, 256, 256).astype(int) - IMAGE[y : y + 256, :256]).mean() < 2
    assert len(opens) == 3


@pytest.mark.parametrize(("kept_tiles", "opens"), [(97, True), (85, False)])
def test_of_a_file_cut_off_a_little_the_rest_is_read(kept_tiles: int, opens: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_jpeg_tiles(path, IMAGE[:1280, :1280], tile=128)
    with open_slide(path) as slide:
        expected, half = read_all(slide), read_all(slide, 2)
    tiles = places(path)
    assert len(tiles) == 100
    os.truncate(path, tiles[kept_tiles][0] + 10)
    if not opens:
        with pytest.raises(SlideRejectedError, match="damaged"):
            open_slide(path)
        return
    with open_slide(path) as slide:
        pixels, scaled = read_all(slide), read_all(slide, 2)
        assert slide.damaged == {(0, 7, 9), (0, 8, 9), (0, 9, 9), (1, 3, 4), (1, 4, 4)}
        assert slide.damaged_px == 512 * 256
    expected[1152:, 896:] = 255
    half[512:, 384:] = 255
    np.testing.assert_array_equal(pixels, expected)
    np.testing.assert_array_equal(scaled, half)


def test_the_share_that_may_be_missing_is_one_of_ten(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.tif", IMAGE[:1280, :1280], tile=(128, 128))
    tiles = places(tmp_path / "a.tif")
    assert len(tiles[90:]) / len(tiles) == MAX_DAMAGED_SHARE
    os.truncate(tmp_path / "a.tif", tiles[90][0])
    with open_slide(tmp_path / "a.tif") as slide:
        assert (read_all(slide)[-128:] == 255).all()
    os.truncate(tmp_path / "a.tif", tiles[90][0] - 1)
    with pytest.raises(SlideRejectedError, match="damaged"):
        open_slide(tmp_path / "a.tif")


class Failing:
    """A white slide, of which each read fails some times before it succeeds."""

    format, mpp, bounds = "memory", (0.25, 0.25), None
    levels = (Level(1600, 1200, 1.0), Level(800, 600, 2.0, 2), Level(400, 300, 4.0))

    def __init__(self, times: int) -> None:
        self.left = times

    def read(self, level: int, x: int, y: int, width: int, height: int) -> RGB:
        if self.left:
            self.left -= 1
            raise DecodeError("damaged")
        return np.zeros((height, width, 3), np.uint8)

    def is_blank(self, level: int, x: range, y: range) -> bool:
        return False

    def close(self) -> None:
        pass


def slide_of(tmp_path: Path, backend: Failing) -> Slide:
    (tmp_path / "file").write_bytes(b"x")
    return Slide(tmp_path / "file", backend)


def test_a_disk_that_failed_once_is_no_damage(tmp_path: Path) -> None:
    slide = slide_of(tmp_path, Failing(1))
    assert (read_all(slide) == 0).all()
    assert not slide.damaged


def test_a_rectangle_knows_the_damage_of_the_blocks_that_it_is_made_of(tmp_path: Path) -> None:
    """Blocks have 512 pixels; whoever read the damage first, each rectangle that needs its block knows of it."""
    WRITERS["svs"](tmp_path / "s.svs")
    for tile in (DAMAGED_TILE, 0):
        zero(tmp_path / "s.svs", tile)
    with open_slide(tmp_path / "s.svs") as slide:
        grid = grid_at(slide, 1)
        corner = {(0, x, y) for x in (0, 1) for y in (0, 1)}
        other = {(0, x, y) for x in (6, 7) for y in (4, 5)}
        assert slide.damaged_in(grid, 0, 0, grid.width, grid.height) == frozenset()
        read_all(slide)
        assert slide.damaged == corner | other
        for rectangle, expected in {
            (0, 0, 512, 512): corner,
            (512, 512, 512, 512): other,
            (1023, 512, 1, 1): other,
            (1024, 512, 100, 100): set(),
            (511, 511, 2, 2): corner | other,
            (-20, -20, 20, 20): corner,  # mirrored
            (600, 0, 100, 100): set(),
        }.items():
            assert slide.damaged_in(grid, *rectangle) == expected, rectangle
        assert slide.damaged_in(grid_at(slide, 4), 0, 0, 10, 10) == frozenset()


def test_the_whole_file_is_read_once_however_much_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slide, reads = slide_of(tmp_path, Failing(1000)), []
    read_everything = SourceFiles._read_everything
    monkeypatch.setattr(SourceFiles, "_read_everything", lambda self: reads.append(read_everything(self)))
    read_all(slide)
    assert len(slide.damaged) == 13 * 10
    assert len(reads) == 1
    (tmp_path / "file").write_bytes(b"other")
    with pytest.raises(FaultError, match="changed"):
        read_all(slide, 4)


def test_a_place_that_is_damaged_in_several_levels_counts_once() -> None:
    damage = Damage(Failing.levels)
    damage.add(0, 0, 0)
    damage.add(0, 0, 0)
    assert damage.area_px == 128**2
    damage.add(1, 0, 0)
    assert damage.area_px == 256**2
    damage.add(2, 0, 0)
    damage.add(0, 12, 9)
    assert damage.area_px == 512**2 + 64 * 48
    assert damage.pieces == {(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 12, 9)}
