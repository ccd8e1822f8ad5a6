"""How chromatin lies in the nucleus: the group `chromatin`."""

from typing import Final

from pathopipe.ops.chromatin import LEAST_DOT, LEAST_UM2, RIM_UM, SHELLS
from pathopipe.ops.dots import DOT_UM
from pathopipe.results.schemas.column import Column
from pathopipe.results.schemas.measures.staining import OD

_OTSU: Final = "Otsu 1979"
_CLUMP: Final = "pixels darker than Otsu's threshold between the darker and lighter ones of the nucleus"
_BRIGHT: Final = f"pixels more than an SD lighter than the nucleus' mean, more than {RIM_UM:g} µm inside"
_DOT: Final = (
    f"maxima of the difference of Gaussian blurs of {DOT_UM[0]:g} and {DOT_UM[1]:g} µm, more than {RIM_UM:g} µm "
    f"inside, above {LEAST_DOT:g} of the slide's strong hematoxylin"
)
_PARTS: Final = f"connected parts of at least {LEAST_UM2:g} µm²: {{}}"


def _column(name: str, unit: str, label: str, meaning: str, formula: str, limits: str, source: str = "") -> Column:
    return Column(name, "float32", unit, meaning, label, formula=formula, source=source, range=limits)


CHROMATIN: Final = (
    _column("clump_area_um2", "µm²", "Dark clumps, area", "area of dark chromatin", _CLUMP, "0 or more", _OTSU),
    _column("clump_share", "", "Dark clumps, share", "share of the nucleus that is dark", _CLUMP, "0 to 1", _OTSU),
    _column(
        "clump_count", "", "Dark clumps, number", "number of dark clumps", _PARTS.format(_CLUMP), "0 or more", _OTSU
    ),
    _column("clump_largest_um2", "µm²", "Largest clump", "area of the largest dark clump", _CLUMP, "0 or more", _OTSU),
    _column(
        "clump_contrast_od",
        OD,
        "Dark clumps, contrast",
        "how much darker the clumps are than the rest",
        f"mean of these minus mean of the others; {_CLUMP}",
        "0 or more",
        _OTSU,
    ),
    _column(
        "clump_rim_share",
        "",
        "Dark clumps at the rim",
        f"share of the clumps' area that lies within {RIM_UM:g} µm of the outline",
        _CLUMP,
        "0 to 1",
        _OTSU,
    ),
    _column("bright_area_um2", "µm²", "Bright spots, area", "area of pale spots", _BRIGHT, "0 or more"),
    _column("bright_share", "", "Bright spots, share", "share of the nucleus in pale spots", _BRIGHT, "0 to 1"),
    _column("bright_count", "", "Bright spots, number", "number of pale spots", _PARTS.format(_BRIGHT), "0 or more"),
    _column("dot_count", "", "Dots, number", "number of dark dots the size of nucleoli", _DOT, "0 or more"),
    _column(
        "dot_height",
        "",
        "Highest dot",
        "how far the highest dark dot stands out, in units of the slide's strong hematoxylin; 0 if there is none",
        _DOT,
        "0 or more",
    ),
    _column(
        "dot_eosin_od",
        OD,
        "Eosin of the highest dot",
        "how much redder the most prominent dark dot is than the nucleus; 0 if there is none",
        f"eosin there minus its mean over the nucleus; {_DOT}",
        "",
    ),
    _column(
        "margination",
        "",
        "Margination",
        "above 0 where hematoxylin lies at the outline, below 0 where it lies in the middle",
        "correlation of hematoxylin with closeness to the outline over the pixels",
        "−1 to 1",
    ),
    *(
        _column(
            f"{stain}_shell_{shell}",
            "",
            f"{stain.capitalize()}, shell {shell}",
            f"{stain} in shell {shell} of {SHELLS}, from the middle (1) to the outline, relative to the nucleus' mean",
            "mean of the shell / mean of the nucleus; shells are equally wide in the distance to the outline",
            "0 or more",
            "Carpenter et al. 2006 (CellProfiler's MeanFrac)",
        )
        for stain in ("hematoxylin", "eosin")
        for shell in range(1, SHELLS + 1)
    ),
    _column(
        "hematoxylin_displacement_um",
        "µm",
        "Displacement of hematoxylin",
        "distance from the center to the center of mass of hematoxylin",
        "between the mean places of pixels, weighted by density and not",
        "0 or more",
        "Carpenter et al. 2006 (CellProfiler's MassDisplacement)",
    ),
    _column(
        "hematoxylin_total",
        "OD µm²",
        "Total hematoxylin",
        "integrated density, as for the content of DNA",
        "mean density times area",
        "0 or more",
    ),
)
