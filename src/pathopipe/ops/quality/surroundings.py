"""What a bin of a quality map and its surroundings are like: the numbers that a model judges it by."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

HALO: Final = 64
"""Bins around those that are described which count, too."""
COARSE: Final = 4
"""Bins along the side of the squares that wide surroundings are averaged on; sides of windows are multiples."""
NEAR: Final = 2.5
"""Standard deviation of near surroundings, in bins; of wide and widest ones, in squares of 4 x 4 bins."""
WIDE: Final = 3.0
WIDEST: Final = 6.0
_CORE: Final = 7
_WHITE: Final = 246.0

FEATURES: Final = (
    *(f"{color}_{where}" for where in ("bin", "near", "wide", "widest") for color in ("red", "green", "blue")),
    *(f"detail_{size}_{where}" for where in ("near", "wide") for size in ("1um", "2um", "4um")),
    "green_sd_near",
    "green_sd_wide",
    "least_density",
    "least_green",
    "thick_density",
    "edges_wide",
    "stripes_wide",
)
"""Names of the numbers: optical densities, logarithms of detail, spread of the density, least density around, density
of what is as wide as a fold, strength of edges, and how far they run in one direction."""

Floats = NDArray[np.float32]


def describe(bins: Floats) -> Floats:
    """Describe bins by themselves and what surrounds them.

    Parameters
    ----------
    bins
        float32 (H + 128, W + 128, 6) of `ops.quality.bins.measure_bins`, with `HALO` more on each side; H and W are
        multiples of `COARSE`.

    Returns
    -------
    float32 (25, H, W), as `FEATURES` lists.
    """
    density = densities(bins[..., :3])
    whole = np.empty((*bins.shape[:2], 7), np.float32)
    whole[..., :3], whole[..., 3:5], whole[..., 5] = density, bins[..., 3:5], _laplacian(bins[..., 1])
    whole[..., 6] = density[..., 1] ** 2
    size = whole.shape[1] // COARSE, whole.shape[0] // COARSE
    small = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.float32)
    near, wide, widest = (
        _inner(values)
        for values in (
            _blurred(whole, NEAR),
            _enlarged(_blurred(small, WIDE), whole.shape),
            _enlarged(_blurred(small[..., :3], WIDEST), whole.shape),
        )
    )
    total = density.sum(axis=2)
    shapes = np.dstack([_least(total), _least(density[..., 1]), _thick(total), *_edges(small, whole.shape)])
    planes = (*_inner(density), *near[:3], *wide[:3], *widest, *_logs(near), *_logs(wide))
    return np.stack([*planes, _spread(near), _spread(wide), *_inner(shapes)])


def _inner(values: Floats) -> Floats:
    """Leave the halo off, and put channels first."""
    return np.ascontiguousarray(np.moveaxis(values[HALO:-HALO, HALO:-HALO], -1, 0))


def _enlarged(values: Floats, shape: tuple[int, ...]) -> Floats:
    return np.asarray(cv2.resize(values, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def _logs(part: Floats) -> Floats:
    return np.asarray(np.log1p(np.maximum(part[3:6], 0)), np.float32)


def _spread(part: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(part[6] - part[1] ** 2, 0)), np.float32)


def _least(values: Floats) -> Floats:
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_CORE, _CORE))
    return np.asarray(cv2.erode(np.ascontiguousarray(values), around), np.float32)


def _thick(values: Floats) -> Floats:
    """Density that is left of what is narrower than a fold: an opening."""
    smooth = _blurred(np.ascontiguousarray(values), 1.0)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_CORE, _CORE))
    return np.asarray(cv2.morphologyEx(smooth, cv2.MORPH_OPEN, disc), np.float32)


def _edges(small: Floats, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Strength and coherence of the structure tensor (Bigun and Granlund 1987) of wide surroundings."""
    green = np.ascontiguousarray(small[..., 1])
    x, y = (cv2.Sobel(green, cv2.CV_32F, *order, borderType=cv2.BORDER_REFLECT) for order in ((1, 0), (0, 1)))
    tensor = _blurred(np.dstack([x * x, y * y, x * y]).astype(np.float32), WIDE)
    sums = tensor[..., 0] + tensor[..., 1]
    stripes = np.hypot(tensor[..., 0] - tensor[..., 1], 2 * tensor[..., 2]) / (sums + np.float32(1e-4))
    both = _enlarged(np.dstack([np.sqrt(sums), stripes]).astype(np.float32), shape)
    return both[..., 0], both[..., 1]


def densities(rgb: Floats) -> Floats:
    """Optical densities of mean colors, (..., 3) each, against a usual white."""
    return np.asarray(np.log10(np.float32(_WHITE) / np.maximum(rgb, np.float32(1))), np.float32)


def _blurred(values: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def _laplacian(green: Floats) -> Floats:
    """Square of the Laplacian (H, W), between neighboring bins."""
    step = cv2.Laplacian(np.ascontiguousarray(green), cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REFLECT)
    return np.asarray(step * step, np.float32)
