"""Where nuclei lie: candidates on a fixed lattice, conflicts between them settled locally.

Every cell of the lattice holds at most one candidate. Conflicts between candidates too close to each other are settled
in a fixed number of rounds, so that what is at a place depends on nothing farther away than `margin_um`.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numba import njit

from pathopipe.synthetic.noise import bell, hash_cell, unit
from pathopipe.synthetic.scene import Layout, Pleomorphism, fiber_wave, terrain

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]
Rates = tuple[float, float]  # share of cells with a candidate, in epithelium and in stroma
Box = tuple[float, float, float, float]  # left, top, right, bottom in micrometers

KINDS = ("epithelial", "stromal", "lymphocyte")
HARMONICS = 4  # of the outline, from the second on: the first would only shift it
ROUNDS = 3
CELL_UM = 5.0
DEPTH_UM = 5.0  # how deep in tissue a nucleus lies at least

# Columns of a kind's traits: median area in um2, spread of its logarithm, least and largest elongation, roughness of
# the outline, hematoxylin, its spread, contrast of the chromatin, darkness of the rim, nucleoli.
AREA, SPREAD, ROUND, LONG, ROUGH, STAIN, STAIN_SPREAD, CHROMATIN, RIM, NUCLEOLI = range(10)
_EPITHELIAL = {
    1: (38.5, 0.15, 1.05, 1.35, 0.025, 0.40, 0.08, 0.30, 0.10, 0.0),
    2: (69.0, 0.34, 1.05, 1.60, 0.045, 0.50, 0.14, 0.45, 0.10, 0.8),
    3: (125.0, 0.60, 1.05, 1.65, 0.150, 0.68, 0.26, 0.60, 0.12, 1.8),
}
_STROMAL = (33.0, 0.25, 2.2, 4.2, 0.06, 0.62, 0.14, 0.35, 0.05, 0.0)
_LYMPHOCYTE = (28.0, 0.12, 1.0, 1.2, 0.03, 0.82, 0.10, 0.45, 0.05, 0.0)
_LARGEST = 2.2  # areas end at this many spreads above the median

# Columns of a candidate.
X, Y, AREA_UM2, HALF_LONG, HALF_SHORT, COS, SIN, REACH, RANK, KIND, IN_STROMA = range(11)


def traits(pleomorphism: Pleomorphism) -> Floats:
    """Return the (3, 10) traits of the kinds of nuclei at a level of pleomorphism."""
    return np.array([_EPITHELIAL[pleomorphism], _STROMAL, _LYMPHOCYTE])


@lru_cache(maxsize=3)
def reach_um(pleomorphism: Pleomorphism) -> float:
    """Return how far a nucleus reaches from its center at most."""
    kinds = traits(pleomorphism)
    largest = kinds[:, AREA] * np.exp(_LARGEST * kinds[:, SPREAD])
    roughest = 1 + kinds[:, ROUGH] * sum(1 / (k + 1) for k in range(HARMONICS))
    return float(np.max(np.sqrt(largest / np.pi * kinds[:, LONG]) * roughest))


def margin_um(pleomorphism: Pleomorphism) -> float:
    """Return how far around a rectangle candidates matter: two conflicts per round."""
    return (2 * ROUNDS + 1) * (2 * reach_um(pleomorphism) + 1.0)


def settle(layout: Layout, pleomorphism: Pleomorphism, rates: Rates, box: Box) -> tuple[Floats, Words]:
    """Return the table and the hashes of the nuclei whose centers lie in the half-open box."""
    kinds, margin = traits(pleomorphism), margin_um(pleomorphism)
    left, top, right, bottom = box
    columns = math.floor((left - margin) / CELL_UM), math.ceil((right + margin) / CELL_UM)
    rows = math.floor((top - margin) / CELL_UM), math.ceil((bottom + margin) / CELL_UM)
    table, words, grid = _candidates(layout, kinds, rates, columns, rows)
    first, second = _conflicts(table, grid, reach_um(pleomorphism))
    kept = _elect(table[:, RANK].copy(), first, second) & inside(table, box)
    return table[kept], words[kept]


def inside(table: Floats, box: Box) -> npt.NDArray[np.bool_]:
    """Whether the centers lie in the half-open box."""
    x, y = table[:, X], table[:, Y]
    return (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])


@njit(cache=True)
def _fiber_direction(layout: Layout, x: float, y: float) -> tuple[float, float]:
    here = fiber_wave(layout, x, y)
    across_x = fiber_wave(layout, x + 1.0, y) - here - layout.fiber_sin
    across_y = fiber_wave(layout, x, y + 1.0) - here + layout.fiber_cos
    length = math.sqrt(across_x * across_x + across_y * across_y) + 1e-9
    return across_y / length, -across_x / length


@njit(cache=True)
def harmonic(word: np.uint64, order: int, rough: float) -> float:
    """Return the amplitude of the outline's wave number ``order + 2``, as a share of the radius."""
    return rough * (0.3 + 0.7 * unit(word, 20 + order)) / (order + 1)


