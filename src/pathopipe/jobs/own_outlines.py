"""Own nuclei of a slide on its working grid, block by block, and what changed against those before."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.annotations.own.base import unfit
from pathopipe.caveats import warning
from pathopipe.errors import SlideRejectedError
from pathopipe.jobs.job import Job
from pathopipe.jobs.journal import Journal, advance
from pathopipe.jobs.own_nuclei import BLOCK, Index, OwnNuclei, most, read_own
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.own_nuclei import Gridded, outlines_on_grid, partners
from pathopipe.pipeline import SegmentSettings
from pathopipe.units import Grid

_BEFORE: Final = 2**40
"""Number of the journal's first record of the nuclei before; those of blocks come after twice as many."""
_SHOWN: Final = 3
_LOST: Final = ("no_pixel", "hidden", "overlapping", "in_pieces")
_CHANGES: Final = ("before", "kept", "changed", "retyped")

Block = tuple[int, int]
Piece = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Sets:
    """The nuclei, and those before, with how to find them; shared by threads."""

    grid: Grid
    own: OwnNuclei
    index: Index
    before: OwnNuclei | None
    before_index: Index | None

    @property
    def _margin(self) -> int:
        """Pixels around a block.

        A nucleus reaches half its size beyond its block, and what shares pixels with it, or has it in a hole, its whole
        size further.
        """
        largest = max(part.largest_px for part in (self.own, self.before) if part is not None)
        return math.ceil(1.5 * largest) + 2

    def blocks(self) -> list[Block]:
        """Return (row, column) of the blocks that nuclei belong to, in order."""
        parts = [part.blocks() for part in (self.own, self.before) if part is not None]
        return [(int(row), int(column)) for row, column in np.unique(np.concatenate(parts), axis=0)]

    def look(self, block: Block) -> Piece:
        """Outline the nuclei of a block, and say what changed in it."""
        top, left = max(0, block[0] * BLOCK - self._margin), max(0, block[1] * BLOCK - self._margin)
        bottom = min(self.grid.height, (block[0] + 1) * BLOCK + self._margin)
        right = min(self.grid.width, (block[1] + 1) * BLOCK + self._margin)
        window = (top, left, max(bottom, top + 1), max(right, left + 1))
        members, found = _gridded(self.own, self.index, window, block)
        rings = found.rings
        piece = {
            "members": members[found.kept],
            "coords": rings.coords,
            "offsets": rings.offsets,
            "area_px": rings.area_px,
            "centroid": rings.centroid,
            "lost": np.array([getattr(found, name) for name in _LOST], np.int64),
        }
        return piece | self._changes(window, block, members, found)

    def _changes(self, window: tuple[int, int, int, int], block: Block, members: NDArray[Any], found: Gridded) -> Piece:
        if self.before is None or self.before_index is None:
            return {}
        others, old = _gridded(self.before, self.before_index, window, None)
        shape = (window[2] - window[0], window[3] - window[1])
        places, equal = partners(found.rings, old.rings, shape, window[:2])
        matched = places >= 0
        new = self.own.types[members[found.kept[matched]]]
        was = self.before.types[others[old.kept[places[matched]]]]
        owned = int(self.before_index.owned(others[old.kept], block).sum())
        return {"changes": np.array([owned, equal.sum(), (matched & ~equal).sum(), (new != was).sum()], np.int64)}


def _gridded(
    own: OwnNuclei, index: Index, window: tuple[int, int, int, int], block: Block | None
) -> tuple[NDArray[np.int64], Gridded]:
    """Outlines that touch a window, and the nuclei that those of a block, or all of them, become."""
    members = index.touching(window)
    coords, offsets = own.points(members)
    wanted = np.ones(len(members), np.bool_) if block is None else index.owned(members, block)
    shape = (window[2] - window[0], window[3] - window[1])
    return members, outlines_on_grid(coords, offsets, wanted, shape, window[:2])


