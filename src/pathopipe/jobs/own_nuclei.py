"""Outlines of a slide that a person gave, read once from their file: points in the journal, the rest in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.annotations.own.base import Batch, Frame, Tally, unfit
from pathopipe.annotations.own.reading import read_own_nuclei
from pathopipe.jobs.job import Job
from pathopipe.jobs.journal import Journal, pack
from pathopipe.jobs.own_sieve import Sieve, check_place
from pathopipe.jobs.regions import sound_polygons
from pathopipe.ops.regions import Bins, origin_of, polygons_to_mask
from pathopipe.results.outlines import LARGEST_UM
from pathopipe.units import Grid

BLOCK: Final = 2048
"""Side of the blocks that nuclei belong to by the middle of their box, in pixels of the grid."""
_POINT: Final = 16

Numbers = NDArray[np.int64]
Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class OwnNuclei:
    """Outlines that can be used, in the order of the file.

    Attributes
    ----------
    journal, places
        Where the points of each lie, float64 x, y in pixels of the grid: first byte (n,) and number of points (n,).
    boxes
        (n, 4) left, top, right, bottom in pixels of the grid.
    numbers, types
        See `annotations.own.base.Batch`.
    """

    journal: Journal
    places: tuple[Numbers, Numbers]
    boxes: NDArray[np.float64]
    numbers: Numbers
    types: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def largest_px(self) -> int:
        """Width or height of the largest."""
        return int(np.ceil((self.boxes[:, 2:] - self.boxes[:, :2]).max(initial=1)))

    def blocks(self) -> Numbers:
        """Row and column (n, 2) of the block that each belongs to."""
        middle = (self.boxes[:, 1::-1] + self.boxes[:, 3:1:-1]) / 2
        return np.maximum(middle // BLOCK, 0).astype(np.int64)

    def points(self, members: Numbers) -> tuple[NDArray[np.float64], Numbers]:
        """Points (M, 2) of some of them, and bounds."""
        starts, lengths = (column[members] for column in self.places)
        spans = zip(starts.tolist(), (lengths * _POINT).tolist(), strict=True)
        data = b"".join(self.journal.read_span(span) for span in spans)
        return np.frombuffer(data, np.float64).reshape(-1, 2), np.concatenate([[0], np.cumsum(lengths)])


class Index:
    """Finds outlines by where they lie."""

    def __init__(self, own: OwnNuclei) -> None:
        self._boxes, blocks = own.boxes, own.blocks()
        self._columns = int(blocks[:, 1].max(initial=0)) + 1
        self.keys = blocks[:, 0] * self._columns + blocks[:, 1]
        self._order = np.argsort(self.keys, kind="stable")
        self._sorted, self._half = self.keys[self._order], own.largest_px // 2 + 1

    def owned(self, members: Numbers, block: tuple[int, int]) -> NDArray[np.bool_]:
        """Which of some outlines belong to a block."""
        return np.asarray((self.keys[members] == block[0] * self._columns + block[1]) & (block[1] < self._columns))

    def touching(self, window: Window) -> Numbers:
        """Outlines whose box touches a window (top, left, bottom, right), ascending."""
        top, left, bottom, right = window
        rows = range(max(0, top - self._half) // BLOCK, (bottom + self._half) // BLOCK + 1)
        first = max(0, left - self._half) // BLOCK
        last = min((right + self._half) // BLOCK, self._columns - 1)
        parts = [self._between(row * self._columns + first, row * self._columns + last) for row in rows]
        found = np.sort(np.concatenate(parts))
        box = self._boxes[found]
        touches = (box[:, 0] < right) & (box[:, 2] > left) & (box[:, 1] < bottom) & (box[:, 3] > top)
        return found[touches]

    def _between(self, first: int, last: int) -> Numbers:
        return self._order[slice(*np.searchsorted(self._sorted, (first, last + 1)))]


def read_own(
    job: Job[Any], journal: Journal, column: str, path: Path, grid: Grid, first: int
) -> tuple[OwnNuclei, Tally]:
    """Read the file of a column of the sample sheet; records of the journal are numbered from ``first`` on.

    Raises
    ------
    SlideRejectedError
        When it can't be used, or is of another slide.
    """
    tissue, tally, spool = job.manifest("tissue"), Tally(), _Spool(journal, first)
    info, bins = tissue["slide_info"], Bins(**tissue["bins"])
    sieve = Sieve(grid, polygons_to_mask(sound_polygons(job), bins), bins, tally)
    largest = LARGEST_UM / min(grid.mpp_x / grid.factor_x, grid.mpp_y / grid.factor_y)
    frame = Frame(info["width"], info["height"], origin_of(info["bounds"]), largest)
    total = 0
    for batch in read_own_nuclei(path, frame, column, tally):
        total += len(batch)
        spool.add(sieve.sift(batch))
        job.progress.update(total, total, "outlines")
    is_drawn, seen = sieve.settle()
    check_place(seen, tally, column, frame, in_regions=job.require_sample().roi is not None)
    own = spool.own(is_drawn=is_drawn)
    if not len(own):
        raise unfit(column, f"holds no outline of a nucleus that can be used: {most(tally.left_out, tally.found)}")
    return own, tally


class _Spool:
    """Writes the points of batches into the journal, and gathers the rest."""

    def __init__(self, journal: Journal, first: int) -> None:
        self._journal, self._next = journal, first
        self._parts: list[tuple[NDArray[Any], ...]] = []

    def add(self, batch: Batch) -> None:
        """Add outlines in pixels of the grid."""
        if not len(batch):
            return
        number, self._next = self._next, self._next + 1
        if number not in self._journal:
            self._journal.append(number, pack({"coords": batch.coords}))
        start, _ = self._journal.spans(number)["coords"]
        reduced = (reduce.reduceat(batch.coords, batch.offsets[:-1]) for reduce in (np.minimum, np.maximum))
        facts = (start + _POINT * batch.offsets[:-1], np.diff(batch.offsets), np.hstack([*reduced]))
        self._parts.append((*facts, batch.numbers, batch.types, batch.drawn))

    def own(self, *, is_drawn: bool) -> OwnNuclei:
        """Return those that are annotations, or those that are none."""
        none = np.empty(0, np.int64)
        nothing = (none, none, np.empty((0, 4)), none, none.astype(np.int8), none.astype(np.bool_))
        columns = [np.concatenate(column) for column in zip(nothing, *self._parts, strict=True)]
        kept = columns.pop() == is_drawn
        start, length, boxes, numbers, types = (column[kept] for column in columns)
        return OwnNuclei(self._journal, (start, length), boxes, numbers, types)


def most(left_out: Mapping[str, int], total: int) -> str:
    """Say why most of so many things were left out."""
    reason, count = max(left_out.items(), key=lambda item: item[1])
    return f"{count:,} of {total:,} {reason}"
