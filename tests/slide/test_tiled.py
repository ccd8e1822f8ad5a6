"""Levels that are stored in pieces, and those that are decoded from the JPEG tiles of larger ones."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import open_slide
from pathopipe.slide.backend import BLOCK, RGB, Backend, DecodeError, Level
from pathopipe.slide.openslide_backend import OpenSlideBackend
from pathopipe.slide.slide import Slide
from pathopipe.slide.tiff_backend import open_tiff
from pathopipe.slide.tiled_backend import TiledBackend
from pathopipe.units import Grid
from tests.slide.files import scene, shrink, tissue, write_jpeg_tiles, write_ome, write_svs

IMAGE = scene(703, 901, seed=4)
Open = Callable[..., Backend]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens backends, and closes them after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda path: stack.enter_context(contextlib.closing(open_tiff(path)))


def whole(backend: Backend, level: int = 0) -> RGB:
    size = backend.levels[level]
    rows = []
    for y in range(0, size.height, BLOCK):
        row = [
            backend.read(level, x, y, min(BLOCK, size.width - x), min(BLOCK, size.height - y))
            for x in range(0, size.width, BLOCK)
        ]
        rows.append(np.concatenate(row, axis=1))
    return np.concatenate(rows)


def assert_alike(scaled: RGB, expected: RGB) -> None:
    """The stated tolerance, and that no shift by a pixel matches better."""
    assert scaled.shape == expected.shape
    difference = np.abs(scaled.astype(int) - expected)
    assert difference.mean() < 1
    assert np.percentile(difference, 99.9) <= 10
    inner = (slice(2, -2), slice(2, -2))

    def shifted(dy: int, dx: int) -> float:
        return float(np.abs(np.roll(scaled.astype(int), (dy, dx), (0, 1)) - expected)[inner].mean())

    places = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    assert min(places, key=lambda place: shifted(*place)) == (0, 0)


def assert_scaled_levels_match(backend: Backend) -> None:
    full = whole(backend)
    scales = []
    for number, level in enumerate(backend.levels):
        if level.scale > 1:
            assert (level.width, level.height) == (full.shape[1] // level.scale, full.shape[0] // level.scale)
            assert_alike(whole(backend, number), shrink(full, level.scale))
            scales.append(level.scale)
    assert scales == [2, 4, 8]


@pytest.mark.parametrize("tile", [240, 256])
@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
@pytest.mark.parametrize("tables", [True, False])
def test_scaled_tiles_are_the_mean_of_what_they_span(
    tile: int, photometric: str, tables: bool, opened: Open, tmp_path: Path
) -> None:
    write_jpeg_tiles(tmp_path / "a.tif", IMAGE, tile=tile, photometric=photometric, tables=tables)
    backend = opened(tmp_path / "a.tif")
    assert np.abs(whole(backend).astype(int) - IMAGE).mean() < 2
    assert_scaled_levels_match(backend)


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
@pytest.mark.parametrize("tables", [True, False])
@pytest.mark.parametrize("jfif", [True, False])
@pytest.mark.parametrize("stated", [2, 6])
def test_colors_are_right_whatever_tags_and_markers_say(
    photometric: str, tables: bool, jfif: bool, stated: int, opened: Open, tmp_path: Path
) -> None:
    # The header of JFIF means YCbCr; the TIFF's tag may say the one or the other.
    path, slide = tmp_path / "a.tif", tissue(700, 900)
    write_jpeg_tiles(path, slide, tile=240, photometric=photometric, tables=tables, jfif=jfif)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages.first.tags["PhotometricInterpretation"].overwrite(stated)
    assert np.abs(whole(opened(path)).astype(int) - slide).mean() < 2


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_tiles_are_what_openslide_reads(photometric: str, opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_jpeg_tiles(path, IMAGE, tile=240, photometric=photometric)
    leave_out(path, 0, 5)
    with contextlib.closing(OpenSlideBackend(path)) as before:
        np.testing.assert_array_equal(whole(opened(path)), whole(before))


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "OS-1-detail.ome.tif"])
def test_real_slides_at_their_size(name: str, shared_data: Path) -> None:
    path = shared_data / "slides" / name
    with open_slide(path) as slide:
        np.testing.assert_array_equal(whole(slide.backend), tifffile.imread(path, key=0))


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "OS-1-detail.ome.tif"])
def test_real_slides(name: str, shared_data: Path) -> None:
    with open_slide(shared_data / "slides" / name) as slide:
        assert isinstance(slide.backend, TiledBackend)
        assert_scaled_levels_match(slide.backend)


def test_a_real_slide_at_twice_the_resolution_as_before(shared_data: Path) -> None:
    path = shared_data / "slides" / "CMU-1-Small-Region.svs"
    with open_slide(path, (0.25, 0.25)) as slide, Slide(path, OpenSlideBackend(path), (0.25, 0.25)) as before:
        grid = slide.grid(0.5)
        part = (grid, 300, 500, 700, 900)
        assert_alike(slide.read(*part), before.read(*part))


def write_pyramid(path: Path, *factors: int, compression: str | None = "jpeg") -> None:
    with tifffile.TiffWriter(path) as tiff:
        for factor in factors:
            small = shrink(IMAGE, factor)
            options = {"tile": (64, 64), "compression": compression, "photometric": "rgb", "metadata": None}
            tiff.write(small, subfiletype=int(factor > 1), **options)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ((1,), [(1, 1), (2, 2), (4, 4), (8, 8)]),
        ((1, 4), [(1, 1), (2, 2), (4, 1), (8, 2), (16, 4), (32, 8)]),
        ((1, 2, 4), [(1, 1), (2, 1), (4, 1), (8, 2), (16, 4), (32, 8)]),
        ((1, 3), [(1, 1), (2, 2), (3, 1), (6, 2), (12, 4), (24, 8)]),
    ],
)
def test_levels_lie_between_the_stored_ones(
    stored: tuple[int, ...], expected: list[tuple[int, int]], tmp_path: Path
) -> None:
    write_pyramid(tmp_path / "a.tif", *stored)
    with open_slide(tmp_path / "a.tif") as slide:
        assert [(level.downsample, level.scale) for level in slide.backend.levels] == expected
        stored_levels = [level for level in slide.backend.levels if level.scale == 1]
        assert [(level.width, level.height) for level in stored_levels] == [
            (IMAGE.shape[1] // factor, IMAGE.shape[0] // factor) for factor in stored
        ]
        for number, level in enumerate(slide.backend.levels):
            assert whole(slide.backend, number).shape == (level.height, level.width, 3)


def test_a_level_of_few_pixels_has_at_least_one(tmp_path: Path) -> None:
    write_jpeg_tiles(tmp_path / "a.tif", IMAGE[:5, :40], tile=16)
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.backend.levels[-1] == Level(5, 1, 8.0, 8)
        assert slide.backend.read(3, 0, 0, 5, 1).shape == (1, 5, 3)


def test_only_a_level_of_jpeg_tiles_is_covered(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for factor, compression in ((1, "lzw"), (4, "jpeg")):
            options = {"tile": (64, 64), "photometric": "rgb", "metadata": None, "subfiletype": int(factor > 1)}
            tiff.write(shrink(IMAGE, factor), compression=compression, **options)
    with open_slide(tmp_path / "a.tif") as slide:
        assert [(level.downsample, level.scale) for level in slide.backend.levels] == [
            (1, 1),
            (4, 1),
            (8, 2),
            (16, 4),
            (32, 8),
        ]


def strips(path: Path) -> None:
    tifffile.imwrite(path, IMAGE, photometric="rgb", rowsperstrip=16, compression="jpeg", metadata=None)


def lossless_jpeg(path: Path) -> None:
    args = {"lossless": True, "outcolorspace": "rgb"}
    write_ome(path, IMAGE, compression="jpeg", compressionargs=args)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_svs(path, IMAGE, compression=33005),
        lambda path: write_svs(path, IMAGE, compression="lzw"),
    ],
)
def test_other_compressions_have_the_stored_levels_alone(
    write: Callable[[Path], None], opened: Open, tmp_path: Path
) -> None:
    write(tmp_path / "a.tif")
    assert [level.scale for level in opened(tmp_path / "a.tif").levels] in ([1], [1, 1])


def test_strips_of_jpeg(opened: Open, tmp_path: Path) -> None:
    strips(tmp_path / "a.tif")
    np.testing.assert_array_equal(whole(opened(tmp_path / "a.tif")), tifffile.imread(tmp_path / "a.tif"))


def test_a_kind_of_jpeg_that_is_not_read_is_named(opened: Open, tmp_path: Path) -> None:
    lossless_jpeg(tmp_path / "a.tif")
    with pytest.raises(SlideRejectedError, match="not supported"):
        whole(opened(tmp_path / "a.tif"))


def test_what_the_backend_states_is_passed_on(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.tif", IMAGE, compression="jpeg")
    with open_slide(tmp_path / "a.tif") as slide:
        assert isinstance(slide.backend, TiledBackend)
        assert (slide.backend.format, slide.backend.mpp, slide.backend.bounds) == ("ome-tiff", (0.25, 0.26), None)


def leave_out(path: Path, page: int, tile: int) -> None:
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tags = tiff.pages[page].tags
        for name in ("TileOffsets", "TileByteCounts"):
            values = list(tags[name].value)
            values[tile] = 0
            tags[name].overwrite(values)


def test_a_tile_that_the_writer_left_out_is_white(opened: Open, tmp_path: Path) -> None:
    write_jpeg_tiles(tmp_path / "a.tif", IMAGE, tile=256)
    leave_out(tmp_path / "a.tif", 0, 5)
    backend = opened(tmp_path / "a.tif")
    assert (whole(backend)[256:512, 256:512] == 255).all()
    assert (whole(backend, 1)[128:256, 128:256] == 255).all()
    assert_scaled_levels_match(backend)


def test_a_level_that_lacks_tiles_is_not_used_where_the_larger_one_has_them(tmp_path: Path) -> None:
    write_svs(tmp_path / "a.svs", IMAGE, compression="jpeg", tile=(64, 64))
    leave_out(tmp_path / "a.svs", 2, 5)
    with open_slide(tmp_path / "a.svs") as slide:
        assert [(level.downsample, level.scale) for level in slide.backend.levels] == [(1, 1), (2, 2), (4, 4), (8, 8)]


def test_threads_read_the_same(tmp_path: Path) -> None:
    write_jpeg_tiles(tmp_path / "a.tif", IMAGE, tile=240)
    with open_slide(tmp_path / "a.tif", (0.25, 0.25)) as slide:
        expected = slide.read(Grid(450, 351, 2.0, 2.0, 0.5, 0.5), 0, 0, 450, 351)
    with open_slide(tmp_path / "a.tif", (0.25, 0.25)) as slide, ThreadPoolExecutor(8) as pool:
        grid = Grid(450, 351, 2.0, 2.0, 0.5, 0.5)
        places = [(x, y) for y in range(0, 351, 50) for x in range(0, 450, 50)] * 3
        parts = list(pool.map(lambda place: slide.read(grid, *place, 50, 50), places))
    padded = np.pad(expected, ((0, 50), (0, 50), (0, 0)), mode="symmetric")
    for (x, y), part in zip(places, parts, strict=True):
        np.testing.assert_array_equal(part, padded[y : y + 50, x : x + 50])


def tile_place(path: Path, tile: int) -> tuple[int, int]:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        return page.dataoffsets[tile], page.databytecounts[tile]


def all_zero(data: bytes) -> bytes:
    return bytes(len(data))


def without_end(data: bytes) -> bytes:
    return data[:-2] + bytes(2)


def second_half_lost(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def middle_lost(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + bytes(third) + data[2 * third :]


def of_other_size(data: bytes) -> bytes:
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + b"\xff\xf0\xff\xf0" + data[at + 4 :]


def of_one_color(data: bytes) -> bytes:
    at = data.index(b"\xff\xc0") + 9
    return data[:at] + b"\x01" + data[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (all_zero, "is not a JPEG"),
        (without_end, "lacks its end"),
        (second_half_lost, "lacks its end"),
        (middle_lost, "cannot be decoded"),
        (of_other_size, "65520 x 65520 pixels"),
        (of_one_color, "frame header"),
    ],
)
def test_a_damaged_tile_cannot_be_decoded(
    damage: Callable[[bytes], bytes], words: str, opened: Open, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    write_jpeg_tiles(path, IMAGE, tile=256)
    offset, length = tile_place(path, 6)
    content = path.read_bytes()
    path.write_bytes(content[:offset] + damage(content[offset : offset + length]) + content[offset + length :])
    backend = opened(path)
    assert backend.levels[1].scale == 2
    with pytest.raises(DecodeError, match=words):
        backend.read(1, 0, 0, 450, 351)
    assert backend.read(1, 0, 0, 256, 351).shape == (351, 256, 3)


def test_bytes_too_many_before_the_end_of_a_tile_harm_nothing(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_jpeg_tiles(path, IMAGE, tile=256)
    expected = whole(opened(path))
    offset, length = tile_place(path, 6)
    content = path.read_bytes()
    # The tile moves to the end of the file, where there is room.
    path.write_bytes(content + content[offset : offset + length - 2] + bytes(3) + content[offset + length - 2 :][:2])
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        for name, value in (("TileOffsets", len(content)), ("TileByteCounts", length + 3)):
            tag = tiff.pages[0].tags[name]
            tag.overwrite([*tag.value[:6], value, *tag.value[7:]])
    np.testing.assert_array_equal(whole(opened(path)), expected)


def test_a_tile_beyond_the_end_cannot_be_decoded(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_jpeg_tiles(path, IMAGE, tile=128)
    path.write_bytes(path.read_bytes()[:-20])
    backend = opened(path)
    with pytest.raises(DecodeError, match="ends early"):
        backend.read(1, 0, 0, 450, 351)


@pytest.mark.parametrize("rest", [1, 2, 7, 8, 9, 15])
def test_a_row_of_tiles_of_which_a_few_pixels_are_filled_is_read(rest: int, opened: Open, tmp_path: Path) -> None:
    image = IMAGE[: 256 + rest, :400]
    write_jpeg_tiles(tmp_path / "a.tif", image, tile=256)
    backend = opened(tmp_path / "a.tif")
    assert np.abs(whole(backend).astype(int) - image).mean() < 2
    assert_scaled_levels_match(backend)
