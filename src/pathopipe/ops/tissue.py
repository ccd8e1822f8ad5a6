"""Telling tissue from glass, shadow and pen on a coarse view of a slide."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
RGB = NDArray[np.uint8]

_THRESHOLD_RANGE = (0.05, 0.12)
_LEAST_CHROMA = 0.02
_ALL_TISSUE_SHARE = 0.95
_CLOSE_UM = 24.0
_HOLE_MM2 = 0.02
_PEN_MM2 = 0.05
_PEN_VIEW_MM2 = 4.0
_DARK_MEDIAN = 40


@dataclass(frozen=True)
class TissueView:
    """What is where on a coarse view: masks of its shape, and the share of the view that pen covers."""

    tissue: Mask
    pen_share: float


def looks_dark(view: RGB) -> bool:
    """Whether a view (H, W, 3) is dark as in fluorescence; brightfield shows its light."""
    return bool(np.median(view.max(axis=2)) < _DARK_MEDIAN)


def find_tissue(view: RGB, cell_um: float, min_area_mm2: float, margin_um: float) -> TissueView:
    """Find tissue on a view (H, W, 3) of ``cell_um`` micrometers per pixel.

    Optical density against the slide's own glass, with Otsu's threshold (Otsu 1979) kept within the range in which
    faint tissue ends and stained tissue begins; shadows and dust have no color, and pens have colors that hematoxylin
    and eosin never mix to. A view that is nearly all tissue is a field of view, and then all of it counts.
    """
    density = _density(np.asarray(cv2.GaussianBlur(view, (3, 3), 0), np.uint8), _glass(view))
    total = density.sum(axis=2)
    chroma = density.max(axis=2) - density.min(axis=2)
    tissue = (total > _threshold(total)) & ((chroma > _LEAST_CHROMA) | (total > 0.6))
    cell_mm2 = (cell_um / 1000) ** 2
    pen = _pen(density, cell_mm2)
    tissue = _tidy(tissue & ~pen, cell_um, min(min_area_mm2, 0.05 * tissue.size * cell_mm2))
    if tissue.mean() >= _ALL_TISSUE_SHARE:
        return TissueView(np.ones_like(tissue), 0.0)
    widened = _dilate(tissue, round(margin_um / cell_um)) & ~pen
    return TissueView(widened, float(pen.mean()))


def _glass(view: RGB) -> NDArray[np.float32]:
    """Color of empty glass: the most frequent bright and colorless one; a usual white where there is none."""
    low, high = view.min(axis=2).astype(np.int16), view.max(axis=2).astype(np.int16)
    candidates = view[(low > 180) & (high - low < 40)]
    if len(candidates) < 0.005 * low.size:
        return np.full(3, 243, np.float32)
    gray = candidates.mean(axis=1)
    histogram = np.bincount(gray.astype(np.int64), minlength=256)
    mode = int(np.convolve(histogram, np.ones(5, np.int64), "same").argmax())
    glass: NDArray[np.float32] = np.median(candidates[np.abs(gray - mode) <= 3], axis=0).astype(np.float32)
    return np.maximum(glass, 215)


def _density(view: RGB, glass: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.maximum(np.log10((glass + 1) / (view.astype(np.float32) + 1)), 0), np.float32)


def _threshold(total: NDArray[np.float32]) -> float:
    scaled = np.clip(total * 200, 0, 255).astype(np.uint8)
    otsu = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0] / 200
    return float(np.clip(otsu, *_THRESHOLD_RANGE))


def _pen(density: NDArray[np.float32], cell_mm2: float) -> Mask:
    """Felt pen: red absorbed far more than green (blue pen), green the least (green pen), or all light (black)."""
    if density[..., 0].size * cell_mm2 < _PEN_VIEW_MM2:
        return np.zeros(density.shape[:2], bool)
    red, green, blue = np.moveaxis(density, 2, 0)
    blue_pen = (red > 1.3 * green) & (red > 0.15) & (blue < green)
    green_pen = (green < 0.8 * red) & (green < 0.8 * blue) & (red > 0.15)
    black_pen = (density.min(axis=2) > 0.7) & (density.max(axis=2) < 1.25 * density.min(axis=2))
    marks = _keep_large(blue_pen | green_pen | black_pen, _PEN_MM2 / cell_mm2)
    return _dilate(marks, 2)


def _tidy(mask: Mask, cell_um: float, min_area_mm2: float) -> Mask:
    """Close gaps, fill small holes, and drop specks."""
    radius = round(_CLOSE_UM / cell_um)
    # The frame is mirrored, so that closing neither eats nor grows tissue at the edge of the slide.
    padded = np.pad(mask.astype(np.uint8), radius, mode="symmetric" if min(mask.shape) > radius else "edge")
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, _disc(radius)).astype(bool)
    closed = closed[radius : radius + mask.shape[0], radius : radius + mask.shape[1]]
    cell_mm2 = (cell_um / 1000) ** 2
    filled = ~_keep_large(~closed, _HOLE_MM2 / cell_mm2)
    return _keep_large(filled, min_area_mm2 / cell_mm2)


def _disc(radius: int) -> NDArray[np.uint8]:
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _dilate(mask: Mask, radius: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), _disc(radius)).astype(bool)


def _keep_large(mask: Mask, cells: float) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= cells
    large[0] = False
    result: Mask = large[labels]
    return result


def sharpness(rgb: RGB) -> float:
    """Sharpness of a window (H, W, 3): energy of the Laplacian relative to the variance of the green channel.

    After the comparison of focus measures by Pertuz, Puig and Garcia (2013); relative, so that stain strength and
    the amount of tissue hardly matter.
    """
    green = rgb[..., 1].astype(np.float32)
    smooth = cv2.GaussianBlur(green, (3, 3), 0)
    variance = float(smooth.var())
    return float(cv2.Laplacian(smooth, cv2.CV_32F).var()) / variance if variance > 1 else 0.0
