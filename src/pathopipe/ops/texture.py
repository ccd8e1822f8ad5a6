"""Texture of hematoxylin in nuclei: gray-level co-occurrence, local binary patterns, granularity, gradient.

scikit-image has co-occurrence, patterns and openings, too, and tests compare with it; for a nucleus at a time its
functions are too slow (``benchmarks/features.py``).
"""

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.cooccurrence import COOCCURRENCE, cooccurrence
from pathopipe.ops.runs import Runs

TOP: Final = 1.25
"""Densities from 0 to this multiple of the slide's strong hematoxylin (its 99th percentile) are told apart."""
DISTANCES_UM: Final = (0.5, 1.0, 2.0)
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
Counts = NDArray[np.int64]


def coarsening(mpp: float) -> int:
    """Pixels of an image of this resolution along a pixel of granularity; windows begin at whole multiples of it."""
    return max(1, round(_COARSE_MPP / mpp))


def measure_texture(runs: Runs, hematoxylin: NDArray[np.float32], strong: float, mpp: float) -> dict[str, Floats]:
    """Measure the texture of hematoxylin in nuclei.

    Parameters
    ----------
    runs
        Pixels of the nuclei. Only what lies outside of the slide may be missing of the 5 um around them.
    hematoxylin
        float32 (H, W), its optical density.
    strong
        The slide's strong hematoxylin: what densities are relative to, so that a stronger stain is not a coarser one.
    mpp
        Micrometers per pixel, of both axes on average.

    Returns
    -------
    dict
        One float64 array (n,) per name of ``TEXTURE_FEATURES``; NaN where a nucleus has no pixel, or no two pixels
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
    scale, steps = np.float32(1 / (TOP * strong)), [round(distance / mpp) for distance in DISTANCES_UM]
    grays = np.empty(hematoxylin.shape, np.uint8)
    _write_grays(hematoxylin, scale, grays)
    parts = [
        cooccurrence(*runs, hematoxylin, scale, np.array(steps)).reshape(len(runs), -1),
        _patterns(*runs, grays, _circle(PATTERN_UM / mpp)),
        _granularity(runs, grays, mpp),
        _gradient(*runs, hematoxylin) / mpp,
    ]
    return dict(zip(TEXTURE_FEATURES, np.concatenate(parts, axis=1).T, strict=True))


def _circle(radius: float) -> Floats:
    """Offsets (8, 2) in rows and columns of points on a circle; to five digits, so that those on an axis are on it."""
    angles = 2 * np.pi * np.arange(8) / 8
    return np.array([[round(-radius * float(np.sin(a)), 5), round(radius * float(np.cos(a)), 5)] for a in angles])


def _granularity(runs: Runs, grays: Bytes, mpp: float) -> Floats:
    """Shares (count, radii) of the density in structures that a disc of a radius removes and no smaller one."""
    factor = coarsening(mpp)
    small: Any = grays
    if factor > 1:
        size = (-(-grays.shape[1] // factor), -(-grays.shape[0] // factor))
        fill = (0, size[1] * factor - grays.shape[0], 0, size[0] * factor - grays.shape[1])
        small = cv2.resize(cv2.copyMakeBorder(grays, *fill, cv2.BORDER_REPLICATE), size, interpolation=cv2.INTER_AREA)
    before = whole = _sums(*runs, small, factor)
    shares, smaller = np.full((len(runs), len(GRANULE_UM)), np.nan), 1
    for place, radius in enumerate(GRANULE_UM):
        disc = _disc(radius / (mpp * factor))
        if int(disc.sum()) == smaller:
            continue
        opened: Any = cv2.morphologyEx(small, cv2.MORPH_OPEN, disc)
        after = _sums(*runs, opened, factor)
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


@kernel
def _write_grays(plane: NDArray[np.float32], scale: np.float32, grays: Bytes) -> None:
    """Write the 256 gray levels (H, W) of a plane whose largest value becomes 1 by scaling."""
    for row in range(len(plane)):
        line, into = plane[row], grays[row]
        for k in range(line.size):
            into[k] = np.uint8(min(line[k] * scale * np.float32(255) + np.float32(0.5), np.float32(255)))


@kernel
def _sums(runs: Counts, ends: Counts, image: Bytes, factor: int) -> Floats:
    """Sums (count,) over each nucleus of an image that is coarser by a factor; NaN where there is no pixel."""
    sums = np.full(len(ends) - 1, np.nan)
    for i in range(len(sums)):
        total = 0
        for k in range(ends[i], ends[i + 1]):
            row, first, after = runs[k, 0] // factor, runs[k, 1], runs[k, 2]
            # Whole pixels of the image, without what the run lacks of the first and of the last.
            begin, last = first // factor, (after - 1) // factor
            for column in range(begin, last + 1):
                total += factor * image[row, column]
            total -= (first - begin * factor) * image[row, begin] + ((last + 1) * factor - after) * image[row, last]
        if ends[i + 1] > ends[i]:
            sums[i] = total
    return sums


@kernel
def _gradient(runs: Counts, ends: Counts, plane: NDArray[np.float32]) -> Floats:
    """Mean and SD (count, 2) of the slope of a plane in its unit per pixel, by central differences."""
    out, slopes = np.full((len(ends) - 1, 2), np.nan), np.empty(plane.shape[1])
    for i in range(len(out)):
        n, total, square = 0, 0.0, 0.0
        for k in range(ends[i], ends[i + 1]):
            row, first, after = runs[k]
            mine = slopes[: after - first]
            _write_slopes(plane, row, first, after, mine)
            for slope in mine:
                total, square = total + slope, square + slope * slope
            n += mine.size
        if n:
            out[i, 0] = total / n
            out[i, 1] = math.sqrt(max(square / n - (total / n) ** 2, 0.0))
    return out


@kernel
def _write_slopes(plane: NDArray[np.float32], row: int, first: int, after: int, out: Floats) -> None:
    """Write the slopes of a run of pixels; where the image ends, from a pixel to its only neighbor."""
    height, width = plane.shape
    line, half = plane[row], 0.5 if 0 < row < height - 1 else 1.0
    begin, end = max(first, 1), min(after, width - 1)
    if begin < end:
        left, right, here = line[begin - 1 : end - 1], line[begin + 1 : end + 1], out[begin - first :]
        for x in range(left.size):
            here[x] = (np.float64(right[x]) - np.float64(left[x])) * 0.5
    if first == 0:
        out[0] = np.float64(line[min(1, width - 1)]) - np.float64(line[0])
    if after == width:
        out[after - 1 - first] = np.float64(line[width - 1]) - np.float64(line[max(width - 2, 0)])
    up, down = plane[max(row - 1, 0), first:after], plane[min(row + 1, height - 1), first:after]
    for x in range(out.size):
        dy = (np.float64(down[x]) - np.float64(up[x])) * half
        out[x] = math.sqrt(out[x] * out[x] + dy * dy)


@kernel
def _patterns(runs: Counts, ends: Counts, grays: Bytes, circle: Floats) -> Floats:
    """Shares (count, 10) of the pixels of each nucleus by their local binary pattern."""
    out = np.full((len(ends) - 1, 10), np.nan)
    corners, weights = _corners(circle)
    reach, classes = math.ceil(np.abs(circle).max()), _classes()
    for i in range(len(out)):
        own = runs[ends[i] : ends[i + 1]]
        if len(own) == 0:
            continue
        top, left = own[0, 0] - reach, own[:, 1].min() - reach
        width = own[:, 2].max() + reach - left
        window = _window(grays, top, left, own[-1, 0] + reach + 1 - top, width)
        begin = reach * width + reach
        codes = np.zeros(window.size - 2 * begin, np.uint8)
        for k in range(8):
            # Of equal grays rounding must not decide.
            around = np.full(codes.size, 1e-9)
            for corner in range(4):
                if weights[k, corner] > 0:
                    first = begin + corners[k, corner, 0] * width + corners[k, corner, 1]
                    values, weight = window[first : first + codes.size], weights[k, corner]
                    for place in range(codes.size):
                        around[place] += weight * values[place]
            middle = window[begin : begin + codes.size]
            for place in range(codes.size):
                codes[place] |= np.uint8(around[place] >= middle[place]) << np.uint8(k)
        found, n = np.zeros(10, np.int64), 0
        for k in range(len(own)):
            begin = (own[k, 0] - own[0, 0]) * width + own[k, 1] - left - reach
            for place in range(begin, begin + own[k, 2] - own[k, 1]):
                found[classes[codes[place]]] += 1
            n += own[k, 2] - own[k, 1]
        out[i] = found / n
    return out


@kernel
def _window(grays: Bytes, top: int, left: int, rows: int, width: int) -> Floats:
    """Rows of a window one after another; beyond the image it is 0."""
    window = np.zeros(rows * width)
    first, last = max(left, 0), min(left + width, grays.shape[1])
    for row in range(max(top, 0), min(top + rows, grays.shape[0])):
        line = grays[row, first:last]
        into = window[(row - top) * width + first - left :]
        for k in range(line.size):
            into[k] = line[k]
    return window


@kernel
def _classes() -> Counts:
    """Class (256,) of the eight signs around a pixel: how many there are; 9 if they change more than twice."""
    classes = np.empty(256, np.int64)
    for code in range(256):
        ones = changes = 0
        for k in range(8):
            ones += code >> k & 1
            changes += k < 7 and (code >> k & 1) != (code >> (k + 1) & 1)
        classes[code] = ones if changes <= 2 else 9
    return classes


@kernel
def _corners(circle: Floats) -> tuple[Counts, Floats]:
    """Offsets (8, 4, 2) of the pixels that a point of the circle lies between, and their weights (8, 4)."""
    corners, weights = np.zeros((8, 4, 2), np.int64), np.zeros((8, 4))
    for k in range(8):
        y, x = circle[k]
        top, left = math.floor(y), math.floor(x)
        for corner in range(4):
            down, across = corner // 2, corner % 2
            corners[k, corner, 0], corners[k, corner, 1] = top + down, left + across
            weights[k, corner] = abs(1 - down - (y - top)) * abs(1 - across - (x - left))
    return corners, weights
