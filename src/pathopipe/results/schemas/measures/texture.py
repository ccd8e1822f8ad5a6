"""Texture of hematoxylin: the group `texture`."""

from types import MappingProxyType
from typing import Final

from pathopipe.ops.cooccurrence import COOCCURRENCE, LEVELS
from pathopipe.ops.texture import DISTANCES_UM, GRADIENT, GRANULARITY, GRANULE_UM, PATTERN_UM, PATTERNS
from pathopipe.results.schemas.column import Column

_HARALICK: Final = "Haralick, Shanmugam and Dinstein 1973"
_OJALA: Final = "Ojala, Pietikäinen and Mäenpää 2002"
_PROPERTIES: Final = MappingProxyType(
    {
        "contrast": (
            "contrast",
            "how much gray levels differ at this distance",
            "Σ p (i − j)²",
            _HARALICK,
            "0 or more",
        ),
        "dissimilarity": (
            "dissimilarity",
            "mean difference of gray levels at this distance",
            "Σ p |i − j|",
            "scikit-image's graycoprops",
            "0 or more",
        ),
        "homogeneity": (
            "homogeneity",
            "how alike gray levels are at this distance",
            "Σ p / (1 + (i − j)²)",
            _HARALICK,
            "0 to 1",
        ),
        "asm": ("angular second moment", "1 where all pixels have one gray level", "Σ p²", _HARALICK, "0 to 1"),
        "correlation": (
            "correlation",
            "whether dark pixels lie at this distance from dark ones",
            "Σ p (i − μ)(j − μ) / σ²",
            _HARALICK,
            "−1 to 1",
        ),
        "entropy": ("entropy", "variety of pairs of gray levels", "−Σ p ln p", _HARALICK, "0 to 7"),
        "difference_entropy": (
            "difference entropy",
            "variety of differences of gray levels",
            "−Σ q ln q, q the shares of differences |i − j|",
            _HARALICK,
            "0 to 3.5",
        ),
        "information_1": (
            "information 1",
            "how much one gray level says of the other; 0 is nothing, −1 all",
            "(H(i, j) − 2 H(i)) / H(i)",
            _HARALICK,
            "−1 to 0",
        ),
        "information_2": (
            "information 2",
            "how much one gray level says of the other; 0 is nothing",
            "√(1 − exp(−2 (2 H(i) − H(i, j))))",
            _HARALICK,
            "0 to 1",
        ),
        "shade": (
            "cluster shade",
            "asymmetry of pairs: above 0 where a few are much darker",
            "Σ p (i + j − 2μ)³",
            "Conners, Trivedi and Harlow 1984",
            "",
        ),
        "prominence": (
            "cluster prominence",
            "weight of the extreme pairs",
            "Σ p (i + j − 2μ)⁴",
            "Conners, Trivedi and Harlow 1984",
            "0 or more",
        ),
    }
)
assert set(_PROPERTIES) == set(COOCCURRENCE)  # noqa: S101


def _pair(name: str, distance_um: float) -> Column:
    label, meaning, formula, source, limits = _PROPERTIES[name]
    return Column(
        f"glcm_{name}_{distance_um * 1000:.0f}nm",
        "float32",
        "",
        f"{meaning}, of hematoxylin, {distance_um:g} µm apart",
        f"Co-occurrence at {distance_um:g} µm, {label}",
        formula=f"{formula}; p: symmetric matrix of {LEVELS} levels, four directions, within the nucleus",
        source=source,
        range=limits,
    )


def _pattern(name: str) -> Column:
    number = name.removeprefix("lbp_")
    what = "no uniform pattern" if number == "other" else f"{number} of eight points around them at least as dark"
    return Column(
        name,
        "float32",
        "",
        f"share of pixels with {what}",
        f"Local pattern, {number}",
        formula=f"uniform local binary pattern of 8 points at {PATTERN_UM:g} µm, 256 gray levels of hematoxylin",
        source=_OJALA,
        range="0 to 1",
    )


TEXTURE: Final = (
    *(_pair(name, distance) for distance in DISTANCES_UM for name in COOCCURRENCE),
    *(_pattern(name) for name in PATTERNS),
    *(
        Column(
            name,
            "float32",
            "",
            f"share of hematoxylin in structures of a radius of about {radius:g} µm",
            f"Granularity at {radius:g} µm",
            formula="share of the density that an opening with this disc removes beyond the next smaller one",
            source="Ravkin and Temov 1988",
            range="0 to 1",
        )
        for name, radius in zip(GRANULARITY, GRANULE_UM, strict=True)
    ),
    *(
        Column(
            name,
            "float32",
            "OD per µm",
            f"{words} of the slope of hematoxylin; higher is coarser chromatin",
            f"Gradient, {label}",
            formula="of the length of the gradient by central differences, over the pixels",
            range="0 or more",
        )
        for name, words, label in zip(GRADIENT, ("mean", "spread"), ("mean", "SD"), strict=True)
    ),
)
