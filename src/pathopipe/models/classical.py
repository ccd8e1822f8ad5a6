"""The nucleus model that needs no weights: nuclear density, a local threshold, and the blobs of the distance map.

Every step looks a stated number of pixels far, and every sum shared between pixels is one of whole numbers, so a
pixel's result is the same to the last bit in whatever tile it is computed.
"""

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.models.base import Prediction
from pathopipe.models.blobs import TOP_SIDE, prominent
from pathopipe.ops.stain import Stains, densities, optical_density

NAME = "classical"
# Nuclear density is counted in steps of 1/160 of that of the slide's darkest nuclei.
STEPS = 160.0

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Constants:
    """The constants of the model, for 0.5 um per pixel; lengths in pixels.

    Chosen on the TNBC set (Naylor et al. 2018) and the color images of the 2018 Data Science Bowl (BBBC038), and on
    no other.

    Attributes
    ----------
    red
        Weight of the red channel's optical density beside the hematoxylin density.
    smoothing
        Sigma of the Gaussian that smooths the nuclear density.
    window, rounds
        Half the side of the window in which both classes of the local threshold are measured, and how often.
    prior
        Weight, in windows, of the classes that are expected on any slide.
    nucleus, background
        Their nuclear densities, relative to that of the slide's darkest nuclei.
    level
        Where the threshold lies, from the background's density (0) to that of the nuclei (1).
    softness
        Distance from the threshold, on the same scale, at which the probability reaches 0 or 1.
    hole_side, hole_area
        Holes up to this size are texture of the chromatin and are filled.
    depth, depth_smoothing
        Distances from the edge are cut off here, and smoothed by a Gaussian of this sigma.
    darkness, darkness_smoothing
        How much the landscape rises with density, and the sigma of the Gaussian that smooths the density for it.
    thinnest
        Least distance from the edge at a seed.
    reach, valley
        Two tops of the landscape closer than ``reach`` are one nucleus, unless the landscape between them falls below
        ``valley`` times the lower one.
    barrier_height
        Where the landscape is higher there is no barrier.
    """

    red: float = 0.5
    smoothing: float = 0.5
    window: int = 11
    rounds: int = 2
    prior: float = 0.042
    nucleus: float = 0.5735
    background: float = 0.3854
    level: float = 0.4
    softness: float = 0.27
    hole_side: int = 7
    hole_area: int = 40
    depth: int = 10
    depth_smoothing: float = 1.0
    darkness: float = 1.0
    darkness_smoothing: float = 2.0
    thinnest: float = 1.0
    reach: int = 16
    valley: float = 0.9
    barrier_height: float = 12.0


CONSTANTS = Constants()


def _cut(sigma: float) -> int:
    """Half the side of a Gaussian's kernel: it is cut off at three sigma."""
    return ceil(3 * sigma)


def _radius(c: Constants) -> int:
    """How far the model looks: what its steps look, one after the other."""
    threshold = _cut(c.smoothing) + c.rounds * c.window
    mask = threshold + c.hole_side + 1
    landscape = max(mask + c.depth + 1 + _cut(c.depth_smoothing), threshold + _cut(c.darkness_smoothing))
    return landscape + c.reach + TOP_SIDE // 2


RADIUS = _radius(CONSTANTS)


@dataclass(frozen=True)
class ClassicalModel:
    """Finds nuclei as dark, compact blobs of the slide's hematoxylin."""

    stains: Stains
    name: str = NAME
    sha256: str | None = None
    mpp: float = 0.5
    radius: int = RADIUS

    def predict(self, rgb: NDArray[np.uint8]) -> Prediction:
        """Find the nuclei of a uint8 (H, W, 3) image."""
        c = CONSTANTS
        density = nuclear_density(rgb, self.stains, c)
        background, contrast = local_classes(density, c)
        probability = _probability(density, background, contrast, c)
        mask = without_holes(probability >= 0.5, c)
        darkness = (_blurred(density, c.darkness_smoothing) - background) / contrast
        depth = capped_depth(mask, c)
        landscape = _blurred(depth, c.depth_smoothing) * (1 + c.darkness * darkness)
        seeds = prominent(landscape, depth > c.thinnest, c.reach, c.valley)
        scores = np.clip(darkness[seeds[:, 0], seeds[:, 1]], 0.0, 1.0)
        maps = np.stack([_foreground(probability, mask), _barrier(landscape, c)])
        return Prediction(seeds, scores, maps)