class OwnOutlines:
    """Nuclei of the sample sheet as nuclei of the program."""

    def __init__(self, job: Job[SegmentSettings], journal: Journal, grid: Grid) -> None:
        files, before = job.require_sample().files, None
        with job.watch.spending("file"):
            own, self.tally = read_own(job, journal, "nuclei", files["nuclei"], grid, 0)
            if "nuclei_before" in files:
                before, _ = read_own(job, journal, "nuclei_before", files["nuclei_before"], grid, _BEFORE)
        self._sets = _Sets(grid, own, Index(own), before, Index(before) if before else None)
        self._journal, self._job, self.blocks = journal, job, self._sets.blocks()
        self._lost, self._changed = np.zeros(len(_LOST), np.int64), np.zeros(len(_CHANGES), np.int64)
        self._count = self._typed = 0

    def columns(self) -> Iterator[Piece]:
        """Outlines (``coords``, ``offsets``) on the grid and facts of the nuclei, block by block."""

        def work(block: Block) -> Piece:
            with self._job.watch.spending("outlining"):
                return self._sets.look(block)

        for piece in advance(self._journal, work, self.blocks, self._job.workers, 2 * _BEFORE):
            members = piece.pop("members")
            self._lost += piece.pop("lost")
            self._changed += piece.pop("changes", 0)
            types = self._sets.own.types[members]
            self._count += len(members)
            self._typed += int((types >= 0).sum())
            yield piece | {"numbers": self._sets.own.numbers[members], "types": types}

    @property
    def counts(self) -> dict[str, int]:
        """What the manifest counts, when all blocks have been seen."""
        left_out = sum(self.left_out.values())
        return {"given": self.tally.found, "left_out": left_out, "nuclei": self._count, "typed": self._typed}

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many were left out, by the reason."""
        lost = dict(zip(_LOST, self._lost.tolist(), strict=True))
        hidden = {
            "are smaller than a pixel of the grid": lost["no_pixel"],
            "lie mostly under others or beyond the border": lost["hidden"],
        }
        return {reason: count for reason, count in {**self.tally.left_out, **hidden}.items() if count}

    @property
    def altered(self) -> Mapping[str, int]:
        """How many were changed, by how."""
        lost = dict(zip(_LOST, self._lost.tolist(), strict=True))
        on_grid = {
            "overlap others: a pixel belongs to the first in the file": lost["overlapping"],
            "fall into pieces, of which the largest counts": lost["in_pieces"],
        }
        return {how: count for how, count in {**self.tally.altered, **on_grid}.items() if count}

    @property
    def changes(self) -> dict[str, int | None] | None:
        """What changed against the nuclei before: None where there are none; types where both have some."""
        before = self._sets.before
        if before is None:
            return None
        was, kept, changed, retyped = self._changed.tolist()
        have_types = self._typed and bool((before.types >= 0).any())
        return {
            "before": was,
            "kept": kept,
            "changed": changed,
            "deleted": was - kept - changed,
            "added": self._count - kept - changed,
            "retyped": retyped if have_types else None,
        }

    def unfit(self) -> SlideRejectedError:
        """Say why no nucleus is left."""
        return unfit(
            "nuclei", f"holds no outline of a nucleus that can be used: {most(self.left_out, self.tally.found)}"
        )

    def warnings(self) -> list[dict[str, Any]]:
        """Say what of the file was not taken as it is."""
        return [*self._losses(), *self._classes()]

    def _losses(self) -> Iterator[dict[str, Any]]:
        for code, told, found in (
            ("nuclei_left_out", "were left out", self.left_out),
            ("nuclei_altered", "were altered", self.altered),
        ):
            if found:
                total = sum(found.values())
                reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.items())
                yield warning(code, f"of {self.tally.found:,} given nuclei {total:,} {told}: {reasons}", total, 0)

    def _classes(self) -> Iterator[dict[str, Any]]:
        unknown = self.tally.unknown
        if unknown:
            names = ", ".join(f"'{name}'" for name, _ in unknown.most_common(_SHOWN))
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            yield warning(
                "unknown_classes",
                f"{unknown.total():,} given nuclei have a class that is none of the types {', '.join(TYPES)}, nor "
                f"another name for one, and got no type: {names}{more}",
                unknown.total(),
                0,
            )
