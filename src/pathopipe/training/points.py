"""Outlines for nuclei annotated only as points: the network's own, one for each point and none elsewhere."""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.models.engine import Look, Maps
from pathopipe.models.seeds import with_barrier
from pathopipe.ops.assign import AssignSettings, assign, finish
from pathopipe.ops.channels import FOREGROUND, Channels
from pathopipe.training.targets import targets

_SETTINGS: Final = AssignSettings(foreground_threshold=0.4, radius_px=64, barrier_weight=2, min_area_px=60)
_DISC: Final = 9
# How much a pixel counts: of a drawn disc, and of what the network takes for a nucleus that nobody marked.
_GUESSED: Final = 128
_UNMARKED: Final = 64
_UNSURE: Final = (77, 178)


def turned(engine: Look) -> Look:
    """Let an engine see an image in all eight orientations, and average what it says."""

    def run(rgb: NDArray[np.uint8]) -> Maps:
        looks = _looks(engine, rgb)
        total = next(looks).astype(np.float32)
        for maps in looks:
            total += maps
        return np.rint(total / 8).astype(np.uint8)

    return run


def _looks(engine: Look, rgb: NDArray[np.uint8]) -> Iterator[Maps]:
    """See an image in each of its eight orientations, turned back."""
    for quarter in range(4):
        for mirrored in (False, True):
            seen = np.rot90(rgb, quarter)
            maps = engine(np.ascontiguousarray(seen[:, ::-1] if mirrored else seen))
            yield np.rot90(maps[:, :, ::-1] if mirrored else maps, -quarter, axes=(1, 2))


def outline_points(maps: Channels, points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Make targets from points and what a network sees.

    Parameters
    ----------
    maps
        A network's, (H, W) each.
    points
        (N, 2) x, y of all nuclei, in pixels of the maps.

    Returns
    -------
    uint8 (H, W, 3): targets and weight, see :class:`pathopipe.training.augment.Field`. Each point gets the part of the
    foreground that it reaches first; where that is too little, a disc, whose surroundings don't count.
    """
    labels, weight, _ = outlined_points(maps, points)
    return np.dstack([targets(labels), weight])


def outlined_points(
    maps: Channels, points: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.intp]]:
    """Do as `outline_points`; returns labels (H, W), the weight (H, W), and of the labels 1, 2, … the row in points."""
    foreground = maps[FOREGROUND]
    height, width = foreground.shape
    pixels = np.floor(points[:, ::-1]).astype(np.int32).clip(0, (height - 1, width - 1))
    seeds, rows = np.unique(pixels, axis=0, return_index=True)
    labels = finish(assign(seeds, with_barrier(maps), _SETTINGS), seeds, _SETTINGS)
    weight = np.full((height, width), 255, np.uint8)
    weight[(foreground > _UNSURE[0]) & (foreground < _UNSURE[1])] = _GUESSED
    weight[(labels == 0) & (foreground >= _UNSURE[1])] = _UNMARKED
    lost = np.setdiff1d(np.arange(1, len(seeds) + 1), labels)
    _draw_discs(labels, weight, lost, seeds)
    return labels, weight, rows


def _draw_discs(
    labels: NDArray[np.int32], weight: NDArray[np.uint8], lost: NDArray[np.int64], seeds: NDArray[np.int32]
) -> None:
    """Draw a disc where a point got no outline; around it nothing is known."""
    for label in lost:
        y, x = (int(value) for value in seeds[label - 1])
        cv2.circle(weight, (x, y), 2 * _DISC, 0, -1)
    for label in lost:
        y, x = (int(value) for value in seeds[label - 1])
        top, left = max(0, y - _DISC), max(0, x - _DISC)
        part = labels[top : y + _DISC + 1, left : x + _DISC + 1]
        disc = cv2.circle(np.zeros(part.shape, np.uint8), (x - left, y - top), _DISC, 1, -1).view(np.bool_)
        free = disc & (part == 0)
        part[free] = label
        weight[top : y + _DISC + 1, left : x + _DISC + 1][free] = _GUESSED
