"""The nucleus model that needs no weights: nuclear density, a local threshold, and the blobs of the distance map.

Every step looks a stated number of pixels far, and every sum shared between pixels is one of whole numbers, so a
pixel's result is the same to the last bit in whatever tile it is computed.
"""

from dataclasses import dataclass
from math import ceil, exp

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.models.base import TOP_SIDE, Part, Prediction, Traits
from pathopipe.models.blobs import prominent
from pathopipe.ops.channels import BARRIER, FOREGROUND
from pathopipe.ops.stain import Stains, densities, optical_density

NAME = "classical"
# Sigma of the widest Gaussian that a seed is judged by.
WIDEST = 6.0
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
    faintest
        Least hematoxylin of a slide's darkest nuclei, in optical density: below it the tissue has none.
    red, blue
        Weights of the red channel's optical density, added to the hematoxylin density, and of the blue's, taken off.
    smoothing
        Sigma of the Gaussian that smooths the nuclear density.
    sharpening, sharpening_sigma
        How much of the difference from a Gaussian of this sigma is added: edges of nuclei that touch come apart.
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
    opening
        Half the side of the cross that smooths the mask's outline.
    thinnest
        Least distance from the edge at a seed.
    reach, valley
        Two tops of the landscape closer than ``reach`` are one nucleus, unless the landscape between them falls below
        ``valley`` times the lower one.
    barrier_height
        Where the landscape is higher there is no barrier.
    evidence, evidence_base
        Weights, and the constant, of the logistic regression that tells nuclei from other dark spots: of the difference
        of Gaussians of sigma 3 and 6, the depth, the background, the difference for sigma 2 and 4, the contrast.
    doubtful
        Seeds less probable than this are dropped.
    """

    faintest: float = 0.25
    red: float = 1.0
    blue: float = 0.2
    smoothing: float = 0.5
    sharpening: float = 0.5
    sharpening_sigma: float = 4.0
    window: int = 11
    rounds: int = 3
    prior: float = 0.0137
    nucleus: float = 0.5715
    background: float = 0.4612
    level: float = 0.4
    softness: float = 0.1621
    hole_side: int = 10
    hole_area: int = 60
    depth: int = 6
    depth_smoothing: float = 1.0
    darkness: float = 0.5
    darkness_smoothing: float = 2.0
    opening: int = 0
    thinnest: float = 1.5
    reach: int = 18
    valley: float = 0.86
    barrier_height: float = 6.0
    evidence: tuple[float, float, float, float, float] = (-1.1977, 1.3668, -5.8859, 16.9334, -1.2727)
    evidence_base: float = -5.0739
    doubtful: float = 0.25


CONSTANTS = Constants()


def _cut(sigma: float) -> int:
    """Half the side of a Gaussian's kernel: it is cut off at three sigma."""
    return ceil(3 * sigma)


