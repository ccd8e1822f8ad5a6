"""Telling tissue from glass, shadow and pen on a coarse view of a slide."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
RGB = NDArray[np.uint8]

_USUAL_WHITE = 243
_GLASS_LEAST = 180
_GLASS_MAGENTA = 10
_GLASS_TINT = 50
_GLASS_ROUGHNESS = 1.2
_GLASS_SHARE = 0.05
_ROUGH = 1.5
_SMEAR = 3  # bins by which the windows of roughness and tint reach beyond tissue
_TINTED_TOTAL = 0.03
_TINTED_CHROMA = 0.012
_THRESHOLD_RANGE = (0.05, 0.12)
_LEAST_CHROMA = 0.02
_ALL_TISSUE_SHARE = 0.95
_CLOSE_UM = 24.0
_HOLE_MM2 = 0.02
_PEN_MM2 = 0.05
_PEN_VIEW_MM2 = 4.0
_DARK_MEDIAN = 40
_BLACK = 8
_BLACK_CELLS = 9
_DIM = 15
_STRIP = 64
_REACH = 4  # bins that roughness and tint, and the means over them, look far


@dataclass(frozen=True)
class TissueView:
    """What is where on a coarse view: the tissue, the share that pen covers, and the color of glass where it shows."""

    tissue: Mask
    pen_share: float
    glass: tuple[float, float, float] | None = None


def looks_dark(view: RGB) -> bool:
    """Whether a view (H, W, 3) is dark as in fluorescence; brightfield shows its light where anything was scanned.

    Fluorescence lacks at least one color nearly everywhere, stained tissue hardly anywhere.
    """
    scanned = view[~unscanned(view)]
    if not len(scanned) or np.median(scanned.max(axis=1)) < _DARK_MEDIAN:
        return True
    return len(scanned) < view[..., 0].size and bool(np.median(scanned.min(axis=1)) < _DIM)


def unscanned(view: RGB) -> Mask:
    """Bins of a view (H, W, 3) that a scanner or an export filled with black, and those that touch them."""
    return _dilate(_keep_large(view.max(axis=2) <= _BLACK, _BLACK_CELLS), 1)


def find_tissue(view: RGB, bin_um: float, min_area_mm2: float, margin_um: float) -> TissueView:
    """Find tissue on a view (H, W, 3) of ``bin_um`` micrometers per pixel.

    Tissue is dense and colored against the slide's own glass, or pale but rough where glass is smooth. Shadows and
    dust have no color, and pens have colors that hematoxylin and eosin never mix to. A view without glass, or nearly
    all tissue, is a field of view, and then all of it counts. Black that fills what was not scanned never does.
    """
    black = unscanned(view)
    glass, glass_share = _glass(view, black)
    if black.any():
        view = view.copy()
        view[black] = np.rint(glass)
    scanned = int(black.size - np.count_nonzero(black))
    shown = _color(glass) if glass_share >= _GLASS_SHARE else None
    pale, threshold = _pale(view, glass)
    if glass_share < _GLASS_SHARE and np.count_nonzero(pale) > 0.5 * scanned:
        return TissueView(~black, 0.0, shown)
    tissue, faint_ink, strong_ink = _colors(view, glass, threshold)
    tissue |= _shrink(pale, _SMEAR)
    bin_mm2 = (bin_um / 1000) ** 2
    pen = _pen(faint_ink, strong_ink, bin_mm2)
    del pale, faint_ink, strong_ink
    tissue = _tidy(tissue & ~pen, bin_um, min(min_area_mm2, 0.05 * tissue.size * bin_mm2)) & ~black
    if np.count_nonzero(tissue) >= _ALL_TISSUE_SHARE * scanned > 0:
        return TissueView(~black, 0.0, shown)
    widened = _dilate(tissue, round(margin_um / bin_um)) & ~pen & ~black
    return TissueView(widened, float(pen.mean()), shown)


def _color(values: NDArray[np.float32]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


@dataclass(frozen=True)
class _Strip:
    """Some rows of a view, so that what has several numbers per pixel is never there for all of it.

    `pixels` has `_REACH` more rows on either side, as far as the view goes; `own` are the strip's among them.
    """

    rows: slice
    pixels: RGB
    own: slice


def _strips(view: RGB) -> Iterator[_Strip]:
    for top in range(0, len(view), _STRIP):
        first, bottom = max(0, top - _REACH), min(len(view), top + _STRIP)
        yield _Strip(slice(top, bottom), view[first : bottom + _REACH], slice(top - first, bottom - first))


def _roughness(view: RGB) -> NDArray[np.float32]:
    """Standard deviation of the gray values of 3 x 3 bins: around 0.3 on glass, around 5 on the palest tissue."""
    gray = view.astype(np.float32).mean(axis=2)
    variance = _mean(gray * gray, 3) - _mean(gray, 3) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, 0)), np.float32)


def _mean(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)


def _glass(view: RGB, black: Mask) -> tuple[NDArray[np.float32], float]:
    """Color of empty glass, a usual white where there is none, and the share of what was scanned that is glass.

    Glass is bright and smooth, and no stain: both stains take more from green than from red and blue (Ruifrok and
    Johnston 2001), the tint of a lamp does not.
    """
    # How often each value of a color (3, ..., 256) occurs with each sum of the three (..., 766, ...).
    counts = np.zeros((3, 766, 256), np.int64)
    each = counts.reshape(3, -1)
    for strip in _strips(view):
        red, green, blue = np.moveaxis(strip.pixels.astype(np.int16), 2, 0)
        bright = np.minimum(np.minimum(red, green), blue) > _GLASS_LEAST
        plain = (red + blue - 2 * green < 2 * _GLASS_MAGENTA) & (abs(red - blue) < _GLASS_TINT)
        candidates = (bright & plain & (_roughness(strip.pixels) < _GLASS_ROUGHNESS))[strip.own] & ~black[strip.rows]
        colors = strip.pixels[strip.own][candidates].astype(np.int64)
        places = colors.sum(axis=1) * 256
        each += [np.bincount(places + values, minlength=each.shape[1]) for values in colors.T]
    share = int(counts[0].sum()) / max(1, int(np.count_nonzero(~black)))
    if share < _GLASS_SHARE:
        return np.full(3, _USUAL_WHITE, np.float32), share
    grays = counts[0].sum(axis=1)
    histogram = np.bincount(np.arange(766) // 3, grays, minlength=256).astype(np.int64)
    mode = int(np.convolve(histogram, np.ones(5, np.int64), "same").argmax())
    around = counts[:, max(0, 3 * mode - 9) : 3 * mode + 10].sum(axis=1)
    return np.array([_median(of_color) for of_color in around], np.float32), share


def _median(counts: NDArray[np.int64]) -> float:
    """Return the median of values 0, 1, 2, … that occur so often."""
    below, total = np.cumsum(counts), int(counts.sum())
    middle = np.searchsorted(below, [(total - 1) // 2, total // 2], side="right")
    return float(middle.mean())


def _density(view: RGB, glass: NDArray[np.float32]) -> NDArray[np.float32]:
    smooth = np.asarray(cv2.GaussianBlur(view, (3, 3), 0), np.float32)
    return np.asarray(np.maximum(np.log10((glass + 1) / (smooth + 1)), 0), np.float32)


def _pale(view: RGB, glass: NDArray[np.float32]) -> tuple[Mask, np.float64]:
    """What is rough and a little colored; and how dense stained tissue is at least.

    That is Otsu's threshold (Otsu 1979), kept within where faint tissue ends and stained begins.
    """
    pale, scaled = np.empty(view.shape[:2], bool), np.empty(view.shape[:2], np.uint8)
    for strip in _strips(view):
        density = _density(strip.pixels, glass)
        rough = _mean(_roughness(strip.pixels), 5) > _ROUGH
        pale[strip.rows] = (rough & _tinted(density))[strip.own]
        scaled[strip.rows] = np.clip(density[strip.own].sum(axis=2) * 200, 0, 255)
    otsu = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0] / 200
    return pale, np.float64(np.clip(otsu, *_THRESHOLD_RANGE))


def _colors(view: RGB, glass: NDArray[np.float32], threshold: np.float64) -> tuple[Mask, Mask, Mask]:
    """What is colored and dense, and what may be ink, and what certainly is."""
    stained, faint_ink, strong_ink = (np.empty(view.shape[:2], bool) for _ in range(3))
    for strip in _strips(view):
        density = _density(strip.pixels, glass)[strip.own]
        total = density.sum(axis=2)
        colored = _chroma(density) > np.maximum(_LEAST_CHROMA, 0.05 * total)
        stained[strip.rows] = (total > threshold) & colored
        faint_ink[strip.rows] = _ink(density, 1.05)
        strong_ink[strip.rows] = _ink(density, 1.15)
    return stained, faint_ink, strong_ink


def _tinted(density: NDArray[np.float32]) -> Mask:
    """On average a little dense and colored: what tells pale tissue from the grain of glass, dust and scratches."""
    around = _mean(density, 7)
    total = around.sum(axis=2)
    return np.asarray((total > _TINTED_TOTAL) & (_chroma(around) > np.maximum(_TINTED_CHROMA, 0.1 * total)))


def _chroma(density: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(density.max(axis=2) - density.min(axis=2), np.float32)


def _pen(faint: Mask, strong: Mask, bin_mm2: float) -> Mask:
    """Felt pen: its sure parts, where they are large, and what is connected to them and nearly as sure.

    On the H&E fields of NuCLS, TNBC, MoNuSeg, BRCA-M2C and GlaS red is absorbed at most 0.9 times as much as green in
    99.9% of the stained bins.
    """
    if faint.size * bin_mm2 < _PEN_VIEW_MM2:
        return np.zeros_like(faint)
    sure = _keep_large(strong, _PEN_MM2 / bin_mm2)
    count, labels = cv2.connectedComponents((sure | faint).view(np.uint8), connectivity=8)
    marked = np.zeros(count, bool)
    marked[labels[sure]] = True
    marked[0] = False
    return _dilate(_chosen(labels, marked), 2)


def _ink(density: NDArray[np.float32], contrast: float) -> Mask:
    """Colors of ink: blue or green, where red is absorbed the most; red; black, where all is absorbed alike."""
    red, green, blue = np.moveaxis(density, 2, 0)
    low, high = density.min(axis=2), density.max(axis=2)
    blue_green = (red > contrast * green) & (red > contrast * blue) & (red > 0.12)
    green_dark = (blue > contrast * green) & (red > contrast * green) & (red > 0.12)
    bright_red = (green > 0.5) & (blue > 0.75 * contrast * green) & (red < 0.2 * green)
    black = (low > 0.55 * contrast) & (high < 1.5 / contrast * low)
    return np.asarray(blue_green | green_dark | bright_red | black)


def _tidy(mask: Mask, bin_um: float, min_area_mm2: float) -> Mask:
    """Close gaps, fill small holes, and drop specks."""
    radius = round(_CLOSE_UM / bin_um)
    # The frame is mirrored, so that closing neither eats nor grows tissue at the edge of the slide.
    padded = np.pad(mask.astype(np.uint8), radius, mode="symmetric" if min(mask.shape) > radius else "edge")
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, _disc(radius)).astype(bool)
    closed = closed[radius : radius + mask.shape[0], radius : radius + mask.shape[1]]
    bin_mm2 = (bin_um / 1000) ** 2
    # A field of view smaller than a hole counts as tissue whatever it shows: too small to know glass by.
    filled = ~_keep_large(~closed, _HOLE_MM2 / bin_mm2)
    return _keep_large(filled, min_area_mm2 / bin_mm2)


def _disc(radius: int) -> NDArray[np.uint8]:
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _dilate(mask: Mask, radius: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), _disc(radius)).astype(bool)


def _shrink(mask: Mask, radius: int) -> Mask:
    return cv2.erode(mask.astype(np.uint8), _disc(radius)).astype(bool)


def _keep_large(mask: Mask, bins: float) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= bins
    large[0] = False
    return _chosen(labels, large)


def _chosen(labels: NDArray[Any], which: Mask) -> Mask:
    """Where labels are of those chosen; some rows at a time, for NumPy makes 8 bytes of every index."""
    return np.concatenate([which[labels[top : top + _STRIP]] for top in range(0, len(labels), _STRIP)])


def sharpness(rgb: RGB) -> float:
    """Sharpness of a window (H, W, 3): variance of its finest detail relative to that of twice as coarse detail.

    Differences of Gaussians (Burt and Adelson 1983) of 1, 2 and 4 pixels of the green channel; relative, so that
    neither the strength of the stain nor the amount of tissue matters. Infinite where there is nothing to judge by.
    """
    green = rgb[..., 1].astype(np.float32)
    fine, middle, coarse = (cv2.GaussianBlur(green, (0, 0), sigma) for sigma in (1, 2, 4))
    reference = float((middle - coarse).var())
    return float((fine - middle).var()) / reference if reference > 1 else float("inf")
