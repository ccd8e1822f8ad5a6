"""Jumps of the colors that a damaged JPEG shows are found, and the edges of what was scanned are none."""

from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from pathopipe.slide import jpeg
from pathopipe.slide.backend import RGB, DecodeError
from pathopipe.slide.jpeg_jumps import has_jump
from tests.slide.files import tissue

UNITS = (8, 16)


def grained(height: int = 256, width: int = 256, seed: int = 0) -> RGB:
    """Tissue with the grain of a camera, which the smooth one lacks."""
    grain = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    return np.clip(tissue(height, width, seed) + grain, 0, 255).astype(np.uint8)


def shifted(image: RGB, block: tuple[int, int], unit: int, by: int, channels: slice = slice(None)) -> RGB:
    """Add to all pixels from a block on, given by row and column, as a wrong difference of means does."""
    row, column = block[0] * unit, block[1] * unit
    out = image.astype(int)
    out[row : row + unit, column:, channels] += by
    out[row + unit :, :, channels] += by
    return np.clip(out, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("by", [-40, -28, 28, 40])
@pytest.mark.parametrize("block", [(1, 0), (1, 3), (5, 1), (8, 9), (10, 12)])
@pytest.mark.parametrize("channels", [slice(None), slice(0, 1), slice(2, 3)])
def test_a_shift_from_a_block_on_is_found(unit: int, by: int, block: tuple[int, int], channels: slice) -> None:
    image = np.clip(grained(), 45, 210).astype(np.uint8)  # so that no value is cut off
    assert not has_jump(image, unit)
    assert has_jump(shifted(image, block, unit, by, channels), unit)


def black(image: RGB, unit: int) -> RGB:
    """Tissue below what was not scanned."""
    image[: 4 * unit] = 0
    return image


def black_corner(image: RGB, unit: int) -> RGB:
    image[4 * unit :, 6 * unit :] = 0
    return image


def white_padding(image: RGB, unit: int) -> RGB:
    """Tissue that ends, with white below and to the right of it."""
    image[5 * unit :] = 255
    image[:, 12 * unit :] = 255
    return image


def edge_of_tissue(image: RGB, unit: int) -> RGB:
    """Glass with its own little grain above tissue."""
    glass = np.random.default_rng(1).integers(240, 245, (3 * unit, *image.shape[1:]))
    image[: 3 * unit] = glass
    return image


def lighter_part(image: RGB, unit: int) -> RGB:
    """A square of other tissue, exactly on blocks."""
    part = image[4 * unit : 8 * unit, 4 * unit : 12 * unit]
    part[:] = 255 - (255 - part) // 3
    return image


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("make", [black, black_corner, white_padding, edge_of_tissue, lighter_part])
@pytest.mark.parametrize("image", [tissue(256, 256, 3), grained(seed=4)])
def test_edges_on_borders_of_blocks_are_no_jumps(make: Callable[[RGB, int], RGB], unit: int, image: RGB) -> None:
    assert not has_jump(make(image.copy(), unit), unit)


@pytest.mark.parametrize("size", [(256, 256), (8, 512), (16, 512), (512, 64), (1, 300), (300, 1), (24, 200)])
@pytest.mark.parametrize("unit", [1, 2, 4, *UNITS])
def test_intact_images_of_any_size_have_none(size: tuple[int, int], unit: int) -> None:
    assert not has_jump(grained(*size), unit)


def test_real_tiles_have_none(shared_data: Path) -> None:
    for name in ("CMU-1-Small-Region.svs", "OS-1-detail.ome.tif"):
        image = tifffile.imread(shared_data / "slides" / name, key=0)
        for side in (128, 240, 256, 512):
            for top in range(0, image.shape[0] - side, 2 * side):
                for left in range(0, image.shape[1] - side, 2 * side):
                    tile = image[top : top + side, left : left + side]
                    assert not any(has_jump(tile, unit) for unit in UNITS)


def flipped(data: bytes, bit: int) -> bytes:
    content = bytearray(data)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def undetected_shifts(data: bytes, count: int) -> list[tuple[bytes, jpeg.Frame]]:
    """Streams with one flipped bit that the decoder takes, though an eighth of the pixels is shifted by 28 or more."""
    stream, frame = jpeg.complete(data)
    intact = jpeg._decode(stream, frame.width, frame.height).astype(int)
    start = data.index(b"\xff\xda") + 14
    found = []
    for bit in np.random.default_rng(0).integers(8 * start, 8 * (len(data) - 2), 4000):
        try:
            stream, frame = jpeg.complete(flipped(data, int(bit)))
            difference = jpeg._decode(stream, frame.width, frame.height) - intact
        except (DecodeError, ValueError):
            continue
        largest = np.abs(difference).max(axis=2)
        if (largest > 28).mean() > 0.125:
            found.append((stream, frame))
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("subsampling", ["444", "420"])
def test_a_changed_difference_in_a_real_stream_is_found(subsampling: str) -> None:
    data = bytes(imagecodecs.jpeg8_encode(grained(256, 256, 5), level=85, subsampling=subsampling))
    damaged = undetected_shifts(data, 12)
    assert len(damaged) == 12
    found = [has_jump(jpeg._decode(stream, frame.width, frame.height), frame.unit) for stream, frame in damaged]
    assert sum(found) >= 9  # others clip at white, or begin within a unit
