"""Scores as text: a value with its interval, lines as columns of even width."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_NOTHING: Final = "-"


@dataclass(frozen=True)
class Estimate:
    """A score and its interval, where it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}{'-' if self.low >= 0 else ' to '}{self.high:.3f}]"


Cell = str | Estimate
Line = dict[str, Cell]


def aligned(lines: Sequence[Line]) -> str:
    """Lay out lines as columns of even width."""
    names = columns(lines)
    cells = [names, *([str(line.get(name, _NOTHING)) for name in names] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(row.rstrip() for row in padded)


def columns(lines: Sequence[Line]) -> list[str]:
    """Names of the columns, in the order in which lines first have them."""
    return list(dict.fromkeys(name for line in lines for name in line))
