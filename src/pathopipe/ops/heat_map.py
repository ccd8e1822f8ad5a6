"""Contributions of nuclei to a score, summed over squares of tissue, and the nuclei that contribute most."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class HeatMap:
    """What drives a score.

    Attributes
    ----------
    side_um
        Of the squares, which are those of a grid that begins at the slide's upper left corner.
    columns, rows
        (k,) places of the squares on that grid, row by row.
    nuclei, influence
        (k,) nuclei in each square, and the sum of what they contribute to the score.
    strongest, of_strongest
        (m,) numbers of the nuclei that contribute most, whatever the sign, and what they contribute.
    """

    side_um: float
    columns: Numbers
    rows: Numbers
    nuclei: Numbers
    influence: Floats
    strongest: Numbers
    of_strongest: Floats

    def order(self) -> Numbers:
        """Squares (k,) by what they contribute, whatever the sign, the most first; of equal ones in their order."""
        return np.argsort(-np.abs(self.influence), kind="stable")


def heat_map(
    influence: Iterable[Floats],
    points_um: Iterable[tuple[Floats, Floats]],
    squares: NDArray[np.unsignedinteger],
    side_um: float,
    most: int,
) -> HeatMap:
    """Sum contributions over squares, one part of the nuclei after the other.

    Parameters
    ----------
    influence, points_um
        Contribution of each nucleus, and x and y, in parts of the same sizes.
    squares, side_um
        Number of each nucleus's square (N,), and the side of squares, as `ops.resampling.squares` gives them.
    most
        How many nuclei to name.
    """
    count = int(squares.max()) + 1 if len(squares) else 0
    sums, nuclei = np.zeros(count), np.zeros(count, np.int64)
    columns, rows = np.zeros(count, np.int64), np.zeros(count, np.int64)
    strongest, of_strongest, start = np.empty(0, np.int64), np.empty(0), 0
    for values, (x_um, y_um) in zip(influence, points_um, strict=True):
        here = squares[start : start + len(values)]
        sums += np.bincount(here, values, count)
        nuclei += np.bincount(here, minlength=count)
        columns[here], rows[here] = np.floor(x_um / side_um), np.floor(y_um / side_um)
        of_strongest = np.concatenate([of_strongest, values])
        strongest = np.concatenate([strongest, np.arange(start, start + len(values))])
        first = np.argsort(-np.abs(of_strongest), kind="stable")[:most]
        strongest, of_strongest, start = strongest[first], of_strongest[first], start + len(values)
    return HeatMap(side_um, columns, rows, nuclei, sums, strongest, of_strongest)
