"""Optical density and the two stains of H&E, pixel by pixel.

Every function here is elementwise or works on a fixed sample, so a pixel's density never depends on the tile it was
read in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]
Source = Literal["macenko", "default"]

# Unit optical density vectors (R, G, B) of Ruifrok & Johnston 2001.
DEFAULT_HEMATOXYLIN: Vector = (0.6500286, 0.7040288, 0.2860126)
DEFAULT_EOSIN: Vector = (0.0706535, 0.9911043, 0.1126553)

# What counts as stained tissue, in units of optical density (Macenko 2009 uses 0.15).
STAINED_OD = 0.15
# Below this many stained pixels a percentile of their angles is noise.
MIN_STAINED = 500
ANGLE_PERCENTILE = 1.0
DENSITY_PERCENTILE = 99.0
# Two stains closer than this span no plane worth unmixing.
MIN_STAIN_ANGLE = np.deg2rad(10.0)
# A hematoxylin further than this from the textbook's is something else: ink, another counterstain, a color cast.
MAX_HEMATOXYLIN_ANGLE = np.deg2rad(32.0)
# Where the strongest hematoxylin is fainter than this part of the strongest eosin, one stain was split in two: nuclei
# are the darkest thing in a section, except in a smear of blood.
MIN_DENSITY_RATIO = 0.5
# Where a sample has no stained pixel, densities are relative to a well stained nucleus.
DEFAULT_MAX = 1.0

# log10, and 1 for 0: a black pixel has a finite density.
_OD = (np.log10(255.0) - np.log10(np.maximum(np.arange(256), 1))).astype(np.float32)
_OD.setflags(write=False)


@dataclass(frozen=True)
class Stains:
    """The colors of hematoxylin and eosin on one slide.

    Attributes
    ----------
    hematoxylin, eosin
        Unit vectors of optical density (R, G, B).
    hematoxylin_max, eosin_max
        99th percentile of each stain's density over stained pixels, in optical density.
    source
        ``macenko`` where the slide's own pixels decided, ``default`` where they could not.
    """

    hematoxylin: Vector = DEFAULT_HEMATOXYLIN
    eosin: Vector = DEFAULT_EOSIN
    hematoxylin_max: float = DEFAULT_MAX
    eosin_max: float = DEFAULT_MAX
    source: Source = "default"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings, as the manifest keeps them."""
        return {
            "hematoxylin": list(self.hematoxylin),
            "eosin": list(self.eosin),
            "hematoxylin_max": self.hematoxylin_max,
            "eosin_max": self.eosin_max,
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Stains":
        """Read what `to_dict` wrote."""
        return cls(
            _vector(data["hematoxylin"]),
            _vector(data["eosin"]),
            float(data["hematoxylin_max"]),
            float(data["eosin_max"]),
            "macenko" if data["source"] == "macenko" else "default",
        )


def optical_density(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the optical density (log10, 0 for white) of uint8 values of any shape."""
    density: NDArray[np.float32] = _OD[rgb]
    return density


def estimate_stains(pixels: NDArray[np.uint8]) -> Stains:
    """Estimate both stain vectors from sampled pixels, after Macenko et al. 2009.

    Parameters
    ----------
    pixels
        uint8 (N, 3), RGB. White, gray, black and pen-colored pixels are ignored.

    Returns
    -------
    Stains
        With the vectors of Ruifrok & Johnston 2001 where fewer than 500 pixels are stained, or where their colors do
        not spread over two stains, one of which resembles hematoxylin.
    """
    density = optical_density(np.asarray(pixels).reshape(-1, 3)).astype(np.float64)
    density = density[_stained(density)]
    if len(density) < MIN_STAINED:
        return Stains()
    vectors = _macenko(density)
    if vectors is not None:
        found = _scaled(density, *vectors, "macenko")
        if found.hematoxylin_max >= MIN_DENSITY_RATIO * found.eosin_max:
            return found
    return _scaled(density, DEFAULT_HEMATOXYLIN, DEFAULT_EOSIN, "default")


def densities(rgb: NDArray[np.uint8], stains: Stains) -> NDArray[np.float32]:
    """Return the hematoxylin and eosin density of every pixel.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3).
    stains
        The slide's stains.

    Returns
    -------
    float32 (2, H, W)
        Amounts along the unit vectors, in optical density, not negative. A pixel's values depend on that pixel alone,
        to the last bit: three table look-ups and two additions, no matrix product.
    """
    out = np.empty((2, *rgb.shape[:2]), np.float32)
    for plane, table in zip(out, density_tables(stains), strict=True):
        parts = cv2.LUT(np.ascontiguousarray(rgb), table[:, None, :])
        np.add(parts[..., 0], parts[..., 1], out=plane)
        np.add(plane, parts[..., 2], out=plane)
        np.maximum(plane, 0.0, out=plane)
    return out


def density_tables(stains: Stains) -> NDArray[np.float32]:
    """Parts of a stain's density by the values of the three colors: float32 (2, 256, 3), whose sum is the density."""
    weights = _unmixing(stains.hematoxylin, stains.eosin)
    return np.stack([(_OD[:, None].astype(np.float64) * row).astype(np.float32) for row in weights])


def _stained(density: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask (N,) of pixels with a color that H&E can have: green absorbed most or nearly so, and not only with blue."""
    red, green, blue = density.T
    low, high = density.min(axis=1), density.max(axis=1)
    tissue = (red + green + blue > 3 * STAINED_OD) & (low < 0.85 * high)
    not_ink = green > 0.75 * high
    not_red_ink = (blue < 0.75 * green) | (red > 0.25 * green)
    return np.asarray(tissue & not_ink & not_red_ink)


def _macenko(density: NDArray[np.float64]) -> tuple[Vector, Vector] | None:
    """Hematoxylin and eosin: the extreme directions of the plane that holds most of the optical density (N, 3)."""
    _, axes = np.linalg.eigh(density.T @ density)
    first, second = axes[:, 2] * np.sign(axes[:, 2].sum()), axes[:, 1]
    angles = np.arctan2(density @ second, density @ first)
    ends = np.percentile(angles, [ANGLE_PERCENTILE, 100.0 - ANGLE_PERCENTILE])
    if ends[1] - ends[0] < MIN_STAIN_ANGLE:
        return None
    pair = [_unit(np.maximum(np.cos(angle) * first + np.sin(angle) * second, 0.0)) for angle in ends]
    # Eosin lets red light through, hematoxylin absorbs it.
    eosin, hematoxylin = sorted(pair, key=lambda vector: vector[0])
    if float(np.dot(hematoxylin, DEFAULT_HEMATOXYLIN)) < np.cos(MAX_HEMATOXYLIN_ANGLE):
        return None
    return hematoxylin, eosin


def _scaled(density: NDArray[np.float64], hematoxylin: Vector, eosin: Vector, source: Source) -> Stains:
    """Stains of these colors, with the densities that they reach in optical densities (N, 3)."""
    amounts = np.maximum(_weighted(density, _unmixing(hematoxylin, eosin)), 0.0)
    top_h, top_e = (_rounded(max(float(top), STAINED_OD)) for top in np.percentile(amounts, DENSITY_PERCENTILE, axis=1))
    return Stains(hematoxylin, eosin, top_h, top_e, source)


def _unmixing(hematoxylin: Vector, eosin: Vector) -> NDArray[np.float64]:
    """Rows (2, 3) that take an optical density to the amounts of both stains: the pseudo-inverse, written out."""
    h, e = np.asarray(hematoxylin), np.asarray(eosin)
    hh, he, ee = (float((a * b).sum()) for a, b in ((h, h), (h, e), (e, e)))
    determinant = hh * ee - he * he
    return np.stack([(ee * h - he * e) / determinant, (hh * e - he * h) / determinant])


def _weighted(density: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amounts (2, N) of both stains in optical densities (N, 3)."""
    return np.stack([density[:, 0] * row[0] + density[:, 1] * row[1] + density[:, 2] * row[2] for row in weights])


def _unit(vector: NDArray[np.float64]) -> Vector:
    return _vector(vector / np.sqrt((vector * vector).sum()))


def _vector(values: Any) -> Vector:
    red, green, blue = (_rounded(float(value)) for value in values)
    return red, green, blue


def _rounded(value: float) -> float:
    """Seven digits: more than a stain is known to, and the last bits of a matrix product stay out of every file."""
    return round(value, 7)
