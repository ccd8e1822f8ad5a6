"""The pixels of a scene: stain densities of tissue and nuclei, composed as optical density and turned into RGB."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from pathopipe.synthetic.noise import hash_cell, noise_table, ramp, table_noise, unit
from pathopipe.synthetic.nuclei import VERTICES, Nuclei, nuclei_in
from pathopipe.synthetic.placement import (
    AREA_UM2,
    CHROMATIN,
    COS,
    HALF_LONG,
    HALF_SHORT,
    INK,
    INK_SPREAD,
    KIND,
    NUCLEOLI,
    RIM,
    SIN,
    X,
    Y,
    reach_um,
    traits,
)
from pathopipe.synthetic.scene import Layout, Scene, fiber_wave, terrain, tone

Floats = npt.NDArray[np.float64]
Layers = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

FIELD_UM = 4.0  # what changes slowly is computed this far apart and interpolated
EDGE_UM = 0.55  # half width of an outline's blur
NOISE = 1.7  # standard deviation of the sensor's noise, gray levels
_STEPS = 2048  # of the table of transmittances, per unit of optical density
_DARKEST = 3.0
_TRANSMITTANCE = (10.0 ** (-np.arange(int(_DARKEST * _STEPS) + 1) / _STEPS)).astype(np.float32)
_TEN_BITS, _TEN = np.uint64(1023), np.uint64(10)
# Layers of a nucleus: cover, hematoxylin, eosin. Layers of the ground: tissue, nest, wave, tone.
COVER, HEMATOXYLIN, EOSIN = range(3)


def render(scene: Scene, x: int, y: int, width: int, height: int) -> Image:
    """Return the level-0 pixels of a rectangle of the slide as (height, width, 3) uint8 RGB.

    The rectangle may reach beyond the slide: the tissue has no bounds. Needs about 25 bytes of memory per pixel.
    """
    left, top = x + scene.origin_x, y + scene.origin_y
    layout, stain = scene.layout, scene.stain
    table = noise_table(layout.seed)
    step = max(1, round(FIELD_UM / scene.mpp))
    fields = _fields(layout, scene.mpp, step, (left, top, width, height))
    ink = _ink(scene, table, (left, top, width, height))
    colors = np.array([stain.hematoxylin, stain.eosin]) * [[stain.hematoxylin_strength], [stain.eosin_strength]]
    image = np.empty((height, width, 3), np.uint8)
    _compose(layout, table, fields, step, ink, scene.mpp, left, top, colors, np.array(stain.glass), image)
    return image


@njit(cache=True)
def _fields(layout: Layout, mpp: float, step: int, box: tuple[int, int, int, int]) -> Layers:
    """Return (4, rows, columns): tissue, nest, wave and tone at the corners of the global grid of ``step`` pixels."""
    left, top, width, height = box
    column, row = left // step, top // step
    columns, rows = (left + width - 1) // step - column + 2, (top + height - 1) // step - row + 2
    fields = np.empty((4, rows, columns), np.float32)
    for j in range(rows):
        for i in range(columns):
            x, y = (column + i) * step * mpp, (row + j) * step * mpp
            fields[0, j, i], fields[1, j, i] = terrain(layout, x, y)
            fields[2, j, i] = fiber_wave(layout, x, y)
            fields[3, j, i] = tone(layout, x, y)
    return fields


def _ink(scene: Scene, table: Layers, box: tuple[int, int, int, int]) -> Layers:
    """Return the (3, height, width) layers of the nuclei: cover, hematoxylin and eosin."""
    left, top, width, height = box
    reach = reach_um(scene.pleomorphism) + 1.0
    nuclei: Nuclei = nuclei_in(
        scene,
        left * scene.mpp - reach,
        top * scene.mpp - reach,
        (left + width) * scene.mpp + reach,
        (top + height) * scene.mpp + reach,
    )
    ink = np.zeros((3, height, width), np.float32)
    kinds = traits(scene.pleomorphism)
    for row, word, radii in zip(nuclei.table, nuclei.words, nuclei.radii, strict=True):
        _stamp(ink, left, top, scene.mpp, row, word, radii, kinds[int(row[KIND])], table)
    return ink


@njit(cache=True)
def _radius_at(radii: Floats, x: float, y: float) -> float:
    """Return the outline's radius in a direction, between the vertices of `nuclei.DIRECTIONS`."""
    share = y / (abs(x) + abs(y) + 1e-12)
    turn = (share if y >= 0 else 4 + share) if x >= 0 else 2 - share
    place = turn * (VERTICES / 4)
    k = int(place)
    weight = place - k
    radius: float = (1 - weight) * radii[k % VERTICES] + weight * radii[(k + 1) % VERTICES]
    return radius


