"""Whether an image has the colors of hematoxylin and eosin, and a background that light through glass can have.

Colors are distinguished by their hue in optical density: the direction of (green - blue, green - red), which neither
the strength of a stain nor a gray filter changes. Of the vectors of Ruifrok and Johnston (2001) hematoxylin lies at 7
degrees, eosin at 46, diaminobenzidine at 124, methyl blue at -23; red blood cells lie at 60 to 80.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

HE_HUES: Final = (-15.0, 85.0)
EOSIN_HUE: Final = 25.0
# Below this difference of optical densities a color is a tint, or noise.
LEAST_CHROMA: Final = 0.1
LEAST_COLORED: Final = 500
BRIGHT_LIGHT: Final = 150
# Glass in samples of tissue: the brightest pixels, where their tint is not a stain.
_BRIGHTEST: Final = 99.0
_TINT: Final = 0.2
_MAGENTA: Final = 20
# Background on a view: bins as smooth as glass, many of them of nearly the same color.
_SMOOTH: Final = 1.2
_BRIGHT: Final = 180
_BIN: Final = 16
_NEAR: Final = 12
_MOST_CELLS: Final = 1 << 20


@dataclass(frozen=True)
class Colors:
    """What colors the pixels of stained tissue have.

    Attributes
    ----------
    foreign
        Share of the color that neither hematoxylin nor eosin, nor what they mix to, can have.
    eosin
        Share of the color that holds eosin.
    tilt
        Correlation of density with what red absorbs beyond blue. Nuclei are the densest, and hematoxylin takes red.
    light
        99th percentile of the darkest channel, 0 to 255.
    colorfulness
        99.9th percentile of the difference of the lightest and the darkest channel, 0 to 255.
    """

    foreign: float
    eosin: float
    tilt: float
    light: float
    colorfulness: float


def colors_of(pixels: Pixels) -> Colors:
    """Describe the colors of pixels (N, 3); shares are weighted by chroma squared.

    Where hardly any pixel is colored, nothing speaks against hematoxylin and eosin.
    """
    high, low = pixels.max(axis=1), pixels.min(axis=1)
    light, colorfulness = float(np.percentile(low, 99)), float(np.percentile(high - low, 99.9))
    density = np.maximum(np.log10((_white(pixels) + 1) / (pixels.astype(np.float32) + 1)), 0)
    chroma = density.max(axis=1) - density.min(axis=1)
    colored = chroma > LEAST_CHROMA
    if np.count_nonzero(colored) < LEAST_COLORED:
        return Colors(0.0, 1.0, 1.0, light, colorfulness)
    density, weights = density[colored], chroma[colored].astype(np.float64) ** 2
    red, green, blue = density.T
    hue = np.degrees(np.arctan2(green - red, green - blue))
    foreign = ~_of_stains(hue)
    eosin = ~foreign & (hue > EOSIN_HUE)
    alien, pink = (float(weights[which].sum() / weights.sum()) for which in (foreign, eosin))
    return Colors(alien, pink, _correlation(density.sum(axis=1), red - blue), light, colorfulness)


def _of_stains(hue: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether hues in degrees are those of hematoxylin, eosin or blood, or of what they mix to."""
    return np.asarray((hue >= HE_HUES[0]) & (hue <= HE_HUES[1]), bool)


def could_be_stained(color: tuple[int, int, int]) -> bool:
    """Whether a color, 0 to 255, has a hue that hematoxylin, eosin or blood have."""
    red, green, blue = -np.log10((np.array(color) + 1) / 256)
    return bool(_of_stains(np.degrees(np.arctan2(green - red, green - blue))))


def _white(pixels: Pixels) -> Floats:
    """Color of light (3,) as the brightest pixels show it, gray where they are stained."""
    darkest = pixels.min(axis=1)
    bright = np.median(pixels[darkest >= np.percentile(darkest, _BRIGHTEST)], axis=0).astype(np.float32)
    red, green, blue = bright
    plain = bright.max() - bright.min() < _TINT * bright.max() and red + blue - 2 * green < _MAGENTA
    return bright if plain else np.full(3, bright.max(), np.float32)


def _correlation(one: Floats, other: Floats) -> float:
    """Pearson's, and 0 where one of both is the same everywhere."""
    a, b = (values.astype(np.float64) - values.mean(dtype=np.float64) for values in (one, other))
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale else 0.0


def _from_ycbcr(pixels: Pixels) -> Pixels:
    swapped = np.ascontiguousarray(pixels[:, [0, 2, 1]])[None]
    return np.asarray(cv2.cvtColor(swapped, cv2.COLOR_YCrCb2RGB)[0], np.uint8)


# What makes the true colors of what they were taken for.
_REARRANGED: Final[Mapping[str, Callable[[Pixels], Pixels]]] = MappingProxyType(
    {
        "red and blue are swapped": lambda pixels: pixels[:, [2, 1, 0]],
        "the image is a negative": lambda pixels: 255 - pixels,
        "its values are YCbCr and were taken for RGB": _from_ycbcr,
    }
)


def rearranged(pixels: Pixels, most_foreign: float) -> str | None:
    """Say what was done to the colors of pixels (N, 3) if undoing it gives those of hematoxylin and eosin.

    That is, less than ``most_foreign`` of other color, some eosin beside a hematoxylin that takes red, and light.
    """
    fits = {}
    for words, undo in _REARRANGED.items():
        colors = colors_of(np.ascontiguousarray(undo(pixels)))
        if colors.foreign < most_foreign and colors.tilt > 0 and colors.eosin < 1 and colors.light > BRIGHT_LIGHT:
            fits[words] = colors.foreign
    return min(fits, key=lambda words: fits[words], default=None)


def background(view: Pixels) -> tuple[tuple[int, int, int], float]:
    """Color of most of the bright and smooth bins of a view (H, W, 3), and the share of the view that has it.

    Of a large view some bins stand for all, so that memory doesn't grow with it.
    """
    step = max(1, round((view[..., 0].size / _MOST_CELLS) ** 0.5))
    view = view[::step, ::step]
    gray = view.astype(np.float32).mean(axis=2)
    variance = cv2.blur(gray * gray, (3, 3)) - cv2.blur(gray, (3, 3)) ** 2
    colors = view[(variance < _SMOOTH**2) & (view.max(axis=2) > _BRIGHT)]
    if not len(colors):
        return (255, 255, 255), 0.0
    bins = (colors // _BIN).astype(np.int64) @ (256, 16, 1)
    most = np.median(colors[bins == np.bincount(bins).argmax()], axis=0)
    near = np.abs(colors - most).max(axis=1) <= _NEAR
    red, green, blue = (int(value) for value in most)
    return (red, green, blue), float(np.count_nonzero(near) / gray.size)
