"""Pixels of a slide as JPEG tiles: all of it coarsely, and finely where it matters."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.units import Grid
from pathopipe.viewer.packing import Block
from pathopipe.viewer.quadtree import Bounds

if TYPE_CHECKING:
    from pathopipe.slide import Slide

SIDE: Final = 512
"""Of a tile, in pixels."""
FINEST_MPP: Final = 0.25
BYTES_PER_PIXEL: Final = 0.5
"""Of tissue in the page, about, to see beforehand whether a level fits."""
_QUALITY: Final = 75
_GLASS: Final = 225
"""A tile without a darker value is glass, and left out."""
RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Pyramid:
    """Levels of pixels, each half as fine as the one before; a tile of one is made of four of the level before.

    Attributes
    ----------
    levels
        From the finest, about `FINEST_MPP` or what the slide has, to one of a single tile.
    whole
        The finest level of which all tiles are shown: it is read, and coarser ones are made of it.
    """

    levels: tuple[Grid, ...]
    whole: int

    @classmethod
    def of(cls, slide: "Slide", tissue: float, room: float) -> "Pyramid":
        """Lay levels over a slide, and show all of the finest one whose pixels of tissue ``room`` bytes hold.

        ``tissue`` is the share of the slide that is tissue.
        """
        mpp, size = slide.mpp, (slide.width_px, slide.height_px)
        finest = max(1.0, FINEST_MPP / mpp.x), max(1.0, FINEST_MPP / mpp.y)
        depth = max(0, math.ceil(math.log2(max(size[0] / finest[0], size[1] / finest[1]) / SIDE)))
        levels = []
        for number in range(depth + 1):
            x, y = (factor * 2**number for factor in finest)
            width, height = math.ceil(size[0] / x), math.ceil(size[1] / y)
            levels.append(Grid(width, height, x, y, mpp.x * x, mpp.y * y))
        fits = (number for number, level in enumerate(levels) if _bytes(level) * tissue <= room)
        return cls(tuple(levels), next(fits, depth))

    def overview(self, slide: "Slide") -> Iterator[Block]:
        """All tiles of the whole level and of coarser ones; tiles of glass are left out."""
        blocks = list[Block]()
        self._built(slide, len(self.levels) - 1, (0, 0), blocks)
        yield from blocks

    def _built(self, slide: "Slide", number: int, tile: tuple[int, int], blocks: list[Block]) -> RGB | None:
        """Return a tile, None where it lies beyond the level, and append it and what it is made of."""
        if tile[0] * SIDE >= self.levels[number].width or tile[1] * SIDE >= self.levels[number].height:
            return None
        if number == self.whole:
            pixels = self._read(slide, number, tile)
        else:
            corners = ((0, 0), (1, 0), (0, 1), (1, 1))
            below = [self._built(slide, number - 1, (2 * tile[0] + x, 2 * tile[1] + y), blocks) for x, y in corners]
            pixels = halved(joined(below))
        blocks.extend(_encoded(number, tile, pixels))
        return pixels

    def details(self, slide: "Slide", places: Iterable[Bounds]) -> Iterator[list[Block]]:
        """Tiles finer than the whole level that show places (left, top, right, bottom), place by place."""
        done = set[tuple[int, int, int]]()
        for place in places:
            blocks = list[Block]()
            for number in reversed(range(self.whole)):
                for tile in self._tiles_at(number, place):
                    if (number, *tile) not in done:
                        done.add((number, *tile))
                        blocks.extend(_encoded(number, tile, self._read(slide, number, tile)))
            yield blocks

    def _tiles_at(self, number: int, place: Bounds) -> Iterator[tuple[int, int]]:
        level = self.levels[number]
        sides = (SIDE * level.factor_x, SIDE * level.factor_y)
        ends = math.ceil(level.width / SIDE), math.ceil(level.height / SIDE)
        first = max(0, int(place[0] // sides[0])), max(0, int(place[1] // sides[1]))
        for y in range(first[1], min(ends[1], math.ceil(place[3] / sides[1]))):
            yield from ((x, y) for x in range(first[0], min(ends[0], math.ceil(place[2] / sides[0]))))

    def _read(self, slide: "Slide", number: int, tile: tuple[int, int]) -> RGB:
        level, x, y = self.levels[number], tile[0] * SIDE, tile[1] * SIDE
        return slide.read(level, x, y, min(SIDE, level.width - x), min(SIDE, level.height - y))


def _bytes(level: Grid) -> float:
    return level.width * level.height * BYTES_PER_PIXEL


def joined(parts: list[RGB | None]) -> RGB:
    """Put up to four tiles together: upper left, upper right, lower left, lower right."""
    rows = [[part for part in parts[start : start + 2] if part is not None] for start in (0, 2)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows if row], axis=0)


def halved(pixels: RGB) -> RGB:
    """Average every two by two pixels; an odd last column or row counts twice."""
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(np.uint16)
    columns = even[:, ::2] + even[:, 1::2]
    return ((columns[::2] + columns[1::2] + 2) // 4).astype(np.uint8)


def _encoded(number: int, tile: tuple[int, int], pixels: RGB) -> Iterator[Block]:
    import simplejpeg

    if pixels.min() < _GLASS:
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), _QUALITY, "RGB", "420")
        yield Block(f"v-i{number}-{tile[0]}-{tile[1]}", data)
