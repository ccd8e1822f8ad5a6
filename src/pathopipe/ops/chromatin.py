"""How chromatin lies in nuclei: dark clumps, bright spots, dots like nucleoli, and how much of it lies at the rim.

Lists of what the pixels of all nuclei hold and of how deep they lie, in the order of the runs, are all that most
measures need: `depths`, `clumps` and `dots` make or use them.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.clumps import measure_clumps
from pathopipe.ops.depths import depths
from pathopipe.ops.dots import measure_dots
from pathopipe.ops.runs import Runs

RIM_UM: Final = 0.75
"""Width of the rim of a nucleus."""
LEAST_UM2: Final = 0.2
"""Smaller clumps and spots are not counted."""
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

_TOGETHER: Final = 128
"""Nuclei whose lists stay in the processor's cache from one measure to the next."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Planes = NDArray[np.float32]


def measure_chromatin(runs: Runs, planes: Planes, strong: float, mpp_x: float, mpp_y: float) -> dict[str, Floats]:
    """Measure how hematoxylin lies in nuclei.

    Parameters
    ----------
    runs
        Pixels of the nuclei. Only what lies outside of the slide may be missing of the 5 um around them.
    planes
        float32 (2 or more, H, W): hematoxylin and eosin, in optical density.
    strong
        The slide's strong hematoxylin, which the height of dots is relative to.
    mpp_x, mpp_y
        Micrometers per pixel.

    Returns
    -------
    dict
        One float64 array (n,) per name of ``CHROMATIN_FEATURES``; NaN where a nucleus has no pixel.

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
    parts = [
        _measure(runs.take(first, first + _TOGETHER), planes, LEAST_DOT * strong, mpp_x, mpp_y)
        for first in range(0, max(len(runs), 1), _TOGETHER)
    ]
    columns = np.concatenate(parts).T
    columns[CHROMATIN_FEATURES.index("dot_height")] /= strong
    return dict(zip(CHROMATIN_FEATURES, columns, strict=True))


def _measure(runs: Runs, planes: Planes, least_dot: float, mpp_x: float, mpp_y: float) -> Floats:
    """Measure a few nuclei, with dots of at least this height; (n, 23)."""
    deep, pixels = depths(runs, mpp_x, mpp_y)
    values, moments = np.empty_like(deep), np.full((len(runs), 3), np.nan)
    columns = np.full((len(runs), len(CHROMATIN_FEATURES)), np.nan)
    _spread(*runs, planes, deep, mpp_x, mpp_y, values, moments, columns[:, 12:])
    mean, sd, eosin = moments.T
    measure_clumps(*runs, values, deep, mean - sd, pixels, mpp_x * mpp_y, RIM_UM, LEAST_UM2, columns[:, :9])
    columns[:, 9:12] = measure_dots(runs, planes, deep, eosin, RIM_UM, least_dot, (mpp_x, mpp_y))
    return columns


@kernel
def _spread(
    runs: Counts,
    ends: Counts,
    planes: Planes,
    depth: Floats,
    mpp_x: float,
    mpp_y: float,
    values: Floats,
    moments: Floats,
    out: Floats,
) -> None:
    """Write what hematoxylin the pixels hold, its mean, its SD and the mean of eosin, and the measures from 12 on."""
    begin, eosin = 0, np.empty(len(values))
    for i in range(len(out)):
        own = runs[ends[i] : ends[i + 1]]
        if len(own) == 0:
            continue
        n = (own[:, 2] - own[:, 1]).sum()
        mine = slice(begin, begin + n)
        begin += n
        first, second, deep = values[mine], eosin[mine], depth[mine]
        sums = _gather(planes, own, deep, first, second)
        mean, other = sums[0] / n, sums[1] / n
        deviation, out[i, 0] = _margination(first, deep, mean, sums[2] / n)
        moments[i, 0], moments[i, 1], moments[i, 2] = mean, deviation, other
        _shells(first, second, deep, sums[3], mean, other, out[i, 1:9])
        out[i, 9] = _displacement(own, sums[0], sums[4], sums[5], mpp_x, mpp_y)
        out[i, 10] = mean * n * (mpp_x * mpp_y)


@kernel
def _gather(
    planes: Planes, runs: Counts, depth: Floats, first: Floats, second: Floats
) -> tuple[float, float, float, float, float, float]:
    """Copy the values of the pixels of runs.

    Returns their sums, sum and largest of the depths, and the first sum weighted by column and by row, which begin at
    the first pixel.
    """
    n, deepest, total, other, deep, heavy_x, heavy_y = 0, depth[0], 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(runs)):
        row, begin = runs[k, 0], runs[k, 1]
        one, two = planes[0, row, begin : runs[k, 2]], planes[1, row, begin : runs[k, 2]]
        down, across = float(row - runs[0, 0]), float(begin - runs[0, 1])
        for x in range(one.size):
            # Six sums side by side: each would have to wait for itself.
            value = np.float64(one[x])
            first[n], second[n] = value, two[x]
            total += value
            other += two[x]
            deep += depth[n]
            heavy_x += value * across
            heavy_y += value * down
            deepest = max(deepest, depth[n])
            across += 1.0
            n += 1
    return total, other, deep, deepest, heavy_x, heavy_y


@kernel
def _margination(plane: Floats, depth: Floats, mean: float, deep: float) -> tuple[float, float]:
    """SD of a plane, and its correlation with the closeness to the outline; NaN where either is the same everywhere."""
    both = squares = others = 0.0
    for k in range(len(plane)):
        value, close = plane[k] - mean, deep - depth[k]
        both += value * close
        squares += value * value
        others += close * close
    margination = both / math.sqrt(squares * others) if squares > 1e-12 and others > 1e-12 else np.nan
    return math.sqrt(squares / len(plane)), margination


@kernel
def _shells(
    first: Floats, second: Floats, depth: Floats, deepest: float, mean: float, other_mean: float, out: Floats
) -> None:
    """Write the means of both planes in each shell over those of the nucleus."""
    # Four sums of each: most pixels lie in the same shell as the one before, and would have to wait for its sum.
    slots, counts, ones, others = np.empty(len(depth), np.uint8), np.zeros(16), np.zeros(16), np.zeros(16)
    for k in range(len(depth)):
        slots[k] = min(int((1.0 - depth[k] / deepest) * SHELLS), SHELLS - 1) + SHELLS * (k & 3)
    for k in range(len(depth)):
        counts[slots[k]] += 1
        ones[slots[k]] += first[k]
        others[slots[k]] += second[k]
    for shell in range(SHELLS):
        n, one, other = counts[shell::SHELLS].sum(), ones[shell::SHELLS].sum(), others[shell::SHELLS].sum()
        if n and mean > 1e-9:
            out[shell] = one / n / mean
        if n and other_mean > 1e-9:
            out[SHELLS + shell] = other / n / other_mean


@kernel
def _displacement(runs: Counts, weight: float, heavy_x: float, heavy_y: float, mpp_x: float, mpp_y: float) -> float:
    """Distance of the center of mass, of a weight and its sums by column and row, from the center of the pixels."""
    n = x = y = 0
    for k in range(len(runs)):
        first, after = runs[k, 1] - runs[0, 1], runs[k, 2] - runs[0, 1]
        n += after - first
        x += (after - first) * (first + after - 1) // 2
        y += (after - first) * (runs[k, 0] - runs[0, 0])
    if weight <= 1e-9:
        return np.nan
    return math.sqrt(((heavy_x / weight - x / n) * mpp_x) ** 2 + ((heavy_y / weight - y / n) * mpp_y) ** 2)
