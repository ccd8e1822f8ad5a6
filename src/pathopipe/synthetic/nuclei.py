"""The nuclei of a scene: their number, kinds and outlines."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numba import njit

from pathopipe.errors import RefusalError
from pathopipe.synthetic.noise import unit
from pathopipe.synthetic.placement import (
    CELL_UM,
    COS,
    HALF_LONG,
    HALF_SHORT,
    HARMONICS,
    IN_STROMA,
    KIND,
    ROUGH,
    SIN,
    Floats,
    Rates,
    Words,
    X,
    Y,
    harmonic,
    inside,
    settle,
    traits,
)
from pathopipe.synthetic.scene import Layout, Pleomorphism, Scene, terrain

VERTICES = 48
STROMA_SHARE = 0.12  # of all nuclei
BLOCK_UM = 1024.0
CALIBRATIONS = 8


def _corners() -> tuple[Floats, Floats]:
    """Directions of an outline's vertices, even in |x| + |y| = 1, so that finding one needs no trigonometry."""
    step = 4 * np.arange(VERTICES) / VERTICES
    quarter, rest = np.divmod(step, 1.0)
    x = np.choose(quarter.astype(int), [1 - rest, -rest, rest - 1, rest])
    y = np.choose(quarter.astype(int), [rest, 1 - rest, -rest, rest - 1])
    angle = np.arctan2(y, x)
    orders = np.arange(2, 2 + HARMONICS)[:, None]
    return np.stack([np.cos(angle), np.sin(angle)]), np.stack([np.cos(orders * angle), np.sin(orders * angle)])


DIRECTIONS, WAVES = _corners()


@dataclass(frozen=True)
class Nuclei:
    """Nuclei, one per row.

    Attributes
    ----------
    table
        (n, 11) float64, the columns named above; lengths in micrometers on the plane.
    words
        (n,) uint64, the hash that everything random about a nucleus comes from.
    radii
        (n, 48) float64: the outline in the frame where the nucleus' ellipse is the unit circle.
    """

    table: Floats
    words: Words
    radii: Floats

    def outlines_um(self) -> Floats:
        """Return the (n, 48, 2) outlines on the plane, in micrometers, counter-clockwise in a y-up sense."""
        long = self.radii * DIRECTIONS[0] * self.table[:, [HALF_LONG]]
        short = self.radii * DIRECTIONS[1] * self.table[:, [HALF_SHORT]]
        cos, sin = self.table[:, [COS]], self.table[:, [SIN]]
        return np.stack(
            [self.table[:, [X]] + cos * long - sin * short, self.table[:, [Y]] + sin * long + cos * short], axis=-1
        )


def nuclei_in(scene: Scene, left: float, top: float, right: float, bottom: float) -> Nuclei:
    """Return the nuclei whose centers lie in a half-open rectangle of the plane (micrometers), block by block."""
    layout = scene.layout
    rates = candidate_rates(scene.pleomorphism, scene.nuclei_per_mm2)
    blocks = [
        _block(layout, scene.pleomorphism, rates, column, row)
        for row in range(math.floor(top / BLOCK_UM), math.ceil(bottom / BLOCK_UM))
        for column in range(math.floor(left / BLOCK_UM), math.ceil(right / BLOCK_UM))
    ]
    table, words = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    within = inside(table, (left, top, right, bottom))
    table, words = table[within], words[within]
    return Nuclei(table, words, _radii(words, table[:, KIND].astype(np.int64), traits(scene.pleomorphism)))


# A row of blocks across the widest slides, so that bands of pixels share them; 0.4 MB each at most.
@lru_cache(maxsize=128)
def _block(layout: Layout, pleomorphism: Pleomorphism, rates: Rates, column: int, row: int) -> tuple[Floats, Words]:
    left, top = column * BLOCK_UM, row * BLOCK_UM
    return settle(layout, pleomorphism, rates, (left, top, left + BLOCK_UM, top + BLOCK_UM))


@lru_cache(maxsize=64)
def candidate_rates(pleomorphism: Pleomorphism, density: float) -> Rates:
    """Return the shares of cells with a candidate, in epithelium and in stroma, that leave ``density`` nuclei per mm2.

    Conflicts thin the candidates out, so the shares are raised until a fixed patch has enough.
    """
    wanted = density * np.array([1 - STROMA_SHARE, STROMA_SHARE])
    rates = wanted * CELL_UM**2 * 1e-6
    achieved = np.zeros(2)
    for _ in range(CALIBRATIONS):
        achieved = _densities(pleomorphism, (float(rates[0]), float(rates[1])))
        rates = np.minimum(1.0, rates * wanted / np.maximum(achieved, 1.0))
    if np.any(achieved < 0.9 * wanted):
        raise RefusalError(
            f"Synthetic slide: {density:g} nuclei per mm2 don't fit at pleomorphism {pleomorphism}; "
            f"choose at most {density * np.min(achieved / wanted):.0f}."
        )
    return (float(rates[0]), float(rates[1]))


def _densities(pleomorphism: Pleomorphism, rates: Rates) -> Floats:
    """Return epithelium's and stroma's share of the nuclei per mm2 of tissue on the patch."""
    side = 1200.0
    layout = Scene(1, 1, pleomorphism=pleomorphism, tissue="field").layout
    table, _ = settle(layout, pleomorphism, rates, (0.0, 0.0, side, side))
    stroma = int(np.count_nonzero(table[:, IN_STROMA]))
    return np.array([len(table) - stroma, stroma]) / (_tissue_share(layout, side) * side * side * 1e-6)


@njit(cache=True)
def _tissue_share(layout: Layout, side: float) -> float:
    count = 0
    for row in range(100):
        for column in range(100):
            count += terrain(layout, column * side / 100, row * side / 100)[0] > 0
    return count / 1e4


@njit(cache=True)
def _radii(words: Words, kind: npt.NDArray[np.int64], kinds: Floats) -> Floats:
    radii = np.ones((len(words), VERTICES))
    for n in range(len(words)):
        for order in range(HARMONICS):
            amplitude = harmonic(words[n], order, kinds[kind[n], ROUGH])
            cos, sin = 2 * unit(words[n], 30 + order) - 1, 2 * unit(words[n], 40 + order) - 1
            length = math.sqrt(cos * cos + sin * sin) + 1e-9
            for k in range(VERTICES):
                radii[n, k] += amplitude * (cos * WAVES[0, order, k] + sin * WAVES[1, order, k]) / length
    return radii