@njit(cache=True)
def _nucleoli(word: np.uint64, count: float, long: float, short: float, radius: float, place: Floats) -> float:
    """Return how much a place (x, y in the nucleus' frame, in um) lies in a nucleolus, 0 to 1."""
    inside = 0.0
    for n in range(int(count + unit(word, 50))):
        dx = place[0] - 0.9 * (unit(word, 51 + 3 * n) - 0.5) * long
        dy = place[1] - 0.9 * (unit(word, 52 + 3 * n) - 0.5) * short
        size = radius * (0.7 + 0.5 * unit(word, 53 + 3 * n))
        inside = max(inside, 1.0 - ramp(math.sqrt(dx * dx + dy * dy), 0.55 * size, 1.25 * size))
    return inside


@njit(cache=True)
def _stamp(
    ink: Layers,
    left: int,
    top: int,
    mpp: float,
    row: Floats,
    word: np.uint64,
    radii: Floats,
    kind: Floats,
    table: Layers,
) -> None:
    """Add a nucleus to the layers. Where two meet the stronger counts, so their order doesn't matter."""
    reach = radii.max() * row[HALF_LONG] + EDGE_UM
    first_x, last_x = math.floor((row[X] - reach) / mpp), math.ceil((row[X] + reach) / mpp)
    first_y, last_y = math.floor((row[Y] - reach) / mpp), math.ceil((row[Y] + reach) / mpp)
    dark = kind[INK] * max(0.45, 1.0 + kind[INK_SPREAD] * 2.4 * (unit(word, 12) - 0.5))
    # Half of the large nuclei are vesicular: clumped chromatin and a rim around a pale interior.
    pale = 0.45 * unit(word, 13) if kind[NUCLEOLI] > 0 else 0.15
    spot = 0.55 + 0.04 * math.sqrt(row[AREA_UM2])
    place = np.empty(2)
    for gy in range(max(first_y, top), min(last_y + 1, top + ink.shape[1])):
        for gx in range(max(first_x, left), min(last_x + 1, left + ink.shape[2])):
            dx, dy = (gx + 0.5) * mpp - row[X], (gy + 0.5) * mpp - row[Y]
            place[0], place[1] = row[COS] * dx + row[SIN] * dy, row[COS] * dy - row[SIN] * dx
            px, py = place[0] / row[HALF_LONG], place[1] / row[HALF_SHORT]
            rho = math.sqrt(px * px + py * py) + 1e-9
            slope = math.sqrt((px / row[HALF_LONG]) ** 2 + (py / row[HALF_SHORT]) ** 2) / rho
            if rho < 1e-6:
                slope = 1.0 / row[HALF_SHORT]
            depth = (_radius_at(radii, px, py) - rho) / slope
            if depth <= -EDGE_UM:
                continue
            cover = ramp(depth, -EDGE_UM, EDGE_UM)
            _tint(ink[:, gy - top, gx - left], cover, depth, dark, pale, spot, word, row, kind, table, place)


@njit(cache=True)
def _tint(
    pixel: Layers,
    cover: float,
    depth: float,
    dark: float,
    pale: float,
    spot: float,
    word: np.uint64,
    row: Floats,
    kind: Floats,
    table: Layers,
    place: Floats,
) -> None:
    """Let a nucleus of a given cover (0 to 1) at a depth (um) below its outline into a pixel."""
    shift = 200.0 * unit(word, 14)
    clumps = 0.65 * table_noise(table, place[0] / 1.5 + shift, place[1] / 1.5 + shift)
    clumps += 0.35 * table_noise(table, place[0] / 0.65 - shift, place[1] / 0.65)
    rim = 1.0 - ramp(depth, 0.5, 1.7)
    density = dark * (1.0 - pale * (1.0 - rim) + kind[CHROMATIN] * 1.6 * (clumps - 0.5) + kind[RIM] * rim)
    eosin = 0.10
    if kind[NUCLEOLI] > 0:
        nucleolus = _nucleoli(word, kind[NUCLEOLI], row[HALF_LONG], row[HALF_SHORT], spot, place)
        density += 0.30 * nucleolus
        eosin += 0.16 * nucleolus
    pixel[COVER] = max(pixel[COVER], cover)
    pixel[HEMATOXYLIN] = max(pixel[HEMATOXYLIN], cover * density)
    pixel[EOSIN] = max(pixel[EOSIN], cover * eosin)


