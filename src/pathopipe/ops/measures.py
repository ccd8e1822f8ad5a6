"""All measures of some nuclei that rest on their outlines and pixels, by group."""

import math
from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.chromatin import measure_chromatin
from pathopipe.ops.contour import measure_contours
from pathopipe.ops.moments import measure_moments
from pathopipe.ops.raster import runs_of_rings
from pathopipe.ops.shape import measure_shapes
from pathopipe.ops.stain import Stains
from pathopipe.ops.staining import measure_staining, planes_of
from pathopipe.ops.texture import measure_texture
from pathopipe.ops.workspace import Workspace

MARGIN_UM: Final = 6.0
"""What has to be seen around a nucleus: its surroundings, and what blurs and openings reach."""

Floats = NDArray[np.float64]
Offsets = NDArray[np.int64]
Measures = dict[str, Floats]

_WORKSPACE: Final = Workspace()


def measure_outlines(coords: Floats, offsets: Offsets, mpp: tuple[float, float], groups: Collection[str]) -> Measures:
    """Measure size and, if it is among the groups, shape.

    Parameters
    ----------
    coords, offsets
        Outlines as `raster.rasterize` takes them, in pixels of the grid that they were made on.
    mpp
        Micrometers per pixel of that grid, x and y.

    Returns
    -------
    float64 (n,) per measure.
    """
    # Axis by axis: of an array with a row per point, numpy finds the least of all rows several times as slowly.
    (x0, x1), (y0, y1) = ((math.floor(along.min()) - 1, math.ceil(along.max()) + 1) for along in coords.T)
    runs = runs_of_rings(coords, offsets, (y1 - y0, x1 - x0), (y0, x0))
    found = measure_shapes(runs, *mpp)
    if "shape" in groups:
        found |= measure_contours(coords, offsets, *mpp) | measure_moments(runs, *mpp)
    return found


def measure_pixels(
    rgb: NDArray[np.uint8],
    coords: Floats,
    offsets: Offsets,
    mpp: tuple[float, float],
    stains: Stains,
    groups: Collection[str],
) -> Measures:
    """Measure stain and, if they are among the groups, texture and chromatin.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3) that shows the nuclei with `MARGIN_UM` around them, as far as the slide goes; its first row and
        column are whole multiples of `texture.coarsening` on the grid of the slide.
    coords, offsets
        Outlines as `raster.rasterize` takes them, in pixels of ``rgb``.
    mpp
        Micrometers per pixel of ``rgb``, x and y.

    Returns
    -------
    float64 (n,) per measure; NaN for a nucleus that covers no pixel's center.
    """
    runs = runs_of_rings(coords, offsets, rgb.shape[:2])
    near = (runs, math.ceil(MARGIN_UM / mpp[0]), math.ceil(MARGIN_UM / mpp[1]))
    planes = planes_of(rgb, stains, near, _WORKSPACE)
    found = measure_staining(runs, rgb, planes, *mpp)
    if "texture" in groups:
        found |= measure_texture(runs, planes[0], stains.hematoxylin_max, math.sqrt(mpp[0] * mpp[1]))
    if "chromatin" in groups:
        found |= measure_chromatin(runs, planes, stains.hematoxylin_max, *mpp)
    return found