def nuclear_density(rgb: NDArray[np.uint8], stains: Stains, c: Constants = CONSTANTS) -> Image:
    """Hematoxylin density with the red channel's, smoothed: (H, W), whole numbers from 0 to 255, 160 a dark nucleus.

    Eosin lets red light through: the red channel measures hematoxylin even where the stain estimate is poor.
    """
    density = densities(rgb, stains)[0] + np.float32(c.red) * optical_density(rgb[..., 0])
    darkest = stains.hematoxylin_max * (1 + c.red * stains.hematoxylin[0])
    smooth = _blurred(density, c.smoothing) * np.float32(STEPS / darkest)
    return np.asarray(np.minimum(np.rint(smooth), np.float32(255)))


def local_classes(density: Image, c: Constants = CONSTANTS) -> tuple[Image, Image]:
    """Density of the background around each pixel, and by how much nuclei there are denser (at least 1).

    Iterated means of the two sides of a threshold (Ridler & Calvard 1978) in a window around each pixel, each with the
    slide-wide expectation as so many pixels more: where a window holds one class only, the other is the expected one.
    """
    expected = c.prior * (2 * c.window + 1) ** 2
    nucleus, background = np.float32(c.nucleus * STEPS), np.float32(c.background * STEPS)
    weight = np.float32(expected)
    total, pixels = _summed(density, c.window), np.float32((2 * c.window + 1) ** 2)
    threshold: Image = np.full_like(density, (nucleus + background) / 2)
    for _ in range(c.rounds):
        above = (density > threshold).astype(np.float32)
        count, amount = _summed(above, c.window), _summed(above * density, c.window)
        upper = (amount + weight * nucleus) / (count + weight)
        lower = (total - amount + weight * background) / (pixels - count + weight)
        threshold = lower + np.float32(c.level) * (upper - lower)
    return lower, np.maximum(upper - lower, np.float32(1))


def without_holes(mask: Mask, c: Constants = CONSTANTS) -> Mask:
    """Fill the small 4-connected holes of a mask."""
    _, parts, measures, _ = cv2.connectedComponentsWithStats((~mask).view(np.uint8), connectivity=4)
    width, height, area = measures[:, cv2.CC_STAT_WIDTH], measures[:, cv2.CC_STAT_HEIGHT], measures[:, cv2.CC_STAT_AREA]
    small = (width <= c.hole_side) & (height <= c.hole_side) & (area <= c.hole_area)
    small[0] = False
    filled: Mask = mask | small[parts]
    return filled


def capped_depth(mask: Mask, c: Constants = CONSTANTS) -> Image:
    """Distance of each pixel of a mask from the nearest one outside, at most ``depth``."""
    distance = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.minimum(distance, np.float32(c.depth))


def _probability(density: Image, background: Image, contrast: Image, c: Constants) -> Image:
    threshold = background + np.float32(c.level) * contrast
    slope = (density - threshold) / (np.float32(2 * c.softness) * contrast)
    return np.clip(slope + np.float32(0.5), np.float32(0), np.float32(1))


def _foreground(probability: Image, mask: Mask) -> NDArray[np.uint8]:
    """Probability in 255 steps, above the half where the mask is and below it elsewhere."""
    steps = np.rint(probability * np.float32(255)).astype(np.uint8)
    return np.asarray(np.where(mask, np.maximum(steps, 128), np.minimum(steps, 127)), np.uint8)


def _barrier(landscape: Image, c: Constants) -> NDArray[np.uint8]:
    """255 at the foot of the landscape, 0 from the barrier's height on."""
    height = np.clip(landscape / np.float32(c.barrier_height), np.float32(0), np.float32(1))
    return np.asarray(np.float32(255) - np.rint(np.float32(255) * height), np.uint8)


def _blurred(image: Image, sigma: float) -> Image:
    side = 2 * _cut(sigma) + 1
    return np.asarray(cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT))


def _summed(image: Image, reach: int) -> Image:
    """Sums over square windows: of whole numbers, so that the running sums of the filter are exact."""
    side = 2 * reach + 1
    return np.asarray(cv2.boxFilter(image, -1, (side, side), normalize=False, borderType=cv2.BORDER_REFLECT))
