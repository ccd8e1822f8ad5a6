"""What `tissue` reports about an image: warnings, each with its value and threshold, and what makes it unusable."""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.caveats import warning
from pathopipe.errors import SlideRejectedError
from pathopipe.ops.colors import BRIGHT_LIGHT, Colors, background, colors_of, could_be_stained, rearranged
from pathopipe.ops.stain import Stains
from pathopipe.ops.tissue import TissueView, find_tissue
from pathopipe.pipeline import TissueSettings
from pathopipe.slide import Slide
from pathopipe.units import Mpp

RGB = NDArray[np.uint8]
Entry = dict[str, Any]

# Half of 154 fields of BRCA-M2C, TNBC and NuCLS are below it once they are blurred by a Gaussian of 0.7 um, where F1 of
# detection with outlines has fallen by 0.05; none is below it as it is (recipes/focus_guard.py, docs/guards.md).
_BLURRED: Final = 0.34
# How much of the finest detail pixels of these widths leave; the same fields lose no more than this at 1 um, either, at
# the lower end.
_PIXELS_UM: Final = (0.5, 0.7)
_LEFT_OF_DETAIL: Final = (1.0, 0.8)
_BLURRED_SHARE: Final = 0.3
_MPP_CONFLICT: Final = 0.05
_FAINT: Final = 0.25
_OVERSTAINED: Final = 1.9
# How all of these were measured: docs/guards.md.
_FOREIGN: Final = 0.25
_REARRANGED_FOREIGN: Final = 0.15
_EOSIN: Final = 0.02
_TILT: Final = -0.2
_LIGHT: Final = 45
_GRAY: Final = 10
_BACKGROUND_SHARE: Final = 0.05
_SATURATION: Final = 0.3
# YCbCr of no color, and the range of the green of a stained slide that is stored so.
_NEUTRAL: Final = 10
_CHROMA: Final = (85, 175)
_CLIPPED: Final = 240
_NO_WHITE: Final = 215
_ALL_BUT_SPECKS: Final = 99.9
_SHOWN: Final = 30
_EVERY: Final = 7

GRAY: Final = (
    "the image is grayscale, but nuclei are recognized by the colors of hematoxylin and eosin: scan or export the "
    "slide in color"
)


def check_background(view: RGB) -> None:
    """Reject a gray slide, and one whose background cannot be glass, as where YCbCr was taken for RGB.

    Raises
    ------
    SlideRejectedError
        When a coarse view (H, W, 3) shows something, and no color, or when much of it is bright and smooth and of such
        a color.
    """
    high = view.max(axis=2)
    if (
        np.percentile(high - view.min(axis=2), _ALL_BUT_SPECKS) <= _GRAY
        and np.ptp(np.percentile(high, (1, 99))) > _SHOWN
    ):
        raise SlideRejectedError(GRAY)
    color, share = background(view)
    if share < _BACKGROUND_SHARE or 1 - min(color) / max(color) < _SATURATION:
        return
    if cause := _cause(view, color):
        raise SlideRejectedError(
            f"the background (red {color[0]}, green {color[1]}, blue {color[2]}) is not a color that glass can have: "
            f"{cause}: "
            "export the slide again, with its colors declared as they are stored"
        )


def _cause(view: RGB, color: tuple[int, int, int]) -> str | None:
    """Say what was done to white glass; None where it may be stained, as colloid is, and nothing else is known."""
    red, green, blue = color
    low, high = np.percentile(view[..., 1], (1, 99))
    if max(abs(green - 128), abs(blue - 128)) <= _NEUTRAL and low > _CHROMA[0] and high < _CHROMA[1]:
        return "the values are YCbCr, but the file says that they are RGB"
    if min(red, blue) > _CLIPPED and abs(green - 121) <= _NEUTRAL and np.percentile(view.min(axis=2), 99) < _NO_WHITE:
        return "the values are RGB, but the file says that they are YCbCr"
    return None if could_be_stained(color) else "its channels are mixed up"


def no_tissue(view: RGB, bin_um: float, settings: TissueSettings) -> str:
    """Say why no tissue was found on a view (H, W, 3): a sentence that names the setting where one could help."""
    small = find_tissue(view, bin_um, 0.0, 0.0).tissue
    if small.any():
        return (
            f"no piece of tissue is as large as tissue.min_area_mm2, {settings.min_area_mm2:g} mm2: lower that setting "
            "for small cores of a tissue microarray, or for tissue that is mostly fat"
        )
    return (
        "no tissue was found: the slide is blank, or stained too faintly to be distinguished from glass; if it "
        "contains fat or small cores, lower the setting tissue.min_area_mm2"
    )


