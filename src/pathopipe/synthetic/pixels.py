"""The pixels of a scene: stain densities of tissue and nuclei, composed as optical density and turned into RGB."""

import numpy as np
import numpy.typing as npt
from numba import njit

from pathopipe.synthetic.noise import hash_cell, noise_table, ramp, table_noise
from pathopipe.synthetic.scene import Layout, Scene, fiber_wave, terrain, tone
from pathopipe.synthetic.stain import COVER, EOSIN, HEMATOXYLIN, stain_layers

Floats = npt.NDArray[np.float64]
Layers = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

FIELD_UM = 4.0  # what changes slowly is computed this far apart and interpolated
NOISE = 1.7  # standard deviation of the sensor's noise, gray levels
_FRAY_UM = 3.5
_STEPS = 2048  # of the table of transmittances, per unit of optical density
_DARKEST = 3.0
_TRANSMITTANCE = (10.0 ** (-np.arange(int(_DARKEST * _STEPS) + 1) / _STEPS)).astype(np.float32)
_TEN_BITS, _TEN = np.uint64(1023), np.uint64(10)
_TISSUE, _NEST, _WAVE, _TONE = range(4)


def render(scene: Scene, x: int, y: int, width: int, height: int) -> Image:
    """Return the level-0 pixels of a rectangle of the slide as (height, width, 3) uint8 RGB.

    The rectangle may reach beyond the slide: the tissue has no bounds. Needs about 16 bytes of memory per pixel.
    """
    left, top = x + scene.origin_x, y + scene.origin_y
    layout, stain = scene.layout, scene.stain
    table = noise_table(layout.seed)
    step = max(1, round(FIELD_UM / scene.mpp))
    fields = _fields(layout, scene.mpp, step, left, top, width, height)
    layers = stain_layers(scene, table, left, top, width, height)
    colors = np.array([stain.hematoxylin, stain.eosin]) * [[stain.hematoxylin_strength], [stain.eosin_strength]]
    image = np.empty((height, width, 3), np.uint8)
    _compose(layout, table, fields, step, layers, scene.mpp, left, top, colors, np.array(stain.glass), image)
    return image


@njit(cache=True)
def _fields(layout: Layout, mpp: float, step: int, left: int, top: int, width: int, height: int) -> Layers:
    """Return (rows, columns, 4): tissue, nest, wave and tone at the corners of the global grid of ``step`` pixels."""
    column, row = left // step, top // step
    columns, rows = (left + width - 1) // step - column + 2, (top + height - 1) // step - row + 2
    fields = np.empty((rows, columns, 4), np.float32)
    for j in range(rows):
        for i in range(columns):
            x, y = (column + i) * step * mpp, (row + j) * step * mpp
            fields[j, i, _TISSUE], fields[j, i, _NEST] = terrain(layout, x, y)
            fields[j, i, _WAVE] = fiber_wave(layout, x, y)
            fields[j, i, _TONE] = tone(layout, x, y)
    return fields


@njit(cache=True)
def _stroma(table: Layers, x: float, y: float, u: float, v: float) -> tuple[float, float]:
    """Return hematoxylin and eosin of fibers running along u (um): wavy bundles with clefts between them."""
    bundle = table_noise(table, u * 0.021 + 31.7, v * 0.12)
    strand = table_noise(table, u * 0.045, v * 0.37 + 11.3)
    thread = table_noise(table, u * 0.11 + 5.1, v * 1.0)
    grain = table_noise(table, x * 0.55 + 3.3, y * 0.55) - 0.5
    body = ramp(0.50 * bundle + 0.33 * strand + 0.16 * thread + 0.20 * grain, 0.24, 0.74)
    return 0.015 + 0.05 * strand + 0.03 * grain, 0.035 + 0.29 * body + (0.10 * (thread - 0.5) + 0.10 * grain) * body


@njit(cache=True)
def _cytoplasm(table: Layers, x: float, y: float) -> tuple[float, float]:
    """Return hematoxylin and eosin of epithelial cytoplasm: granular, cloudy, with faint cell borders."""
    cloud = table_noise(table, x * 0.075 + 7.7, y * 0.075)
    patch = table_noise(table, x * 0.16 + 0.05 * y, y * 0.16 - 0.05 * x)
    grain = table_noise(table, x * 0.42, y * 0.42 + 3.3)
    dust = table_noise(table, x * 1.1 + 0.4 * y, y * 1.1 - 0.4 * x)
    fine = 0.6 * grain + 0.4 * dust - 0.5
    border = 1.0 - ramp(abs(patch - 0.5 + 0.10 * fine), 0.0, 0.07)
    pale = ramp(patch, 0.62, 0.95)
    hematoxylin = 0.06 + 0.09 * cloud + 0.09 * fine - 0.05 * pale
    return hematoxylin, 0.14 + 0.12 * (1.0 - cloud) + 0.17 * fine + 0.05 * border - 0.10 * pale