@njit(cache=True)
def _stroma(table: Layers, u: float, v: float) -> tuple[float, float]:
    """Return hematoxylin and eosin of fibers running along u (um): wavy bundles, thin clefts between them."""
    bundle = table_noise(table, u / 60.0 + 31.7, v / 9.0)
    strand = table_noise(table, u / 26.0, v / 3.1 + 11.3)
    thread = table_noise(table, u / 11.0 + 5.1, v / 1.15)
    body = ramp(0.55 * bundle + 0.33 * strand + 0.22 * thread, 0.26, 0.72)
    return 0.02 + 0.045 * strand, 0.07 + 0.36 * body + 0.10 * (thread - 0.5) * body


@njit(cache=True)
def _cytoplasm(table: Layers, x: float, y: float) -> tuple[float, float]:
    """Return hematoxylin and eosin of epithelial cytoplasm: finely granular, cloudy, between pink and lilac."""
    cloud = table_noise(table, x / 13.0 + 7.7, y / 13.0)
    grain = table_noise(table, x / 2.7, y / 2.7 + 3.3)
    dust = table_noise(table, x / 0.9 + 0.4 * y, y / 0.9 - 0.4 * x)
    fine = 0.6 * grain + 0.4 * dust - 0.5
    return 0.085 + 0.07 * cloud + 0.06 * fine, 0.17 + 0.11 * (1.0 - cloud) + 0.15 * fine


@njit(cache=True)
def _ground(layout: Layout, table: Layers, x: float, y: float, field: Layers) -> tuple[float, float]:
    """Return hematoxylin and eosin of the tissue between the nuclei at a place in um."""
    tissue, nest, wave = field[0], field[1], field[2]
    u = x * layout.fiber_cos + y * layout.fiber_sin
    v = y * layout.fiber_cos - x * layout.fiber_sin + wave
    epithelium = ramp(nest, -1.2, 1.2)
    hematoxylin, eosin = 0.0, 0.0
    fray = 0.0
    if epithelium < 1.0:
        hematoxylin, eosin = _stroma(table, u, v)
        fray = 7.0 * (table_noise(table, u / 20.0, v / 2.2) - 0.5) * (1.0 - epithelium)
    if epithelium > 0.0:
        h, e = _cytoplasm(table, x, y)
        hematoxylin += epithelium * (h - hematoxylin)
        eosin += epithelium * (e - eosin)
    share = ramp(tissue + fray, -0.9, 0.9) * field[3]
    return share * hematoxylin, share * eosin


@njit(cache=True)
def _sensor_noise(seed: np.uint64, gx: int, gy: int, out: Floats) -> None:
    """Fill in three numbers of mean 0 and the sensor's spread; sums of two 10-bit numbers have a spread of 417.6."""
    word = hash_cell(seed, gx, gy)
    for channel in range(3):
        total = float(word & _TEN_BITS)
        word >>= _TEN
        total += float(word & _TEN_BITS)
        word >>= _TEN
        out[channel] = (total - 1023.0) * (NOISE / 417.6)


@njit(cache=True)
def _interpolate(fields: Layers, j: int, i: int, fy: float, fx: float, out: Layers) -> None:
    for k in range(fields.shape[0]):
        above = fields[k, j, i] + fx * (fields[k, j, i + 1] - fields[k, j, i])
        below = fields[k, j + 1, i] + fx * (fields[k, j + 1, i + 1] - fields[k, j + 1, i])
        out[k] = above + fy * (below - above)


@njit(cache=True)
def _compose(
    layout: Layout,
    table: Layers,
    fields: Layers,
    step: int,
    ink: Layers,
    mpp: float,
    left: int,
    top: int,
    colors: Floats,
    glass: Floats,
    image: Image,
) -> None:
    field, noise = np.empty(4, np.float32), np.empty(3)
    for row in range(image.shape[0]):
        j = (top + row) // step - top // step
        fy = ((top + row) % step + 0.5) / step
        for column in range(image.shape[1]):
            gx, gy = left + column, top + row
            i = gx // step - left // step
            _interpolate(fields, j, i, fy, (gx % step + 0.5) / step, field)
            hematoxylin, eosin = 0.0, 0.0
            if field[0] > -6.0:
                hematoxylin, eosin = _ground(layout, table, (gx + 0.5) * mpp, (gy + 0.5) * mpp, field)
            cover = ink[COVER, row, column]
            if cover > 0.0:
                hematoxylin = hematoxylin * (1.0 - cover) + ink[HEMATOXYLIN, row, column] * field[3]
                eosin = eosin * (1.0 - cover) + ink[EOSIN, row, column] * field[3]
            _sensor_noise(layout.seed, gx, gy, noise)
            for c in range(3):
                density = min(_DARKEST, max(0.0, hematoxylin * colors[0, c] + eosin * colors[1, c]))
                value = glass[c] * _TRANSMITTANCE[int(density * _STEPS)] + noise[c] + 0.5
                image[row, column, c] = np.uint8(min(255.0, max(0.0, value)))
