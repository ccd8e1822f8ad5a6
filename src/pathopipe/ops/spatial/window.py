"""The observation window: where nuclei could have been seen, as a mask of pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import fft

from pathopipe.ops.raster import rasterize
from pathopipe.ops.shape import crofton_weights

PIXEL_UM: Final = 4.0
LARGEST_SIDE: Final = 4096
COVARIANCE_UM: Final = 200

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_DIRECTIONS: Final = 64
_ROWS_AT_ONCE: Final = 512


@dataclass(frozen=True)
class Window:
    """Pixels that are observed.

    Attributes
    ----------
    mask
        bool (H, W).
    x0_um, y0_um
        Left and upper border of the first pixel.
    pixel_um
        Side of a pixel.
    """

    mask: Mask
    x0_um: float
    y0_um: float
    pixel_um: float

    @property
    def area_mm2(self) -> float:
        """Area of the pixels."""
        return int(np.count_nonzero(self.mask)) * self.pixel_um**2 / 1e6

    @property
    def perimeter_um(self) -> float:
        """Length of the border, by Crofton's formula in four directions (5% low for a square, right on average)."""
        padded = np.pad(self.mask, 1)
        pairs = (
            (padded[:, 1:], padded[:, :-1]),
            (padded[1:], padded[:-1]),
            (padded[1:, 1:], padded[:-1, :-1]),
            (padded[1:, :-1], padded[:-1, 1:]),
        )
        crossings = [int(np.count_nonzero(a != b)) for a, b in pairs]
        return sum(n * float(w) for n, w in zip(crossings, crofton_weights(self.pixel_um, self.pixel_um), strict=True))

    def border_distances(self) -> NDArray[np.float32]:
        """Distances (H, W) in um from the center of each pixel to the border; 0 outside. They are computed once.

        Exact Euclidean distances to the centers of pixels outside (Felzenszwalb and Huttenlocher 2012), less half a
        pixel; what lies beyond the mask is outside.
        """
        return self._border

    def covariance(self, reach_um: int) -> Floats:
        """What `set_covariance` returns for this window, computed once for each reach."""
        if reach_um not in self._covariances:
            self._covariances[reach_um] = set_covariance(self, reach_um)
        return self._covariances[reach_um]

    @cached_property
    def _covariances(self) -> dict[int, Floats]:
        return {}

    @cached_property
    def _border(self) -> NDArray[np.float32]:
        padded = np.pad(self.mask.view(np.uint8), 1)
        pixels = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        distances: NDArray[np.float32] = np.maximum(np.asarray(pixels, np.float32) - np.float32(0.5), np.float32(0))
        return distances * np.float32(self.pixel_um)

    def sample(self, image: NDArray[np.float32], points_um: Floats) -> Floats:
        """Values (N,) of an image (H, W) at the pixels that points (N, 2) lie in; 0 beyond the image."""
        column = np.floor((points_um[:, 0] - self.x0_um) / self.pixel_um).astype(np.int64)
        row = np.floor((points_um[:, 1] - self.y0_um) / self.pixel_um).astype(np.int64)
        height, width = image.shape
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        values = np.zeros(len(points_um))
        values[inside] = image[row[inside], column[inside]]
        return values


def window_of(
    polygons: Sequence[shapely.Polygon], pixel_um: float = PIXEL_UM, largest_side: int = LARGEST_SIDE
) -> Window:
    """Rasterize polygons in um: a pixel is observed if its center lies in one of them, and in none of its holes.

    Pixels are larger than ``pixel_um`` where the longer side would have more than ``largest_side`` of them.
    """
    polygons = [polygon for polygon in polygons if not polygon.is_empty]
    if not polygons:
        return Window(np.zeros((1, 1), np.bool_), 0.0, 0.0, pixel_um)
    left, top, right, bottom = (float(bound) for bound in shapely.total_bounds(polygons))
    pixel_um = max(pixel_um, max(right - left, bottom - top) / largest_side)
    shape = (max(1, math.ceil((bottom - top) / pixel_um)), max(1, math.ceil((right - left) / pixel_um)))
    rings = [(_path(polygon) - (left, top)) / pixel_um for polygon in polygons]
    offsets = np.cumsum([0, *(len(ring) for ring in rings)])
    return Window(rasterize(np.concatenate(rings), offsets, shape) > 0, left, top, pixel_um)


def set_covariance(window: Window, reach_um: int = COVARIANCE_UM) -> Floats:
    """Isotropized set covariance (reach_um + 1,) in um2 at 0, 1, 2 ... um (Ohser and Stoyan 1981).

    At distance r it is the area that the window and itself shifted by r have in common, as the mean over 64 directions.
    The areas are counted in pixels (exact, by FFT) and interpolated between shifts by whole pixels.
    """
    most = math.ceil(reach_um / window.pixel_um) + 1
    common = _common_pixels(window.mask, most)
    angles = (np.arange(_DIRECTIONS) + 0.5) * math.pi / _DIRECTIONS
    steps = np.arange(reach_um + 1)[:, None] / window.pixel_um
    x, y = steps * np.cos(angles), steps * np.sin(angles)
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = x - column, y - row
    row, column = row + most, column + most
    upper = common[row, column] * (1.0 - fx) + common[row, column + 1] * fx
    lower = common[row + 1, column] * (1.0 - fx) + common[row + 1, column + 1] * fx
    means: Floats = (upper * (1.0 - fy) + lower * fy).mean(axis=1)
    return means * window.pixel_um**2


def _common_pixels(mask: Mask, most: int) -> Floats:
    """Pixels in common after shifts by up to ``most`` rows and columns each way; (2 most + 1, 2 most + 1)."""
    padded = np.pad(mask, most)
    total = np.zeros((2 * most + 1, 2 * most + 1))
    for top in range(0, len(mask), _ROWS_AT_ONCE):
        rows = mask[top : top + _ROWS_AT_ONCE]
        around = padded[top : top + len(rows) + 2 * most]
        shape = [fft.next_fast_len(side, real=True) for side in around.shape]
        product = np.conj(fft.rfft2(rows.astype(np.float64), shape)) * fft.rfft2(around.astype(np.float64), shape)
        total += np.rint(fft.irfft2(product, shape)[: len(total), : len(total)])
    return total


def _path(polygon: shapely.Polygon) -> Floats:
    """One closed path (M, 2) along the exterior and all holes; it runs along each bridge to a hole twice."""
    exterior = shapely.get_coordinates(polygon.exterior)
    parts = [exterior]
    for hole in polygon.interiors:
        parts += [shapely.get_coordinates(hole), exterior[:1]]
    return np.concatenate(parts)
