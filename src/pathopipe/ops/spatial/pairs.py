"""Distances between all pairs of points: histograms by type, and sums over what lies near."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.spatial.cells import Cells, sort_into_cells

REACH_UM: Final = 100

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def pair_histogram(
    points_um: Floats, codes: NDArray[np.integer], types: int, reach_um: int = REACH_UM, workers: int = 1
) -> Counts:
    """Count pairs of points by distance and types.

    Parameters
    ----------
    points_um
        float64 (N, 2).
    codes
        int (N,), the type of each point, from 0 to ``types`` - 1.
    types
        Number of types.
    reach_um
        Number of bins of one micrometer.
    workers
        Threads; the counts are exact, so the result does not depend on them.

    Returns
    -------
    int64 (types, types, reach_um). Entry [a, b, k] is the number of ordered pairs of a point of type a and another
    point, of type b, at a distance from k (inclusive) to k + 1 (exclusive) um.
    """
    cells = sort_into_cells(points_um, float(reach_um))
    ranked = codes[cells.order].astype(np.int64)

    def of_rows(rows: tuple[int, int]) -> Counts:
        histogram = np.zeros((types, types, reach_um), np.int64)
        _count_pairs(cells.points, ranked, cells.starts, rows[0], rows[1], histogram)
        return histogram

    total = np.zeros((types, types, reach_um), np.int64)
    with ThreadPoolExecutor(max(1, workers)) as threads:
        for part in threads.map(of_rows, cells.chunks()):
            total += part
    return total + total.transpose(1, 0, 2)


def sums_within(points_um: Floats, values: Floats, radius_um: float, workers: int = 1) -> tuple[Floats, Counts]:
    """Sums (N, K) of values (N, K) over all points within a distance (inclusive), itself among them; and how many.

    A value that is NaN makes the sums around it NaN. Each sum is taken in a fixed order.
    """
    cells: Cells = sort_into_cells(points_um, radius_um)
    ranked = np.ascontiguousarray(values[cells.order], np.float64)
    sums, counts = np.zeros(ranked.shape), np.zeros(len(ranked), np.int64)

    def of_rows(rows: tuple[int, int]) -> None:
        _sum_around(cells.points, ranked, cells.starts, radius_um * radius_um, rows[0], rows[1], sums, counts)

    with ThreadPoolExecutor(max(1, workers)) as threads:
        list(threads.map(of_rows, cells.chunks()))
    return cells.unsorted(sums), cells.unsorted(counts)


@kernel
def _count_pairs(
    points: Floats, codes: Counts, starts: Counts, first_row: int, last_row: int, histogram: Counts
) -> None:
    """Count each unordered pair once, by the point that comes first in the order of the cells."""
    rows, columns = starts.shape[0], starts.shape[1] - 1
    reach = histogram.shape[2]
    squared_reach = float(reach * reach)
    for row in range(first_row, last_row):
        for column in range(columns):
            left, right = max(column - 1, 0), min(column + 2, columns)
            for i in range(starts[row, column], starts[row, column + 1]):
                x, y, code = points[i, 0], points[i, 1], codes[i]
                for below in range(row, min(row + 2, rows)):
                    begin = i + 1 if below == row else starts[below, left]
                    for j in range(begin, starts[below, right]):
                        squared = (points[j, 0] - x) ** 2 + (points[j, 1] - y) ** 2
                        if squared < squared_reach:
                            histogram[code, codes[j], int(np.sqrt(squared))] += 1


@kernel
def _sum_around(
    points: Floats,
    values: Floats,
    starts: Counts,
    squared_radius: float,
    first_row: int,
    last_row: int,
    sums: Floats,
    counts: Counts,
) -> None:
    """Add up the values around each point of the given rows of cells."""
    rows, columns = starts.shape[0], starts.shape[1] - 1
    for row in range(first_row, last_row):
        for column in range(columns):
            left, right = max(column - 1, 0), min(column + 2, columns)
            for i in range(starts[row, column], starts[row, column + 1]):
                for near in range(max(row - 1, 0), min(row + 2, rows)):
                    for j in range(starts[near, left], starts[near, right]):
                        squared = (points[j, 0] - points[i, 0]) ** 2 + (points[j, 1] - points[i, 1]) ** 2
                        if squared <= squared_radius:
                            counts[i] += 1
                            for k in range(values.shape[1]):
                                sums[i, k] += values[j, k]
