"""What the model sees in a few windows at its own resolution, at a finer one and at a coarser one.

Where the mpp is right, the model is most confident at its own resolution: that is how a wrong mpp is noticed
(`models.mpp_guard`).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Final

import cv2
import numpy as np

from pathopipe.inspection.windows import Mask, Window, choose_windows
from pathopipe.models.base import NucleusModel
from pathopipe.models.mpp_guard import SCALES, Sight
from pathopipe.ops.channels import FOREGROUND
from pathopipe.ops.regions import Bins
from pathopipe.slide import Slide
from pathopipe.units import Grid

SIDE: Final = 256
WINDOWS: Final = (2, 16)
# Of the tissue's pixels; from 13 mm2 of tissue on there are all windows.
_SHARE: Final = 0.02
_FOREGROUND: Final = 128


@dataclass(frozen=True)
class _Seen:
    """One window: its pixels, and of its nuclei the number, the sum of scores and the median area in pixels."""

    pixels: int
    seeds: int
    score: float
    area_px: float


def look(
    slide: Slide, tissue: Mask, bins: Bins, model: NucleusModel, tissue_mm2: float, workers: int
) -> list[dict[str, float]]:
    """Look at windows spread over the tissue, at each of `SCALES` times the model's resolution.

    Parameters
    ----------
    tissue_mm2
        Area of the tissue, which sets the number of windows: at the model's resolution within `WINDOWS`.
    workers
        Threads to use; no result depends on it.

    Returns
    -------
    The fields of `Sight` for each scale.
    """
    few, many = WINDOWS
    pixels = tissue_mm2 * 1e6 / model.traits.mpp**2
    count = min(many, max(few, round(_SHARE * pixels / SIDE**2)))
    with ThreadPoolExecutor(workers) as threads:
        return [
            asdict(_sum_up(scale, list(threads.map(_see, repeat(slide), repeat(model), repeat(grid), windows))))
            for scale, grid, windows in _places(slide, tissue, bins, model.traits.mpp, count)
        ]


def _places(
    slide: Slide, tissue: Mask, bins: Bins, mpp: float, count: int
) -> Iterator[tuple[float, Grid, list[Window]]]:
    for scale in SCALES:
        grid = slide.grid(mpp * scale)
        # A window holds four times as many nuclei at twice the scale.
        windows = choose_windows(grid, tissue, bins, SIDE, round(count / scale), to_edge=True)
        yield scale, grid, windows


def _see(slide: Slide, model: NucleusModel, grid: Grid, window: Window) -> _Seen:
    prediction = model.predict(slide.read(grid, *window))
    foreground = (prediction.maps[FOREGROUND] >= _FOREGROUND).view(np.uint8)
    areas = cv2.connectedComponentsWithStats(foreground, connectivity=4)[2][1:, cv2.CC_STAT_AREA]
    median = float(np.median(areas)) / model.traits.upsampling**2 if len(areas) else 0.0
    score = float(prediction.scores.sum(dtype=np.float64))
    return _Seen(window[2] * window[3], len(prediction.seeds), score, median)


def _sum_up(scale: float, seen: list[_Seen]) -> Sight:
    seeds = sum(window.seeds for window in seen)
    score = sum(window.score for window in seen) / seeds if seeds else 0.0
    area = float(np.median([window.area_px for window in seen]))
    return Sight(scale, len(seen), sum(window.pixels for window in seen), seeds, round(score, 4), round(area, 2))
