"""Texture of hematoxylin in nuclei: gray-level co-occurrence, local binary patterns, granularity, gradient.

scikit-image has co-occurrence, patterns and openings, too, and tests compare with it; for a nucleus at a time its
functions are too slow (``benchmarks/features.py``).
"""

import math
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

LEVELS: Final = 32
"""Gray levels of the co-occurrence matrix."""
TOP: Final = 1.25
"""Densities from 0 to this multiple of the slide's strong hematoxylin (its 99th percentile) are told apart."""
DISTANCES_UM: Final = (0.5, 1.0, 2.0)
COOCCURRENCE: Final = (
    "contrast",
    "dissimilarity",
    "homogeneity",
    "asm",
    "correlation",
    "entropy",
    "difference_entropy",
    "information_1",
    "information_2",
    "shade",
    "prominence",
)
PATTERN_UM: Final = 0.5
"""Radius of the circle of eight points of a local binary pattern."""
PATTERNS: Final = tuple(f"lbp_{number}" for number in (*range(9), "other"))
GRANULE_UM: Final = (0.5, 1.0, 1.5, 2.0)
"""Radii of the openings."""
_COARSE_MPP: Final = 0.5
_TOLERANCE_PX: Final = 0.1
GRANULARITY: Final = tuple(f"granularity_{radius * 1000:.0f}nm" for radius in GRANULE_UM)
GRADIENT: Final = ("gradient_mean", "gradient_sd")
TEXTURE_FEATURES: Final = (
    *(f"glcm_{name}_{distance * 1000:.0f}nm" for distance in DISTANCES_UM for name in COOCCURRENCE),
    *PATTERNS,
    *GRANULARITY,
    *GRADIENT,
)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
Boxes = NDArray[np.int64]


def coarsening(mpp: float) -> int:
    """Pixels of an image of this resolution along a pixel of granularity; windows begin at whole multiples of it."""
    return max(1, round(_COARSE_MPP / mpp))


def measure_texture(
    labels: Labels, boxes: Boxes, hematoxylin: NDArray[np.float32], strong: float, mpp: float
) -> dict[str, Floats]:
    """Measure the texture of hematoxylin in the nuclei of a label image.

    Parameters
    ----------
    labels
        int32 (H, W), 0 is background. Only what lies outside of the slide may be missing of the 5 um around a nucleus.
    boxes
        Their bounding boxes, as `boxes.bounding_boxes` gives them.
    hematoxylin
        float32 (H, W), its optical density.
    strong
        The slide's strong hematoxylin: what densities are relative to, so that a stronger stain is not a coarser one.
    mpp
        Micrometers per pixel, of both axes on average.

    Returns
    -------
    dict
        One float64 array (count,) per name of ``TEXTURE_FEATURES``; NaN where a number has no pixel, or no two pixels
        at a distance.

        * ``glcm_<property>_<distance>``: properties of the symmetric co-occurrence matrix of 32 gray levels at a
          distance, in four directions together, of pairs within the nucleus (Haralick 1973; ``shade`` and
          ``prominence`` of clusters: Conners 1984). Logarithms are natural. ``correlation`` is NaN where all levels
          are equal, ``information_1`` is 0. NaN where the pixels are too coarse to tell a distance from the next
          smaller one.
        * ``lbp_0`` to ``lbp_8``, ``lbp_other``: shares of the nucleus' pixels with 0 to 8 of eight points around them
          at least as dark, without more than two changes along these, and of all other pixels (Ojala 2002), in 256
          gray levels.
        * ``granularity_<radius>``: share of the density that an opening with a disc of this radius removes beyond the
          next smaller one (Ravkin and Temov 1988), at about half a micrometer per pixel; NaN where its pixels are those
          of the next smaller disc.
        * ``gradient_mean``, ``gradient_sd``: of the slope of the density, by central differences.
    """
    scaled = hematoxylin * np.float32(1 / (TOP * strong))
    levels = np.minimum(scaled * LEVELS, LEVELS - 1).astype(np.uint8)
    grays = np.minimum(scaled * 255 + 0.5, 255).astype(np.uint8)
    steps = [round(distance / mpp) for distance in DISTANCES_UM]
    parts = [
        *(_pairs_at(labels, boxes, levels, step, before) for before, step in pairwise([0, *steps])),
        _patterns(labels, boxes, grays, _circle(PATTERN_UM / mpp)),
        _granularity(labels, boxes, grays, mpp),
        _gradient(labels, boxes, hematoxylin, mpp),
    ]
    return dict(zip(TEXTURE_FEATURES, np.concatenate(parts, axis=1).T, strict=True))


def _circle(radius: float) -> Floats:
    """Offsets (8, 2) in rows and columns of points on a circle; to five digits, so that those on an axis are on it."""
    angles = 2 * np.pi * np.arange(8) / 8
    return np.array([[round(-radius * float(np.sin(a)), 5), round(radius * float(np.cos(a)), 5)] for a in angles])


