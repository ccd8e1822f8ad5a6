"""Nuclei as layers of stain: a soft outline, clumped chromatin, a darker rim, nucleoli."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from pathopipe.synthetic.noise import ramp, table_noise, unit
from pathopipe.synthetic.nuclei import VERTICES, nuclei_in
from pathopipe.synthetic.placement import (
    AREA_UM2,
    CHROMATIN,
    COS,
    HALF_LONG,
    HALF_SHORT,
    KIND,
    NUCLEOLI,
    RIM,
    SIN,
    STAIN,
    STAIN_SPREAD,
    Floats,
    Words,
    X,
    Y,
    reach_um,
    traits,
)
from pathopipe.synthetic.scene import Scene

Layers = npt.NDArray[np.float32]

EDGE_UM = 0.55  # half width of an outline's blur
COVER, HEMATOXYLIN, EOSIN = range(3)
_MOST_NUCLEOLI = 3
# What a nucleus is drawn with: its density, how pale its interior is, the contrast of its chromatin, the darkness of
# its rim, the place of its chromatin in the noise, its largest radius, the number of nucleoli and each one's x, y, size
# (um).
_DARK, _PALE, _CLUMPS, _RIM, _SHIFT, _LARGEST, _COUNT, _FIRST = range(8)


def stain_layers(scene: Scene, table: Layers, left: int, top: int, width: int, height: int) -> Layers:
    """Return cover (0 to 1), hematoxylin and eosin of the nuclei as (height, width, 3), for pixels of the plane."""
    reach, mpp = reach_um(scene.pleomorphism) + EDGE_UM, scene.mpp
    nuclei = nuclei_in(
        scene,
        left * mpp - reach,
        top * mpp - reach,
        (left + width) * mpp + reach,
        (top + height) * mpp + reach,
    )
    layers = np.zeros((height, width, 3), np.float32)
    brushes = _brushes(nuclei.table, nuclei.words, nuclei.radii, traits(scene.pleomorphism))
    _draw(layers, left, top, mpp, nuclei.table, nuclei.radii, brushes, table)
    return layers


@njit(cache=True)
def _brushes(nuclei: Floats, words: Words, radii: Floats, kinds: Floats) -> Floats:
    brushes = np.zeros((len(nuclei), _FIRST + 3 * _MOST_NUCLEOLI))
    for row, word, radius, brush in zip(nuclei, words, radii, brushes):  # noqa: B905 - numba knows no strict
        kind = kinds[int(row[KIND])]
        brush[_DARK] = kind[STAIN] * max(0.45, 1.0 + kind[STAIN_SPREAD] * 2.4 * (unit(word, 12) - 0.5))
        # Large nuclei are often vesicular: clumped chromatin and a rim around a pale interior.
        brush[_PALE] = 0.36 * unit(word, 13) if kind[NUCLEOLI] > 0 else 0.12
        brush[_CLUMPS], brush[_RIM] = 1.6 * kind[CHROMATIN], kind[RIM]
        brush[_SHIFT] = 200.0 * unit(word, 14)
        brush[_LARGEST] = radius.max()
        brush[_COUNT] = min(_MOST_NUCLEOLI, int(kind[NUCLEOLI] + unit(word, 50)))
        for n in range(int(brush[_COUNT])):
            spot = brush[_FIRST + 3 * n : _FIRST + 3 * n + 3]
            spot[0] = 0.9 * (unit(word, 51 + 3 * n) - 0.5) * row[HALF_LONG]
            spot[1] = 0.9 * (unit(word, 52 + 3 * n) - 0.5) * row[HALF_SHORT]
            spot[2] = (0.55 + 0.04 * math.sqrt(row[AREA_UM2])) * (0.7 + 0.5 * unit(word, 53 + 3 * n))
    return brushes


@njit(cache=True)
def _draw(
    layers: Layers, left: int, top: int, mpp: float, nuclei: Floats, radii: Floats, brushes: Floats, table: Layers
) -> None:
    """Add nuclei to the layers. Where two meet the stronger counts, so their order doesn't matter."""
    height, width = layers.shape[:2]
    for n in range(len(nuclei)):
        row, brush = nuclei[n], brushes[n]
        reach = brush[_LARGEST] * row[HALF_LONG] + EDGE_UM
        first_x = max(math.floor((row[X] - reach) / mpp), left)
        first_y = max(math.floor((row[Y] - reach) / mpp), top)
        last_x = min(math.ceil((row[X] + reach) / mpp) + 1, left + width)
        last_y = min(math.ceil((row[Y] + reach) / mpp) + 1, top + height)
        for gy in range(first_y, last_y):
            dy = (gy + 0.5) * mpp - row[Y]
            for gx in range(first_x, last_x):
                dx = (gx + 0.5) * mpp - row[X]
                along, aside = row[COS] * dx + row[SIN] * dy, row[COS] * dy - row[SIN] * dx
                depth = _depth(row, radii[n], brush[_LARGEST], along, aside)
                if depth > -EDGE_UM:
                    _tint(layers[gy - top, gx - left], depth, brush, table, along, aside)


