"""How chromatin lies in nuclei: dark clumps, bright spots, dots like nucleoli, and how much of it lies at the rim."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.staining import blurred

RIM_UM: Final = 0.75
"""Width of the rim of a nucleus."""
LEAST_UM2: Final = 0.2
"""Smaller clumps and spots are not counted."""
DOT_UM: Final = (0.5, 0.8)
"""Standard deviations of the two Gaussians whose difference shows dots: of a radius of about 0.9 um most."""
LEAST_DOT: Final = 0.05
"""A dot's height in the difference, in units of the slide's strong hematoxylin."""
SHELLS: Final = 4
CHROMATIN_FEATURES: Final = (
    "clump_area_um2",
    "clump_share",
    "clump_count",
    "clump_largest_um2",
    "clump_contrast_od",
    "clump_rim_share",
    "bright_area_um2",
    "bright_share",
    "bright_count",
    "dot_count",
    "dot_height",
    "dot_eosin_od",
    "margination",
    *(f"{stain}_shell_{shell}" for stain in ("hematoxylin", "eosin") for shell in range(1, SHELLS + 1)),
    "hematoxylin_displacement_um",
    "hematoxylin_total",
)
_BINS: Final = 256

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
Boxes = NDArray[np.int64]
Planes = NDArray[np.float32]
Mask = NDArray[np.bool_]


def measure_chromatin(
    labels: Labels, boxes: Boxes, planes: Planes, strong: float, mpp_x: float, mpp_y: float
) -> dict[str, Floats]:
    """Measure how hematoxylin lies in the nuclei of a label image.

    Parameters
    ----------
    labels
        int32 (H, W), 0 is background. Only what lies outside of the slide may be missing of the 5 um around a nucleus.
    boxes
        Their bounding boxes, as `boxes.bounding_boxes` gives them.
    planes
        float32 (2 or more, H, W): hematoxylin and eosin, in optical density.
    strong
        The slide's strong hematoxylin, which the height of dots is relative to.
    mpp_x, mpp_y
        Micrometers per pixel.

    Returns
    -------
    dict
        One float64 array (count,) per name of ``CHROMATIN_FEATURES``; NaN where a number has no pixel.

        * ``clump_``: pixels darker than Otsu's threshold between the darker and the lighter ones of the nucleus (Otsu
          1979; 256 bins): area, share of the nucleus, number (connected by edges or corners, of 0.2 um2 at least),
          area of the largest, how much darker than the rest, and the share of their area in the rim of 0.75 um.
        * ``bright_``: pixels more than one SD lighter than the nucleus' mean, outside of the rim.
        * ``dot_``: local maxima of the difference of two Gaussian blurs of hematoxylin (0.5 and 0.8 um), outside of
          the rim, that are higher than 0.05 of the slide's strong hematoxylin: number, height of the highest in that
          unit, and by how much eosin there exceeds the nucleus' mean (0 where there is none).
        * ``margination``: correlation of hematoxylin with the closeness to the outline, -1 to 1.
        * ``<stain>_shell_1`` to ``_4``: mean density in four shells from the middle (1) to the outline (4), equally
          wide in the distance to the outline, over the nucleus' mean (CellProfiler's MeanFrac, Carpenter 2006); NaN
          where a shell has no pixel.
        * ``hematoxylin_displacement_um``: distance of the center of mass of hematoxylin from the center.
        * ``hematoxylin_total``: integrated density, as for the content of DNA.
    """
    sigmas = [blurred(planes[0], sigma / mpp_x, sigma / mpp_y) for sigma in DOT_UM]
    dots = (sigmas[0] - sigmas[1]) * np.float32(1 / strong)
    measured = _measure(labels, boxes, planes, dots, mpp_x, mpp_y)
    return dict(zip(CHROMATIN_FEATURES, measured.T, strict=True))


@kernel
def _measure(
    labels: Labels, boxes: Boxes, planes: Planes, dots: NDArray[np.float32], mpp_x: float, mpp_y: float
) -> Floats:
    out = np.full((len(boxes), 23), np.nan)
    pixel = mpp_x * mpp_y
    for i in range(len(boxes)):
        top, left, bottom, right = boxes[i]
        if bottom == 0:
            continue
        inside = labels[top:bottom, left:right] == i + 1
        first, second = planes[0, top:bottom, left:right], planes[1, top:bottom, left:right]
        # The outline runs half a pixel from the centers of the outer pixels.
        depth = _depths(inside, mpp_x, mpp_y) - 0.5 * min(mpp_x, mpp_y)
        mean, sd, eosin = _means(inside, first, second)
        _clumps(inside, first, depth, pixel, out[i, 0:6])
        _bright(inside, first, depth, pixel, mean - sd, out[i, 6:9])
        _dots(inside, dots[top:bottom, left:right], second, depth, eosin, out[i, 9:12])
        out[i, 12] = _margination(inside, first, depth, mean)
        _shells(inside, first, depth, mean, out[i, 13:17])
        _shells(inside, second, depth, eosin, out[i, 17:21])
        out[i, 21] = _displacement(inside, first, mpp_x, mpp_y)
        out[i, 22] = mean * inside.sum() * pixel
    return out


@kernel
def _depths(inside: Mask, mpp_x: float, mpp_y: float) -> Floats:
    """Distance in um (H, W) of each pixel's center from that of the nearest pixel outside; 0 outside.

    Exact (Meijster, Roerdink and Hesselink 2000): along columns first, then the nearest of those in a row.
    """
    steps, depth = _steps(inside), np.zeros(inside.shape)
    last = steps.shape[1] - 1
    for row in range(inside.shape[0]):
        for column in range(1, last):
            if steps[row, column] == 0:
                continue
            best, reach = (steps[row, column] * mpp_y) ** 2, 1
            while (reach * mpp_x) ** 2 < best:
                near = min(steps[row, max(column - reach, 0)], steps[row, min(column + reach, last)])
                best = min(best, (reach * mpp_x) ** 2 + (near * mpp_y) ** 2)
                reach += 1
            depth[row, column - 1] = math.sqrt(best)
    return depth


@kernel
def _steps(inside: Mask) -> NDArray[np.int64]:
    """Pixels (H, W + 2) to the nearest one outside along the column; with a column outside on either side."""
    height, width = inside.shape
    steps = np.zeros((height, width + 2), np.int64)
    for column in range(width):
        for row in range(height):
            if inside[row, column]:
                steps[row, column + 1] = (steps[row - 1, column + 1] if row else 0) + 1
        for row in range(height - 1, -1, -1):
            below = steps[row + 1, column + 1] if row + 1 < height else 0
            steps[row, column + 1] = min(steps[row, column + 1], below + 1)
    return steps


@kernel
def _means(inside: Mask, first: Planes, second: Planes) -> tuple[float, float, float]:
    """Mean and SD of the first plane over the nucleus, and mean of the second."""
    n, total, other, square = 0, 0.0, 0.0, 0.0
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                n += 1
                total += first[row, column]
                other += second[row, column]
    mean = total / n
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                square += (first[row, column] - mean) ** 2
    return mean, math.sqrt(square / n), other / n


@kernel
def _otsu(inside: Mask, plane: Planes) -> float:
    """Threshold between the darker and the lighter pixels of a nucleus; its largest value where all are equal."""
    low, high = np.inf, -np.inf
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                low, high = min(low, plane[row, column]), max(high, plane[row, column])
    counts = np.zeros(_BINS)
    width = (high - low) / _BINS
    if width < 1e-9:
        return high
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                counts[min(int((plane[row, column] - low) / width), _BINS - 1)] += 1
    return low + (_best_split(counts) + 0.5) * width


@kernel
def _best_split(counts: Floats) -> int:
    """Last bin of the lower class of a histogram whose two classes differ most (Otsu 1979)."""
    n, total = counts.sum(), 0.0
    for place in range(len(counts)):
        total += place * counts[place]
    best, split, below, sum_below = -1.0, 0, 0.0, 0.0
    for place in range(len(counts) - 1):
        below += counts[place]
        sum_below += place * counts[place]
        if 0 < below < n:
            apart = sum_below / below - (total - sum_below) / (n - below)
            between = below * (n - below) * apart * apart
            if between > best:
                best, split = between, place
    return split


@kernel
def _components(mask: Mask, least: float) -> tuple[int, int]:
    """Number of parts, connected by edges or corners, of at least so many pixels; and pixels of the largest part."""
    height, width = mask.shape
    if not mask.any():
        return 0, 0
    waiting, seen = np.empty((height * width, 2), np.int64), np.zeros((height, width), np.bool_)
    parts = largest = 0
    for row in range(height):
        for column in range(width):
            if not mask[row, column] or seen[row, column]:
                continue
            size, ahead = 0, 1
            waiting[0, 0], waiting[0, 1] = row, column
            seen[row, column] = True
            while size < ahead:
                y, x = waiting[size]
                size += 1
                for near_y in range(max(y - 1, 0), min(y + 2, height)):
                    for near_x in range(max(x - 1, 0), min(x + 2, width)):
                        if mask[near_y, near_x] and not seen[near_y, near_x]:
                            seen[near_y, near_x] = True
                            waiting[ahead, 0], waiting[ahead, 1] = near_y, near_x
                            ahead += 1
            parts += size >= least
            largest = max(largest, size)
    return parts, largest


@kernel
def _clumps(inside: Mask, plane: Planes, depth: Floats, pixel: float, out: Floats) -> None:
    threshold = _otsu(inside, plane)
    mask = np.zeros(inside.shape, np.bool_)
    n = dark = rim = 0
    total = dark_total = 0.0
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                n, total = n + 1, total + plane[row, column]
                if plane[row, column] > threshold:
                    mask[row, column] = True
                    dark, dark_total = dark + 1, dark_total + plane[row, column]
                    rim += depth[row, column] <= RIM_UM
    parts, largest = _components(mask, LEAST_UM2 / pixel)
    out[0], out[1], out[2], out[3] = dark * pixel, dark / n, parts, largest * pixel
    out[4] = dark_total / dark - (total - dark_total) / (n - dark) if 0 < dark < n else 0.0
    out[5] = rim / dark if dark else 0.0


@kernel
def _bright(inside: Mask, plane: Planes, depth: Floats, pixel: float, limit: float, out: Floats) -> None:
    mask = np.zeros(inside.shape, np.bool_)
    n = bright = 0
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                n += 1
                mask[row, column] = depth[row, column] > RIM_UM and plane[row, column] < limit
                bright += mask[row, column]
    out[0], out[1], out[2] = bright * pixel, bright / n, _components(mask, LEAST_UM2 / pixel)[0]


@kernel
def _dots(inside: Mask, dots: Planes, eosin: Planes, depth: Floats, mean: float, out: Floats) -> None:
    """Count local maxima of ``dots``; of equal neighbors the first in reading order is one."""
    height, width = inside.shape
    out[0], out[1], out[2] = 0, 0.0, 0.0
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            value = dots[row, column]
            if not inside[row, column] or depth[row, column] <= RIM_UM or value < LEAST_DOT:
                continue
            highest = True
            for y in range(row - 1, row + 2):
                for x in range(column - 1, column + 2):
                    before = y < row or (y == row and x < column)
                    highest &= (y == row and x == column) or value > dots[y, x] or (not before and value == dots[y, x])
            if highest:
                out[0] += 1
                if value > out[1]:
                    out[1], out[2] = value, eosin[row, column] - mean


@kernel
def _margination(inside: Mask, plane: Planes, depth: Floats, mean: float) -> float:
    """Correlation of the plane with the closeness to the outline; NaN where either is the same everywhere."""
    n, deep = 0, 0.0
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                n, deep = n + 1, deep + depth[row, column]
    deep /= n
    both = squares = others = 0.0
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                value, close = plane[row, column] - mean, deep - depth[row, column]
                both += value * close
                squares += value * value
                others += close * close
    return both / math.sqrt(squares * others) if squares > 1e-12 and others > 1e-12 else np.nan


@kernel
def _shells(inside: Mask, plane: Planes, depth: Floats, mean: float, out: Floats) -> None:
    """Write the mean in each shell over that of the nucleus."""
    deepest = depth.max()
    counts, sums = np.zeros(SHELLS), np.zeros(SHELLS)
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                shell = min(int((1.0 - depth[row, column] / deepest) * SHELLS), SHELLS - 1)
                counts[shell] += 1
                sums[shell] += plane[row, column]
    for shell in range(SHELLS):
        if counts[shell] and mean > 1e-9:
            out[shell] = sums[shell] / counts[shell] / mean


@kernel
def _displacement(inside: Mask, plane: Planes, mpp_x: float, mpp_y: float) -> float:
    n, weight = 0, 0.0
    x = y = heavy_x = heavy_y = 0.0
    for row in range(inside.shape[0]):
        for column in range(inside.shape[1]):
            if inside[row, column]:
                value = plane[row, column]
                n, weight = n + 1, weight + value
                x, y = x + column, y + row
                heavy_x, heavy_y = heavy_x + value * column, heavy_y + value * row
    if weight <= 1e-9:
        return np.nan
    return math.sqrt(((heavy_x / weight - x / n) * mpp_x) ** 2 + ((heavy_y / weight - y / n) * mpp_y) ** 2)
