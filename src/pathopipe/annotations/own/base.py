"""Outlines of nuclei that a person has, a batch at a time, in level-0 pixels as tables have them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import SlideRejectedError
from pathopipe.ops.nucleus_types import TYPES, type_named
from pathopipe.ops.regions import Origin, plain

PER_BATCH: Final = 8192
Rings = list[NDArray[np.float64]]


@dataclass(frozen=True)
class Frame:
    """The slide, in level-0 pixels: its size, where GeoJSON begins on it, and how large a nucleus can be."""

    width: int
    height: int
    origin: Origin
    largest_px: float


@dataclass(frozen=True)
class Batch:
    """Some outlines, in the order of the file.

    Attributes
    ----------
    coords, offsets
        Points (M, 2) x, y in level-0 pixels of all rings in turn, and (n + 1,) bounds.
    numbers
        int64 (n,), which feature, row or label of the file each is of.
    types
        int8 (n,), places in `TYPES`, -1 where none is known.
    drawn
        bool (n,), whether QuPath calls it an annotation, not a detection.
    """

    coords: NDArray[np.float64]
    offsets: NDArray[np.int64]
    numbers: NDArray[np.int64]
    types: NDArray[np.int8]
    drawn: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass
class Tally:
    """What a file holds beside outlines that can be used.

    Attributes
    ----------
    format
        Of the file, as pages call it.
    found
        Features, rows or labels.
    left_out
        How many outlines, and things that are none, were left out, by the reason.
    altered
        How many outlines were changed, by how.
    unknown
        How many have a class that is no type, by its name.
    """

    format: str = ""
    found: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    altered: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    @cached_property
    def drawn(self) -> "Tally":
        """The same of what QuPath calls annotations: nuclei, or regions beside nuclei."""
        return Tally()

    def add(self, other: "Tally") -> None:
        """Count what another tally has counted."""
        self.found += other.found
        for name in ("left_out", "altered", "unknown"):
            getattr(self, name).update(getattr(other, name))

    def type_of(self, name: str) -> int:
        """Place in `TYPES` of what a class stands for, also where only its first part says it; -1 for none."""
        kind = type_named(name) or type_named(name.partition(":")[0]) if name else None
        if name and kind is None:
            self.unknown[plain(name)] += 1
        return -1 if kind is None else TYPES.index(kind)


def unfit(column: str, what: str) -> SlideRejectedError:
    """Say why the file of a column of the sample sheet can't be used; without its path, which may name people."""
    return SlideRejectedError(f"the file in the column '{column}' {what}")


@contextmanager
def readable(column: str, what: str) -> Iterator[None]:
    """Reject the slide with this sentence if the block, which only reads, fails, but not where the machine does."""
    try:
        yield
    except (SlideRejectedError, MemoryError):
        raise
    except Exception as error:  # libraries raise whatever they stumble over
        if isinstance(error, OSError) and error.errno:
            raise
        raise unfit(column, what) from error


def batched(outlines: Iterable[tuple[Rings, int, int, bool]]) -> Iterator[Batch]:
    """Gather outlines into batches, given rings, number, type, and whether it was drawn, of one thing after another."""
    rings, facts = Rings(), list[tuple[int, int, bool]]()
    for parts, number, kind, drawn in outlines:
        rings += parts
        facts += [(number, kind, drawn)] * len(parts)
        if len(rings) >= PER_BATCH:
            yield _batch(rings, facts)
            rings, facts = Rings(), []
    if rings:
        yield _batch(rings, facts)


def _batch(rings: Rings, facts: list[tuple[int, int, bool]]) -> Batch:
    numbers, types, drawn = zip(*facts, strict=True)
    return Batch(
        np.concatenate(rings),
        np.concatenate([[0], np.cumsum([len(ring) for ring in rings])]),
        np.array(numbers, np.int64),
        np.array(types, np.int8),
        np.array(drawn, np.bool_),
    )
