"""Stain in the nucleus and around it: always measured."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from pathopipe.ops.staining import BIN_OD, PLANES, RINGS_UM
from pathopipe.results.schemas.column import Column

OD: Final = "OD"
_NAMES: Final = MappingProxyType(
    {"hematoxylin": "hematoxylin", "eosin": "eosin", "red": "red light", "green": "green light", "blue": "blue light"}
)
_WELL_KNOWN: Final = MappingProxyType(
    {
        "hematoxylin_mean": "mean hematoxylin density; higher is darker (hyperchromasia)",
        "hematoxylin_sd": "spread within the nucleus; higher is coarser chromatin",
        "hematoxylin_edge": "drop in density across the outline; higher is a crisper border",
        "eosin_mean": "mean eosin density inside the nucleus",
        "eosin_sd": "spread of eosin within the nucleus",
        "eosin_edge": "drop in eosin across the outline; negative where the cytoplasm is redder",
    }
)


def _of(plane: str) -> Iterator[Column]:
    name, label = f"density of {_NAMES[plane]}", plane.capitalize()
    for statistic, unit, words, meaning, formula, source, range_ in (
        ("mean", OD, "mean", f"mean {name} in the nucleus", "mean over the pixels", "", "0 or more"),
        ("sd", OD, "SD", f"spread of the {name} in the nucleus", "population SD over the pixels", "", "0 or more"),
        *(
            (f"p{q:02}", OD, f"P{q}", f"{name} that {q}% of the pixels stay below", _QUANTILE, _TYPE_7, "0 or more")
            for q in (5, 25, 50, 75, 95)
        ),
        ("skew", "", "skewness", f"asymmetry of the {name}: above 0 if a few pixels are much denser", _SKEW, "", ""),
        ("kurtosis", "", "kurtosis", f"weight of extremes of the {name}; 0 as in a normal curve", _KURTOSIS, "", ""),
        ("entropy", "", "entropy", f"variety of the {name}, in bits", _ENTROPY, "Shannon 1948", "0 to 6"),
        ("edge", OD, "edge", f"drop of the {name} across the outline", _EDGE, "", ""),
        *(
            (f"{what}_{width:g}um", OD, f"{words} {width:g} µm", text.format(name=name, width=width), formula, "", "")
            for width in RINGS_UM
            for what, words, text, formula in _AROUND
        ),
    ):
        column = f"{plane}_{statistic}"
        kind = "float64" if column in _WELL_KNOWN else "float32"
        known = _WELL_KNOWN.get(column, meaning)
        yield Column(column, kind, unit, known, f"{label}, {words}", formula=formula, source=source, range=range_)


_QUANTILE: Final = "quantile over the pixels, linear between values"
_TYPE_7: Final = "Hyndman and Fan 1996, type 7"
_SKEW: Final = "third standardized moment over the pixels"
_KURTOSIS: Final = "fourth standardized moment over the pixels, minus 3"
_ENTROPY: Final = f"−Σ p log₂ p of a histogram with bins of {BIN_OD:g} OD"
_EDGE: Final = "mean of (inside − outside) over the pixel edges of the outline"
_AROUND: Final = (
    (
        "ring",
        "around",
        "mean {name} in the {width:g} µm around the nucleus, other nuclei included",
        "mean over pixels outside, whose center is at most this far from that of a pixel inside",
    ),
    (
        "contrast",
        "contrast to",
        "how much higher the {name} is in the nucleus than in the {width:g} µm around it",
        "mean − mean of the surroundings",
    ),
)
STAINING: Final = tuple(column for plane in PLANES for column in _of(plane))