@njit(cache=True)
def _shape(word: np.uint64, kind: int, kinds: Floats, row: Floats) -> None:
    """Fill in area, half axes and reach; the ellipse is scaled so that the outline encloses the area."""
    spread = min(_LARGEST, max(-_LARGEST, bell(word, 4)))
    area = kinds[kind, AREA] * math.exp(kinds[kind, SPREAD] * spread)
    elongation = kinds[kind, ROUND] + (kinds[kind, LONG] - kinds[kind, ROUND]) * unit(word, 8)
    bulge, swell = 1.0, 1.0
    for order in range(HARMONICS):
        amplitude = harmonic(word, order, kinds[kind, ROUGH])
        bulge += 0.5 * amplitude * amplitude
        swell += 0.6 * amplitude  # less than the most: now and then two outlines touch
    half = math.sqrt(area / (math.pi * bulge))
    row[AREA_UM2] = area
    row[HALF_LONG] = half * math.sqrt(elongation)
    row[HALF_SHORT] = half / math.sqrt(elongation)
    row[REACH] = swell


@njit(cache=True)
def _place(layout: Layout, kinds: Floats, word: np.uint64, rates: Rates, row: Floats) -> bool:
    """Complete the candidate at (row[X], row[Y]); False where the tissue has none."""
    tissue, nest = terrain(layout, row[X], row[Y])
    if tissue < DEPTH_UM or unit(word, 0) >= rates[1 if nest < 0 else 0]:
        return False
    kind = 0 if unit(word, 3) > 0.035 else 2
    angle_x, angle_y = 2 * unit(word, 9) - 1, 2 * unit(word, 10) - 1
    if nest < 0:
        kind = 1 if unit(word, 3) < 0.66 else 2
        fiber_x, fiber_y = _fiber_direction(layout, row[X], row[Y])
        angle_x, angle_y = fiber_x + 0.25 * angle_x, fiber_y + 0.25 * angle_y
    length = math.sqrt(angle_x * angle_x + angle_y * angle_y) + 1e-9
    row[COS], row[SIN], row[KIND], row[IN_STROMA] = angle_x / length, angle_y / length, kind, nest < 0
    _shape(word, kind, kinds, row)
    # Large nuclei go first, or conflicts would leave the small ones only.
    row[RANK] = unit(word, 11) / row[AREA_UM2]
    return True


@njit(cache=True)
def _candidates(
    layout: Layout, kinds: Floats, rates: Rates, columns: tuple[int, int], rows: tuple[int, int]
) -> tuple[Floats, Words, npt.NDArray[np.int32]]:
    """Return candidates (n, 11), their hashes, and the lattice with each cell's candidate or -1."""
    grid = np.full((rows[1] - rows[0], columns[1] - columns[0]), -1, np.int32)
    table = np.empty((grid.size, 11))
    words = np.empty(grid.size, np.uint64)
    count = 0
    for j in range(grid.shape[0]):
        for i in range(grid.shape[1]):
            word = hash_cell(layout.seed + np.uint64(70), columns[0] + i, rows[0] + j)
            if unit(word, 0) >= max(rates):
                continue
            table[count, X] = (columns[0] + i + unit(word, 1)) * CELL_UM
            table[count, Y] = (rows[0] + j + unit(word, 2)) * CELL_UM
            if _place(layout, kinds, word, rates, table[count]):
                grid[j, i], words[count] = count, word
                count += 1
    return table[:count].copy(), words[:count].copy(), grid


@njit(cache=True)
def _too_close(a: Floats, b: Floats) -> bool:
    """Whether the outlines may overlap: their extents along the line through the centers exceed the distance."""
    dx, dy = b[X] - a[X], b[Y] - a[Y]
    distance = math.sqrt(dx * dx + dy * dy) + 1e-9
    needed = a[REACH] * a[HALF_LONG] + b[REACH] * b[HALF_LONG]
    if distance >= needed:
        return False
    needed = 0.0
    for row in (a, b):
        along = (dx * row[COS] + dy * row[SIN]) / distance * row[HALF_LONG]
        aside = (dy * row[COS] - dx * row[SIN]) / distance * row[HALF_SHORT]
        needed += row[REACH] * math.sqrt(along * along + aside * aside)
    return bool(distance < needed)


@njit(cache=True)
def _conflicts(
    table: Floats, grid: npt.NDArray[np.int32], farthest: float
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the pairs of candidates that are too close to each other, each pair once."""
    first, second = np.empty(64 + 16 * len(table), np.int32), np.empty(64 + 16 * len(table), np.int32)
    count = 0
    for j in range(grid.shape[0]):
        for i in range(grid.shape[1]):
            a = grid[j, i]
            if a < 0:
                continue
            cells = math.ceil((table[a, REACH] * table[a, HALF_LONG] + farthest) / CELL_UM)
            for q in range(j, min(grid.shape[0], j + cells + 1)):
                for p in range(max(0, i - cells), min(grid.shape[1], i + cells + 1)):
                    b = grid[q, p]
                    if b < 0 or (q == j and p <= i) or not _too_close(table[a], table[b]):
                        continue
                    if count == len(first):
                        first, second = np.append(first, first), np.append(second, second)
                    first[count], second[count] = a, b
                    count += 1
    return first[:count], second[:count]


@njit(cache=True)
def _elect(rank: Floats, first: npt.NDArray[np.int32], second: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Keep who has the lowest rank among undecided rivals, drop the rivals, repeat; who stays undecided is dropped."""
    kept, dropped = np.zeros(len(rank), np.bool_), np.zeros(len(rank), np.bool_)
    for _ in range(ROUNDS):
        leads = ~dropped
        for a, b in zip(first, second):  # noqa: B905 - numba knows no strict
            if not dropped[a] and not dropped[b]:
                leads[a if rank[b] < rank[a] else b] = False
        kept |= leads
        for a, b in zip(first, second):  # noqa: B905
            if leads[a]:
                dropped[b] = True
            elif leads[b]:
                dropped[a] = True
    return kept