def image_warnings(
    slide: Slide, samples: list[RGB], sharp: list[float], stains: Stains, tissue: TissueView
) -> list[Entry]:
    """Warn about what makes numbers less trustworthy, or leaves the slide without a grade.

    Parameters
    ----------
    samples, sharp
        Windows of the tissue, uint8 (H, W, 3), and the sharpness of each.

    Raises
    ------
    SlideRejectedError
        When the image holds no color.
    """
    return [*color_warnings(samples), *_other_warnings(slide, sharp, stains, tissue)]


def color_warnings(samples: list[RGB]) -> list[Entry]:
    """Warn about colors that are not those of hematoxylin and eosin; the most certain reason is enough.

    Raises
    ------
    SlideRejectedError
        When there is no color at all.
    """
    pixels = np.concatenate([sample.reshape(-1, 3)[::_EVERY] for sample in samples])
    found = colors_of(pixels)
    if found.colorfulness <= _GRAY:
        raise SlideRejectedError(GRAY)
    if found.light < _LIGHT:
        text = (
            f"no light comes through anywhere (brightest {found.light:.0f} of 255), as in fluorescence: this is not H&E"
        )
        return [warning("not_he", text, found.light, _LIGHT)]
    if found.foreign > _FOREIGN:
        return [_foreign(found, pixels)]
    if found.tilt < _TILT and found.light > BRIGHT_LIGHT:
        code = "implausible_color" if rearranged(pixels, _REARRANGED_FOREIGN) else "not_he"
        text = "the darkest parts absorb blue more than red, but nuclei in H&E absorb red more than blue"
        return [warning(code, f"{text}: red and blue are swapped, or this is another stain", found.tilt, _TILT)]
    if found.eosin < _EOSIN:
        text = f"only {found.eosin:.1%} of the color is eosin: this is not H&E"
        return [warning("not_he", text, found.eosin, _EOSIN)]
    return []


def _foreign(found: Colors, pixels: RGB) -> Entry:
    share = f"{found.foreign:.0%} of the color is neither hematoxylin nor eosin"
    if cause := rearranged(pixels, _REARRANGED_FOREIGN):
        return warning("implausible_color", f"{share}; it looks as if {cause}", found.foreign, _FOREIGN)
    text = f"{share}: a stain other than H&E, such as immunohistochemistry, or mixed-up channels"
    return warning("not_he", text, found.foreign, _FOREIGN)


def _other_warnings(slide: Slide, sharp: list[float], stains: Stains, tissue: TissueView) -> list[Entry]:
    blurred = float(np.mean([value < least_sharpness(slide.mpp) for value in sharp]))
    conflict, pen, strength = _mpp_conflict(slide), tissue.pen_share, stains.hematoxylin_max
    estimated = 0 if stains.source == "default" else 2
    checks = (
        ("mpp_conflict", abs(conflict - 1), _MPP_CONFLICT, f"the sheet's mpp is {conflict:.2f} times the file's"),
        ("out_of_focus", blurred, _BLURRED_SHARE, f"{blurred:.0%} of the sampled tissue looks out of focus"),
        ("pen", pen, 0.0, f"pen marks cover {pen:.1%} of the slide and are left out"),
        ("overstained", strength, _OVERSTAINED, f"the hematoxylin is very strong ({strength:.2f} OD)"),
    )
    found = [warning(code, text, value, limit) for code, value, limit, text in checks if value > limit]
    if strength < _FAINT:
        found.append(warning("faint", f"the hematoxylin is faint ({strength:.2f} OD)", strength, _FAINT))
    if not estimated:
        text = "the stain colors could not be estimated from this slide; standard colors were used"
        found.append(warning("default_stain", text, estimated, 2))
    return found


def least_sharpness(mpp: Mpp) -> float:
    """Return the sharpness (`ops.tissue.sharpness`, at 0.5 um per pixel) below which a window is out of focus.

    A slide with wider pixels shows less of the finest detail, however well it is in focus.
    """
    return _BLURRED * float(np.interp(mpp.mean, _PIXELS_UM, _LEFT_OF_DETAIL))


def _mpp_conflict(slide: Slide) -> float:
    """The sheet's resolution relative to the one that the file states, if it states a plausible one."""
    stated = slide.backend.mpp
    if stated is None or not Mpp(*stated, "metadata").plausible:
        return 1.0
    ratios = slide.mpp.x / stated[0], slide.mpp.y / stated[1]
    return max(ratios, key=lambda ratio: abs(math.log(ratio)))
