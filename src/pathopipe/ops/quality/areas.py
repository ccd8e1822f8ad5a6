"""From what single bins look like to areas of a quality map: what is named, how small an area counts, what is left."""

from collections.abc import Sequence
from typing import Final, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.pipeline import Artifact

ARTIFACTS: Final[tuple[str, ...]] = get_args(Artifact)
"""Names of artifacts; number 0 of a map is sound, number i + 1 the i-th of these."""
NUMBERS: Final = {name: number for number, name in enumerate(ARTIFACTS, 1)}
DOUBTFUL: Final = 128
"""Added to the number of a bin that counts if it lies in an area with bins that are sure."""
BLUR_STEP_UM: Final = 0.05
"""Of a map of blur in whole numbers."""

_CLOSE: Final = {"bubble": 6, "pen": 2, "fold": 2, "out of focus": 4}
"""Bins over which gaps in areas are closed."""
_ENCLOSED: Final = 0.55
"""Share of the border of a piece of tissue that must be a rim, so that it lies in the bubble."""
_SURE_SHARE: Final = {"fold": 0.35, "out of focus": 0.2}
"""Share of the bins of an area that must be sure: dense tissue looks like a fold in places, soft tissue like blur."""
_USUAL_SHARE: Final = 0.1
_FOCUS_AREA: Final = 8.0
"""Blur is judged by wide surroundings: an area of it counts from this many times the least area on."""

Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]


def tidy(labels: Labels, tissue: Mask, least: float) -> Labels:
    """Make areas of single bins.

    Gaps are closed, what a bubble's rim encloses is the bubble, and areas of less than ``least`` bins are dropped. Of
    artifacts that meet, the first of `ARTIFACTS` counts.

    Parameters
    ----------
    labels
    uint8 (H, W): numbers of artifacts, as single bins look; with `DOUBTFUL` added where that is not sure.
    tissue
        (H, W): what is to be judged.
    """
    out = np.zeros_like(labels)
    for name in reversed(ARTIFACTS):
        sure, doubtful = labels == NUMBERS[name], labels == NUMBERS[name] + DOUBTFUL
        if not sure.any():
            continue
        mask = _grown(sure, sure | doubtful, _CLOSE.get(name, 0), _SURE_SHARE.get(name, _USUAL_SHARE))
        if name == "bubble":
            mask = _filled(mask, tissue)
        area = least * (_FOCUS_AREA if name == "out of focus" else 1)
        # An area that is all of a small piece counts, however small.
        mask = keep_large(mask & tissue, min(area, 0.5 * np.count_nonzero(tissue)))
        out[mask] = NUMBERS[name]
    return out


def sound_bins(labels: Labels, tissue: Mask, exclude: Sequence[str], least: float) -> Mask:
    """Return the bins of the tissue that are left, on a grid half as fine as that of the labels.

    A bin is left out when half of it is; an islet of fewer than ``least`` bins among what is left out goes with it.
    """
    out = np.isin(labels, [NUMBERS[name] for name in exclude])
    if not out.any():
        return tissue
    count = out[::2, ::2].astype(np.uint8) + out[1::2, ::2] + out[::2, 1::2] + out[1::2, 1::2]
    bad = count >= 2
    left = tissue & ~bad
    small = left & ~keep_large(left, least)
    around = cv2.dilate(bad.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    _, pieces = cv2.connectedComponents(small.view(np.uint8), connectivity=8)
    touching = np.unique(pieces[small & around])
    return np.asarray(left & ~(np.isin(pieces, touching) & small), np.bool_)


def keep_large(mask: Mask, bins: float) -> Mask:
    """Drop the areas of fewer bins."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= bins
    large[0] = False
    return np.asarray(large[pieces], np.bool_)


def _grown(sure: Mask, doubtful: Mask, radius: int, share: float) -> Mask:
    """Close gaps between doubtful bins, and keep the areas with enough sure ones (hysteresis, Canny 1986)."""
    wide = _closed(doubtful, radius) if radius else doubtful
    _, pieces = cv2.connectedComponents(wide.view(np.uint8), connectivity=8)
    every, own = (np.bincount(pieces[which], minlength=pieces.max() + 1) for which in (doubtful, sure))
    return np.asarray((own > share * every)[pieces] & wide, np.bool_)


def _closed(mask: Mask, radius: int) -> Mask:
    size = 2 * radius + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    padded = np.pad(mask.astype(np.uint8), radius, mode="edge")
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)
    return closed[radius:-radius, radius:-radius].astype(bool)


def _filled(rim: Mask, tissue: Mask) -> Mask:
    """Fill what rims enclose, together with the border of the tissue: tissue most of whose border is a rim."""
    _, pieces = cv2.connectedComponents((tissue & ~rim).view(np.uint8), connectivity=4)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    padded = np.pad(pieces, 1)
    around = [padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]]
    edge = np.any([near != pieces for near in around], axis=0) & (pieces > 0)
    beside = cv2.dilate(rim.view(np.uint8), cross).astype(bool) & edge
    edges, rims = (np.bincount(pieces[which], minlength=pieces.max() + 1) for which in (edge, beside))
    return np.asarray(rim | ((rims > _ENCLOSED * edges) & (rims > 0))[pieces], np.bool_)