@njit(cache=True)
def _depth(row: Floats, radii: Floats, largest: float, along: float, aside: float) -> float:
    """Return how far a place lies within the outline, in um: exact near the outline, where it matters."""
    x, y = along / row[HALF_LONG], aside / row[HALF_SHORT]
    squared = x * x + y * y
    limit = largest + EDGE_UM / row[HALF_SHORT]
    if squared > limit * limit:
        return -9.0
    if squared < 1e-9:
        return float(row[HALF_SHORT])
    x_slope, y_slope = x / row[HALF_LONG], y / row[HALF_SHORT]
    radius = math.sqrt(squared)
    return (_radius_at(radii, x, y) - radius) * radius / math.sqrt(x_slope * x_slope + y_slope * y_slope)


@njit(cache=True)
def _radius_at(radii: Floats, x: float, y: float) -> float:
    """Return the outline's radius in a direction, between the vertices of `nuclei.DIRECTIONS`."""
    share = y / (abs(x) + abs(y))
    turn = (share if y >= 0 else 4 + share) if x >= 0 else 2 - share
    place = turn * (VERTICES / 4)
    k = int(place)
    first, second = k % VERTICES, (k + 1) % VERTICES
    radius: float = radii[first] + (place - k) * (radii[second] - radii[first])
    return radius


@njit(cache=True)
def _nucleolus(brush: Floats, along: float, aside: float) -> float:
    """Return how much a place in the nucleus' frame lies in a nucleolus, 0 to 1."""
    inside = 0.0
    for n in range(int(brush[_COUNT])):
        spot = brush[_FIRST + 3 * n : _FIRST + 3 * n + 3]
        dx, dy = along - spot[0], aside - spot[1]
        squared = dx * dx + dy * dy
        if squared < 1.6 * spot[2] * spot[2]:
            inside = max(inside, 1.0 - ramp(math.sqrt(squared), 0.55 * spot[2], 1.25 * spot[2]))
    return inside


@njit(cache=True)
def _tint(pixel: Layers, depth: float, brush: Floats, table: Layers, along: float, aside: float) -> None:
    """Let a nucleus into a pixel that lies ``depth`` um below its outline."""
    cover = ramp(depth, -EDGE_UM, EDGE_UM)
    shift = brush[_SHIFT]
    clumps = 0.65 * table_noise(table, along * 0.67 + shift, aside * 0.67 + shift)
    clumps += 0.35 * table_noise(table, along * 1.5 - shift, aside * 1.5)
    rim = 1.0 - ramp(depth, 0.3, 1.8)
    density = brush[_DARK] * (1.0 - brush[_PALE] * (1.0 - rim) + brush[_CLUMPS] * (clumps - 0.5) + brush[_RIM] * rim)
    nucleolus = _nucleolus(brush, along, aside)
    pixel[COVER] = max(pixel[COVER], cover)
    pixel[HEMATOXYLIN] = max(pixel[HEMATOXYLIN], cover * (density + 0.30 * nucleolus))
    pixel[EOSIN] = max(pixel[EOSIN], cover * (0.10 + 0.16 * nucleolus))