def _radius(c: Constants) -> int:
    """The radius of the model: the sum of those of its steps."""
    threshold = _cut(c.smoothing) + _cut(c.sharpening_sigma) + c.rounds * c.window
    mask = threshold + c.hole_side + 1 + 2 * c.opening
    landscape = max(mask + c.depth + 1 + _cut(c.depth_smoothing), threshold + _cut(c.darkness_smoothing))
    return max(int(landscape) + c.reach + TOP_SIDE // 2, threshold + _cut(WIDEST))


TRAITS = Traits(mpp=0.5, radius=_radius(CONSTANTS))


@dataclass(frozen=True)
class ClassicalModel:
    """Finds nuclei as dark, compact blobs of the slide's hematoxylin."""

    stains: Stains
    name: str = NAME
    sha256: str | None = None
    traits: Traits = TRAITS

    def predict(self, rgb: NDArray[np.uint8], part: Part | None = None) -> Prediction:
        """Find the nuclei of a uint8 (H, W, 3) image, or of a part of it."""
        c = CONSTANTS
        density = nuclear_density(rgb, self.stains, c)
        background, contrast = local_classes(density, c)
        probability = _probability(density, background, contrast, c)
        mask = cleaned(probability >= 0.5, c)
        darkness = (_blurred(density, c.darkness_smoothing) - background) / contrast
        depth = capped_depth(mask, c)
        landscape = _blurred(depth, c.depth_smoothing) * (1 + c.darkness * darkness)
        seeds = prominent(landscape, depth > c.thinnest, c.reach, c.valley)
        scores = _scores(seeds, density, depth, background, contrast, c)
        likely = scores >= c.doubtful
        maps = {FOREGROUND: _foreground(probability, mask), BARRIER: _barrier(landscape, c)}
        found = Prediction(seeds[likely], scores[likely], maps)
        return found.within(part, 1) if part else found


def nuclear_density(rgb: NDArray[np.uint8], stains: Stains, c: Constants = CONSTANTS) -> Image:
    """Hematoxylin density with clear edges: (H, W), whole numbers from 0 to 255, 160 for the slide's darkest nuclei.

    Eosin lets red light through and pigment stops the blue: the red channel, less the blue one, measures hematoxylin
    even where the stain estimate is poor.
    """
    red, blue = (optical_density(rgb[..., channel]) for channel in (0, 2))
    density = densities(rgb, stains)[0] + np.float32(c.red) * red - np.float32(c.blue) * blue
    darkest = max(stains.hematoxylin_max, c.faintest) * (
        1 + c.red * stains.hematoxylin[0] - c.blue * stains.hematoxylin[2]
    )
    smooth = _blurred(density * np.float32(STEPS / darkest), c.smoothing)
    sharp = smooth + np.float32(c.sharpening) * (smooth - _blurred(smooth, c.sharpening_sigma))
    return np.clip(np.rint(sharp), np.float32(0), np.float32(255))


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


def cleaned(mask: Mask, c: Constants = CONSTANTS) -> Mask:
    """Fill the small 4-connected holes of a mask, then cut off what is thinner than the opening's cross."""
    _, parts, measures, _ = cv2.connectedComponentsWithStats((~mask).view(np.uint8), connectivity=4)
    left, top, width, height, area = measures.T
    small = (width <= c.hole_side) & (height <= c.hole_side) & (area <= c.hole_area)
    # The first part is the mask itself. A hole at the border may go on outside.
    small[0] = False
    small &= (left > 0) & (top > 0) & (left + width < mask.shape[1]) & (top + height < mask.shape[0])
    filled = (mask | small[parts]).view(np.uint8)
    side = 2 * c.opening + 1
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (side, side))
    return np.asarray(cv2.morphologyEx(filled, cv2.MORPH_OPEN, cross)).view(np.bool_)


def capped_depth(mask: Mask, c: Constants = CONSTANTS) -> Image:
    """Distance of each pixel of a mask from the nearest one outside, at most ``depth``."""
    distance = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.minimum(distance, np.float32(c.depth))


def _probability(density: Image, background: Image, contrast: Image, c: Constants) -> Image:
    threshold = background + np.float32(c.level) * contrast
    slope = (density - threshold) / (np.float32(2 * c.softness) * contrast)
    return np.clip(slope + np.float32(0.5), np.float32(0), np.float32(1))


def _scores(
    seeds: NDArray[np.int32], density: Image, depth: Image, background: Image, contrast: Image, c: Constants
) -> NDArray[np.float32]:
    """Probability (N,) that each seed is a nucleus."""
    at = (seeds[:, 0], seeds[:, 1])
    blurred = {sigma: _blurred(density, sigma)[at].astype(np.float64) for sigma in (1.0, 2.0, 3.0, 4.0, WIDEST)}
    signs: tuple[NDArray[np.floating], ...] = (
        (blurred[3.0] - blurred[WIDEST]) / STEPS,
        depth[at],
        background[at] / STEPS,
        (blurred[2.0] - blurred[4.0]) / STEPS,
        (blurred[1.0] - background[at]) / contrast[at],
    )
    total = np.full(len(seeds), c.evidence_base)
    for weight, sign in zip(c.evidence, signs, strict=True):
        total += weight * sign
    # One by one: numpy's vectorized exponential may differ in the last bit with the position in the array.
    return np.array([1 / (1 + exp(-value)) for value in total.tolist()], np.float32)


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
