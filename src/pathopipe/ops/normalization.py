"""Bringing the stain of a slide to that of a reference, pixel by pixel (Macenko et al. 2009)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.stain import Stains, density_tables

TARGET: Final = Stains((0.5867, 0.731, 0.3485), (0.2623, 0.8045, 0.533), 0.82, 0.5, "macenko")
"""Medians of the stains of the 89 fields of BRCA-M2C, on whose slides the shipped grader rests."""
MOST_AMPLIFIED: Final = 3.0
"""Factor by which a stain may be strengthened: noise and rounding are, too."""
_STEPS: Final = 4096
_DARKEST_OD: Final = 2.5
# Light at an optical density in steps of 1 / 4096: looked up, so that a pixel is the same in any window.
_LIGHT: Final = np.rint(255 * 10 ** (-np.arange(int(_STEPS * _DARKEST_OD) + 1) / _STEPS)).astype(np.uint8)
_LIGHT.setflags(write=False)


def amplification_of(stains: Stains, target: Stains = TARGET) -> float:
    """By which factor the fainter stain would be strengthened; below 1 where both are stronger than the target's."""
    return max(target.hematoxylin_max / stains.hematoxylin_max, target.eosin_max / stains.eosin_max)


def normalized(rgb: NDArray[np.uint8], stains: Stains, target: Stains = TARGET) -> NDArray[np.uint8]:
    """Give an image the stain vectors and strengths of a target.

    The densities of both stains are scaled by the ratio of 99th percentiles, and mixed with the target's vectors. What
    is neither stain is lost, as in the paper.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3).
    stains
        Of the slide that it is part of.

    Returns
    -------
    uint8 (H, W, 3); a pixel depends on that pixel and the slide's stains alone.
    """
    scale = np.array([target.hematoxylin_max / stains.hematoxylin_max, target.eosin_max / stains.eosin_max])
    mix = (np.array([target.hematoxylin, target.eosin]) * scale[:, None] * _STEPS).astype(np.float32)
    out = np.empty_like(rgb, order="C")
    _normalize(np.ascontiguousarray(rgb), density_tables(stains), mix, _LIGHT, out)
    return out


@kernel
def _normalize(
    rgb: NDArray[np.uint8],
    tables: NDArray[np.float32],
    mix: NDArray[np.float32],
    light: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None:
    height, width = rgb.shape[:2]
    last = len(light) - 1
    for row in range(height):
        for column in range(width):
            red, green, blue = rgb[row, column]
            hematoxylin = max(tables[0, red, 0] + tables[0, green, 1] + tables[0, blue, 2], np.float32(0))
            eosin = max(tables[1, red, 0] + tables[1, green, 1] + tables[1, blue, 2], np.float32(0))
            for color in range(3):
                step = int(hematoxylin * mix[0, color] + eosin * mix[1, color] + np.float32(0.5))
                out[row, column, color] = light[min(step, last)]
