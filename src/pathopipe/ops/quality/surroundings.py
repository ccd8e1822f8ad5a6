"""What a bin of a quality map and its surroundings are like: the numbers that a model judges it by."""

from collections.abc import Iterable
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
_REACH: Final = 16
"""Bins beyond which nothing counts that is near: more than four standard deviations, and than openings reach."""
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
    whole = _measures(bins)
    size = whole.shape[2] // COARSE, whole.shape[1] // COARSE
    small = [np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32) for plane in whole]
    # What is near reaches less far than what is wide: the rest of the halo need not be looked at bin by bin.
    rest = HALO - _REACH
    close = np.ascontiguousarray(whole[:, rest:-rest, rest:-rest])
    total = close[0] + close[1] + close[2]
    near = _inner(_blurred(plane, NEAR) for plane in close)
    wide = _enlarged(_blurred(plane, WIDE) for plane in small)
    widest = _enlarged(_blurred(plane, WIDEST) for plane in small[:3])
    shapes = _inner((*close[:3], _least(total), _least(close[1]), _thick(total)))
    spreads = _spread(near), _spread(wide)
    parts = shapes[:3], near[:3], wide[:3], widest, _logs(near), _logs(wide), *spreads, shapes[3:]
    return np.concatenate([*parts, _enlarged(_edges(small[1]))])


def _measures(bins: Floats) -> Floats:
    """Return densities, detail of three sizes, and the square of green's density, (7, H, W)."""
    out = np.empty((7, *bins.shape[:2]), np.float32)
    colors = np.array(cv2.split(bins), np.float32)
    out[:3], out[3:5], out[5] = densities(colors[:3]), colors[3:5], _laplacian(colors[1])
    np.square(out[1], out=out[6])
    return out


def _inner(planes: Iterable[Floats], halo: int = _REACH) -> Floats:
    """Leave the halo off."""
    return np.stack([plane[halo:-halo, halo:-halo] for plane in planes])


def _enlarged(planes: Iterable[Floats]) -> Floats:
    """Return the bins within the halo by what was measured on squares of 4 x 4 of them."""
    rest = HALO // COARSE - 1
    return _inner((_four_times(plane[rest:-rest, rest:-rest]) for plane in planes), COARSE)


def _four_times(plane: Floats) -> Floats:
    size = plane.shape[1] * COARSE, plane.shape[0] * COARSE
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _logs(part: Floats) -> Floats:
    logs = np.maximum(part[3:6], 0)
    return np.asarray(np.log1p(logs, out=logs), np.float32)


def _spread(part: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(part[6:7] - part[1:2] ** 2, 0)), np.float32)


def _least(values: Floats) -> Floats:
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_CORE, _CORE))
    return np.asarray(cv2.erode(values, around), np.float32)


def _thick(values: Floats) -> Floats:
    """Density that is left of what is narrower than a fold: an opening."""
    smooth = _blurred(values, 1.0)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_CORE, _CORE))
    return np.asarray(cv2.morphologyEx(smooth, cv2.MORPH_OPEN, disc), np.float32)


def _edges(green: Floats) -> tuple[Floats, Floats]:
    """Strength and coherence of the structure tensor (Bigun and Granlund 1987) of wide surroundings."""
    x, y = (cv2.Sobel(green, cv2.CV_32F, *order, borderType=cv2.BORDER_REFLECT) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (_blurred(product, WIDE) for product in (x * x, y * y, x * y))
    sums = xx + yy
    return np.sqrt(sums), np.hypot(xx - yy, 2 * xy) / (sums + np.float32(1e-4))


def densities(rgb: Floats) -> Floats:
    """Optical densities of mean colors, against a usual white."""
    return np.asarray(np.log10(np.float32(_WHITE) / np.maximum(rgb, np.float32(1))), np.float32)


def _blurred(values: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def _laplacian(green: Floats) -> Floats:
    """Square of the Laplacian (H, W), between neighboring bins."""
    step = cv2.Laplacian(green, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REFLECT)
    return np.asarray(step * step, np.float32)
