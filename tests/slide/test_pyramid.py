"""Whether two images show the same, judged at a few places."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from pathopipe.slide.backend import RGB, DecodeError
from pathopipe.slide.pieces import Layout
from pathopipe.slide.pyramid import shows_the_same
from tests.slide.files import shrink, tissue

IMAGE = tissue(512, 768)


@dataclass
class Memory:
    """Pieces of an image in memory, some of which can't be decoded, or were left out."""

    image: RGB
    side: int = 64
    damaged: bool = False
    left_out: bool = False
    scales: tuple[int, ...] = ()
    decoded: int = 0
    layout: Layout = field(init=False)

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        pieces = -(-height // self.side) * -(-width // self.side)
        self.layout = Layout(
            (width, height), (self.side, self.side), [0] * pieces, [0 if self.left_out else 1] * pieces
        )

    def decode(self, file: int, column: int, row: int, scale: int) -> RGB:
        self.decoded += 1
        if self.damaged:
            raise DecodeError("damaged")
        return self.image[row * self.side : (row + 1) * self.side, column * self.side : (column + 1) * self.side]


def alike(small: RGB, factor: float = 4) -> bool:
    return shows_the_same(Memory(IMAGE), Memory(small), factor, 0)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_means_and_single_pixels_of_the_larger_image_show_the_same(factor: int) -> None:
    assert alike(shrink(IMAGE, factor), factor)
    assert alike(np.ascontiguousarray(IMAGE[factor // 2 :: factor, factor // 2 :: factor]), factor)


def test_other_content_does_not() -> None:
    small = shrink(IMAGE, 4)
    for other in (small[::-1], small[:, ::-1], small[..., ::-1], 255 - small, np.roll(small, 24, axis=1)):
        assert not alike(np.ascontiguousarray(other))


def test_one_place_that_differs_is_enough() -> None:
    small = shrink(IMAGE, 4)
    small[80:, 100:] = 255 - small[80:, 100:]
    assert not alike(small)


def test_places_that_cannot_be_compared_are_no_evidence() -> None:
    other = Memory(255 - shrink(IMAGE, 4))
    assert shows_the_same(Memory(IMAGE, damaged=True), other, 4, 0)
    assert shows_the_same(Memory(IMAGE, left_out=True), other, 4, 0)
    assert not shows_the_same(Memory(IMAGE), other, 4, 0)


def test_comparing_decodes_few_pieces() -> None:
    above, small = Memory(IMAGE), Memory(shrink(IMAGE, 4))
    assert shows_the_same(above, small, 4, 0)
    assert above.decoded <= 5 * 9
    assert small.decoded <= 5 * 4


def test_huge_pieces_are_not_compared() -> None:
    huge = Memory(np.zeros((2100, 2100, 3), np.uint8), side=2100)
    assert not shows_the_same(huge, Memory(huge.image[::4, ::4]), 4, 0)
    assert not huge.decoded
