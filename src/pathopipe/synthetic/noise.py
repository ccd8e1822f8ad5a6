"""Noise that is a pure function of a seed and global coordinates: any rectangle can be made without its surroundings.

Everything rests on an integer hash, so the values don't depend on library versions or on the order of evaluation.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PRIME_X = np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME_Y = np.uint64(0x165667B19E3779F9)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_EIGHT = np.uint64(7)
_DIAGONAL = math.sqrt(0.5)
_GRADIENT_X = np.array([1, _DIAGONAL, 0, -_DIAGONAL, -1, -_DIAGONAL, 0, _DIAGONAL])
_GRADIENT_Y = np.array([0, _DIAGONAL, 1, _DIAGONAL, 0, -_DIAGONAL, -1, -_DIAGONAL])

TABLE_SIZE = 256


@njit(cache=True)
def scramble(value: np.uint64) -> np.uint64:
    """Return a well mixed 64-bit word (the finalizer of SplitMix64; Steele, Lea & Flood 2014)."""
    value = (value ^ (value >> _S30)) * _MIX_1
    value = (value ^ (value >> _S27)) * _MIX_2
    return value ^ (value >> _S31)


@njit(cache=True)
def hash_cell(seed: np.uint64, column: int, row: int) -> np.uint64:
    """Return 64 random bits for a cell of the global lattice; negative indices are fine."""
    return scramble(seed ^ (np.uint64(column) * _PRIME_X) ^ scramble(np.uint64(row) * _PRIME_Y + _GOLDEN))


@njit(cache=True)
def unit(word: np.uint64, stream: int) -> float:
    """Return the ``stream``-th uniform number in [0, 1) that belongs to a hash."""
    return float(scramble(word + np.uint64(stream + 1) * _GOLDEN) >> _S11) * 1.1102230246251565e-16


@njit(cache=True)
def bell(word: np.uint64, stream: int) -> float:
    """Return a number of mean 0, variance 1 and nearly normal distribution, never beyond 3.47 (four uniforms added)."""
    total = unit(word, stream) + unit(word, stream + 1) + unit(word, stream + 2) + unit(word, stream + 3)
    return (total - 2.0) * math.sqrt(3.0)


@njit(cache=True)
def _slope(seed: np.uint64, column: int, row: int, dx: float, dy: float) -> float:
    direction = hash_cell(seed, column, row) & _EIGHT
    slope: float = _GRADIENT_X[direction] * dx + _GRADIENT_Y[direction] * dy
    return slope


@njit(cache=True)
def gradient_noise(seed: np.uint64, x: float, y: float) -> float:
    """Return smooth noise of about unit feature size, within -1 to 1 (Perlin 2002, with eight directions)."""
    column, row = math.floor(x), math.floor(y)
    fx, fy = x - column, y - row
    u = fx * fx * fx * (fx * (fx * 6.0 - 15.0) + 10.0)
    v = fy * fy * fy * (fy * (fy * 6.0 - 15.0) + 10.0)
    i, j = int(column), int(row)
    top = (1.0 - u) * _slope(seed, i, j, fx, fy) + u * _slope(seed, i + 1, j, fx - 1.0, fy)
    bottom = (1.0 - u) * _slope(seed, i, j + 1, fx, fy - 1.0) + u * _slope(seed, i + 1, j + 1, fx - 1.0, fy - 1.0)
    return 1.4 * ((1.0 - v) * top + v * bottom)


@njit(cache=True)
def layered_noise(seed: np.uint64, x: float, y: float, octaves: int) -> float:
    """Return gradient noise with finer octaves added, each of half the size and half the strength."""
    total, strength, scale = 0.0, 1.0, 1.0
    for octave in range(octaves):
        # The offset keeps the lattices of the octaves from meeting at the origin.
        total += strength * gradient_noise(seed + np.uint64(octave), x * scale + 0.37 * octave, y * scale)
        strength *= 0.5
        scale *= 2.03
    return total


@njit(cache=True)
def noise_table(seed: np.uint64) -> npt.NDArray[np.float32]:
    """Return the (256, 256) table of uniform numbers behind `table_noise`."""
    table = np.empty((TABLE_SIZE, TABLE_SIZE), np.float32)
    for row in range(TABLE_SIZE):
        for column in range(TABLE_SIZE):
            table[row, column] = unit(hash_cell(seed, column, row), 0)
    return table


@njit(cache=True)
def table_noise(table: npt.NDArray[np.float32], x: float, y: float) -> float:
    """Return value noise in 0 to 1 with a period of 256 units: the fast kind, for what is fine and warped anyway."""
    column, row = math.floor(x), math.floor(y)
    fx, fy = x - column, y - row
    fx = fx * fx * (3.0 - 2.0 * fx)
    fy = fy * fy * (3.0 - 2.0 * fy)
    left, right = column & 255, (column + 1) & 255
    above, below = row & 255, (row + 1) & 255
    top = table[above, left] + fx * (table[above, right] - table[above, left])
    bottom = table[below, left] + fx * (table[below, right] - table[below, left])
    value: float = top + fy * (bottom - top)
    return value


@njit(cache=True)
def ramp(value: float, start: float, end: float) -> float:
    """Return 0 before ``start``, 1 after ``end`` and a smooth rise between."""
    share = (value - start) * (1.0 / (end - start))
    share = 0.0 if share < 0.0 else share  # noqa: FURB136 - compiles to a selection, max() to a branch
    share = 1.0 if share > 1.0 else share  # noqa: FURB136
    return share * share * (3.0 - 2.0 * share)