def _granularity(labels: Labels, boxes: Boxes, grays: Bytes, mpp: float) -> Floats:
    """Shares (count, radii) of the density in structures that a disc of a radius removes and no smaller one."""
    factor = coarsening(mpp)
    small: Any = grays
    if factor > 1:
        size = (-(-grays.shape[1] // factor), -(-grays.shape[0] // factor))
        fill = (0, size[1] * factor - grays.shape[0], 0, size[0] * factor - grays.shape[1])
        small = cv2.resize(cv2.copyMakeBorder(grays, *fill, cv2.BORDER_REPLICATE), size, interpolation=cv2.INTER_AREA)
    before = whole = _sums(labels, boxes, small, factor)
    shares, smaller = np.full((len(boxes), len(GRANULE_UM)), np.nan), 1
    for place, radius in enumerate(GRANULE_UM):
        disc = _disc(radius / (mpp * factor))
        if int(disc.sum()) == smaller:
            continue
        opened: Any = cv2.morphologyEx(small, cv2.MORPH_OPEN, disc)
        after = _sums(labels, boxes, opened, factor)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares[:, place] = (before - after) / whole
        before, smaller = after, int(disc.sum())
    return shares


def _disc(radius: float) -> Bytes:
    """Pixels whose center lies within a radius in pixels, give or take a tenth of one, for scans at 0.2525 um."""
    reach = int(radius + _TOLERANCE_PX)
    along = np.arange(-reach, reach + 1)
    disc: Bytes = (along**2 + along[:, None] ** 2 <= (radius + _TOLERANCE_PX) ** 2).astype(np.uint8)
    return disc


def _pairs_at(labels: Labels, boxes: Boxes, levels: Bytes, step: int, smaller: int) -> Floats:
    """Properties (count, 11) at a distance in pixels; NaN if that is the next smaller one."""
    if step == smaller:
        return np.full((len(boxes), len(COOCCURRENCE)), np.nan)
    return _cooccurrence(labels, boxes, levels, step)


@kernel
def _sums(labels: Labels, boxes: Boxes, image: Bytes, factor: int) -> Floats:
    """Sums (count,) over each nucleus of an image that is coarser by a factor; NaN where there is no pixel."""
    sums = np.full(len(boxes), np.nan)
    for i in range(len(boxes)):
        if boxes[i, 2] == 0:
            continue
        total = 0
        for row in range(boxes[i, 0], boxes[i, 2]):
            for column in range(boxes[i, 1], boxes[i, 3]):
                if labels[row, column] == i + 1:
                    total += image[row // factor, column // factor]
        sums[i] = total
    return sums


@kernel
def _gradient(labels: Labels, boxes: Boxes, plane: NDArray[np.float32], mpp: float) -> Floats:
    """Mean and SD (count, 2) of the slope of a plane in its unit per um, by central differences."""
    height, width = labels.shape
    out = np.full((len(boxes), 2), np.nan)
    for i in range(len(boxes)):
        n, total, square = 0, 0.0, 0.0
        for row in range(boxes[i, 0], boxes[i, 2]):
            up, down = max(row - 1, 0), min(row + 1, height - 1)
            for column in range(boxes[i, 1], boxes[i, 3]):
                if labels[row, column] != i + 1:
                    continue
                left, right = max(column - 1, 0), min(column + 1, width - 1)
                dx = (np.float64(plane[row, right]) - np.float64(plane[row, left])) / (right - left)
                dy = (np.float64(plane[down, column]) - np.float64(plane[up, column])) / (down - up)
                slope = math.sqrt(dx * dx + dy * dy) / mpp
                n, total, square = n + 1, total + slope, square + slope * slope
        if n:
            out[i, 0] = total / n
            out[i, 1] = math.sqrt(max(square / n - (total / n) ** 2, 0.0))
    return out


@kernel
def _patterns(labels: Labels, boxes: Boxes, grays: Bytes, circle: Floats) -> Floats:
    """Shares (count, 10) of the pixels of each nucleus by their local binary pattern."""
    height, width = labels.shape
    out = np.full((len(boxes), 10), np.nan)
    corners, weights, needed = _corners(circle)
    reach = math.ceil(np.abs(circle).max())
    signs = np.empty(8, np.int64)
    for i in range(len(boxes)):
        found, n = np.zeros(10, np.int64), 0
        for row in range(boxes[i, 0], boxes[i, 2]):
            for column in range(boxes[i, 1], boxes[i, 3]):
                if labels[row, column] != i + 1:
                    continue
                n += 1
                near = min(row, column, height - 1 - row, width - 1 - column) < reach
                for k in range(8):
                    around = 0.0
                    for corner in range(needed[k]):
                        y, x = row + corners[k, corner, 0], column + corners[k, corner, 1]
                        if not near or (0 <= y < height and 0 <= x < width):
                            around += weights[k, corner] * grays[y, x]
                    # Of equal grays rounding must not decide.
                    signs[k] = around >= grays[row, column] - 1e-9
                changes = 0
                for k in range(7):
                    changes += signs[k] != signs[k + 1]
                found[signs.sum() if changes <= 2 else 9] += 1
        if n:
            out[i] = found / n
    return out


@kernel
def _corners(circle: Floats) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Offsets (8, 4, 2) of the pixels that a point of the circle lies between, their weights (8, 4), how many count."""
    corners, weights, needed = np.zeros((8, 4, 2), np.int64), np.zeros((8, 4)), np.zeros(8, np.int64)
    for k in range(8):
        y, x = circle[k]
        top, left = math.floor(y), math.floor(x)
        for corner in range(4):
            down, across = corner // 2, corner % 2
            corners[k, corner, 0], corners[k, corner, 1] = top + down, left + across
            weights[k, corner] = abs(1 - down - (y - top)) * abs(1 - across - (x - left))
            if weights[k, corner] > 0:
                needed[k] = corner + 1
    return corners, weights, needed


@kernel
def _cooccurrence(labels: Labels, boxes: Boxes, levels: Bytes, distance: int) -> Floats:
    """Properties (count, 11) of each nucleus' co-occurrence matrix at a distance in pixels."""
    slant = round(distance * math.sqrt(0.5))
    out, found = np.full((len(boxes), 11), np.nan), np.zeros((LEVELS, LEVELS), np.int64)
    for i in range(len(boxes)):
        pairs, low, high = 0, LEVELS, -1
        for row in range(boxes[i, 0], boxes[i, 2]):
            for column in range(boxes[i, 1], boxes[i, 3]):
                if labels[row, column] != i + 1:
                    continue
                level = levels[row, column]
                low, high = min(low, level), max(high, level)
                for dy, dx in ((0, distance), (slant, slant), (distance, 0), (slant, -slant)):
                    y, x = row + dy, column + dx
                    if y < boxes[i, 2] and boxes[i, 1] <= x < boxes[i, 3] and labels[y, x] == i + 1:
                        found[level, levels[y, x]] += 1
                        pairs += 1
        if pairs:
            part = found[low : high + 1, low : high + 1]
            _properties((part + part.T) / (2 * pairs), out[i])
            part[:] = 0
    return out


@kernel
def _properties(matrix: Floats, out: Floats) -> None:
    """Write the properties of a symmetric matrix (n, n) of shares."""
    n = len(matrix)
    margin, differences = np.zeros(n), np.zeros(n)
    for i in range(n):
        for j in range(n):
            margin[i] += matrix[i, j]
            differences[abs(i - j)] += matrix[i, j]
    mean = variance = entropy = 0.0
    for i in range(n):
        mean += i * margin[i]
        entropy -= _plogp(margin[i])
    for i in range(n):
        variance += (i - mean) ** 2 * margin[i]
    square, product, joint, shade, prominence = _sums_over(matrix, mean)
    out[0], out[1], out[2], out[6] = _of_differences(differences)
    out[3], out[5], out[9], out[10] = square, joint, shade, prominence
    if variance > 1e-12:
        out[4] = product / variance
    # Both margins of a symmetric matrix are the same, so that their joint entropy would be twice that of one.
    shared = 2.0 * entropy - joint
    out[7] = -shared / entropy if entropy > 1e-12 else 0.0
    out[8] = math.sqrt(max(1.0 - math.exp(-2.0 * shared), 0.0))


@kernel
def _sums_over(matrix: Floats, mean: float) -> tuple[float, float, float, float, float]:
    """Sums over a matrix (n, n): of squares, of products of deviations, entropy, cluster shade and prominence."""
    square = product = joint = shade = prominence = 0.0
    for i in range(len(matrix)):
        for j in range(len(matrix)):
            share, both = matrix[i, j], i + j - 2 * mean
            if share > 0.0:
                square += share * share
                product += share * (i - mean) * (j - mean)
                joint -= _plogp(share)
                shade += share * both**3
                prominence += share * both**4
    return square, product, joint, shade, prominence


@kernel
def _of_differences(shares: Floats) -> tuple[float, float, float, float]:
    """Contrast, dissimilarity, homogeneity and entropy of shares (n,) of differences of gray levels."""
    contrast = dissimilarity = homogeneity = entropy = 0.0
    for gap in range(len(shares)):
        contrast += shares[gap] * gap * gap
        dissimilarity += shares[gap] * gap
        homogeneity += shares[gap] / (1.0 + gap * gap)
        entropy -= _plogp(shares[gap])
    return contrast, dissimilarity, homogeneity, entropy


@kernel
def _plogp(share: float) -> float:
    return share * math.log(share) if share > 0 else 0.0