@njit(cache=True)
def _ground(
    layout: Layout, table: Layers, x: float, y: float, depth: float, nest: float, wave: float
) -> tuple[float, float]:
    """Return hematoxylin and eosin of the tissue between the nuclei at a place in um."""
    u = x * layout.fiber_cos + y * layout.fiber_sin
    v = y * layout.fiber_cos - x * layout.fiber_sin + wave
    epithelium = ramp(nest, -1.2, 1.2)
    hematoxylin, eosin = 0.0, 0.0
    if epithelium < 1.0:
        hematoxylin, eosin = _stroma(table, x, y, u, v)
        if depth < _FRAY_UM + 1.0:
            depth += 2.0 * _FRAY_UM * (table_noise(table, u * 0.05, v * 0.45) - 0.5) * (1.0 - epithelium)
    if epithelium > 0.0:
        h, e = _cytoplasm(table, x, y)
        hematoxylin += epithelium * (h - hematoxylin)
        eosin += epithelium * (e - eosin)
    share = ramp(depth, -0.9, 0.9)
    return share * hematoxylin, share * eosin


@njit(cache=True)
def _light(colors: Floats, glass: Floats, channel: int, hematoxylin: float, eosin: float) -> float:
    """Return the gray level that the stains let through (Beer and Lambert's law)."""
    density = min(_DARKEST, max(0.0, hematoxylin * colors[0, channel] + eosin * colors[1, channel]))
    light: float = glass[channel] * _TRANSMITTANCE[int(density * _STEPS)]
    return light


@njit(cache=True)
def _expose(light: float, word: np.uint64) -> np.uint8:
    """Return a gray level with the sensor's noise; the sum of two 10-bit numbers has a deviation of 417.6."""
    total = np.int64(word & _TEN_BITS) + np.int64((word >> _TEN) & _TEN_BITS)
    return np.uint8(min(255.0, max(0.0, light + (total - 1023) * (NOISE / 417.6) + 0.5)))


@njit(cache=True)
def _blend_rows(fields: Layers, place: int, top: int, step: int) -> Layers:
    """Return the (columns, 4) fields along a row of pixels."""
    j, weight = place // step - top // step, np.float32((place % step + 0.5) / step)
    line: Layers = fields[j] + weight * (fields[j + 1] - fields[j])
    return line


@njit(cache=True)
def _compose(
    layout: Layout,
    table: Layers,
    fields: Layers,
    step: int,
    layers: Layers,
    mpp: float,
    left: int,
    top: int,
    colors: Floats,
    glass: Floats,
    image: Image,
) -> None:
    for row in range(image.shape[0]):
        line = _blend_rows(fields, top + row, top, step)
        i, phase = 0, left % step
        for column in range(image.shape[1]):
            weight = np.float32((phase + 0.5) / step)
            depth = line[i, _TISSUE] + weight * (line[i + 1, _TISSUE] - line[i, _TISSUE])
            nest = line[i, _NEST] + weight * (line[i + 1, _NEST] - line[i, _NEST])
            wave = line[i, _WAVE] + weight * (line[i + 1, _WAVE] - line[i, _WAVE])
            strength = line[i, _TONE] + weight * (line[i + 1, _TONE] - line[i, _TONE])
            phase += 1
            if phase == step:
                i, phase = i + 1, 0
            hematoxylin, eosin = 0.0, 0.0
            if depth > -_FRAY_UM - 1.0:
                x, y = (left + column + 0.5) * mpp, (top + row + 0.5) * mpp
                hematoxylin, eosin = _ground(layout, table, x, y, depth, nest, wave)
            bare = 1.0 - layers[row, column, COVER]
            hematoxylin = strength * (hematoxylin * bare + layers[row, column, HEMATOXYLIN])
            eosin = strength * (eosin * bare + layers[row, column, EOSIN])
            word = hash_cell(layout.seed, left + column, top + row)
            for c in range(3):
                image[row, column, c] = _expose(_light(colors, glass, c, hematoxylin, eosin), word)
                word >>= _TEN + _TEN
