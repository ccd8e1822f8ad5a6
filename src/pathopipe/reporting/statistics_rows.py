"""Rows of the table of statistics that the page's script shows in the place of the first one, packed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathopipe.viewer.decimals import to_codes
from pathopipe.viewer.document import Room
from pathopipe.viewer.packing import Block, packed


@dataclass(frozen=True)
class OtherRow:
    """A region and type of nuclei; ``nuclei`` is how many there are, ready to read."""

    name: str
    nuclei: str


@dataclass(frozen=True)
class OtherRows:
    """The rows that fit into a page, their blocks, ``v-s0`` and so on, and how many there are in the file."""

    rows: tuple[OtherRow, ...] = ()
    blocks: tuple[Block, ...] = ()
    there: int = 0

    @property
    def size(self) -> int:
        """Bytes that they take in the page."""
        return sum(block.size for block in self.blocks)


def pack_rows(rows: Sequence[OtherRow], values: NDArray[np.float64], room: Room, there: int) -> OtherRows:
    """Pack numbers (rows, columns), to three digits each, of the first rows that there is room for."""
    blocks = tuple(_blocks(values, room))
    return OtherRows(tuple(rows[: len(blocks)]), blocks, there)


def _blocks(values: NDArray[np.float64], room: Room) -> Iterator[Block]:
    for place, row in enumerate(values):
        block = Block(f"v-s{place}", packed([to_codes(row)]))
        if not room.holds([block]):
            return
        yield block
