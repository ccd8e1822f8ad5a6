"""Columns of ``statistics/statistics.parquet`` that say how far a slide can be trusted; of the whole slide alone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pathopipe.ops.quality.areas import ARTIFACTS
from pathopipe.results.schemas.column import Column

_MEANINGS: Final = MappingProxyType(
    {
        "pen": "under ink",
        "bubble": "in air bubbles",
        "fold": "in folds",
        "debris": "under dust and debris",
        "out of focus": "out of focus",
        "saturated": "too dark for the scanner",
        "overstained": "stained very strongly",
        "understained": "stained very faintly",
        "JPEG blocks": "that shows the blocks of a strong JPEG compression",
    }
)


def share_column(artifact: str) -> str:
    """Name the column of the share of tissue that an artifact covers."""
    return f"{artifact.lower().replace(' ', '_')}_share"


UNFIT: Final = Column(
    "unfit_share",
    "float64",
    "",
    "share of the tissue that was left out by the quality map; null but for the whole slide",
    "Tissue left out",
    range="0 to 1",
)
BLUR: Final = Column(
    "blur_um",
    "float64",
    "µm",
    "median blur of the tissue: standard deviation of the Gaussian that blurs as much; null but for the whole slide",
    "Blur",
)
_STAINS: Final = ("hematoxylin", "eosin")
_COLORS: Final = ("red", "green", "blue")
_STAIN: Final = (
    *(
        Column(
            f"stain_{stain}_{color}",
            "float64",
            "",
            f"{color} component of the optical density of {stain}, a vector of length 1; null but for the whole slide",
            f"Stain vector of {stain}, {color}",
            source="Macenko 2009",
        )
        for stain in _STAINS
        for color in _COLORS
    ),
    *(
        Column(
            f"stain_{stain}_strength",
            "float64",
            "OD",
            f"concentration of strong {stain}, its 99th percentile; null but for the whole slide",
            f"Strength of {stain}",
            source="Macenko 2009",
        )
        for stain in _STAINS
    ),
)
_SCAN: Final = (
    *(
        Column(
            f"scan_glass_{color}",
            "float64",
            "",
            f"white balance: {color} of empty glass; null where none shows, and but for the whole slide",
            f"Glass, {color}",
            formula="median of the smooth, bright and untinted bins of 8 µm around the most frequent gray",
            range="0 to 255",
        )
        for color in _COLORS
    ),
    Column(
        "scan_noise",
        "float64",
        "gray levels",
        "standard deviation of the noise of green at the slide's resolution; null but for the whole slide",
        "Noise",
        formula="10th percentile over squares of 16 pixels without clipped values, of up to 16 windows of tissue",
        source="Immerkær 1996",
    ),
    Column(
        "scan_blockiness",
        "float64",
        "",
        "compression: how much more green steps at the borders of blocks of 8 pixels than within, 0 without JPEG's "
        "blocks; null but for the whole slide",
        "Blocks of compression",
        formula="mean absolute second difference across borders / within blocks − 1, in the same windows",
        source="after Fan and de Queiroz 2003",
        range="from 0",
    ),
    Column(
        "scan_sharpness",
        "float64",
        "",
        "detail of 1 to 2 pixels against that of 2 to 4, at 0.5 µm per pixel; null but for the whole slide",
        "Sharpness",
        formula="median over up to 48 windows of tissue of the ratio of variances of differences of Gaussians",
        source="Burt and Adelson 1983",
        range="from 0",
    ),
)
QUALITY: Final = (
    UNFIT,
    *(
        Column(
            share_column(name),
            "float64",
            "",
            f"share of the tissue {_MEANINGS[name]}; null but for the whole slide",
            f"Tissue {_MEANINGS[name]}",
            range="0 to 1",
        )
        for name in ARTIFACTS
    ),
    BLUR,
    *_STAIN,
    *_SCAN,
)


def trust_of(quality: Mapping[str, Any], tissue: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the values of these columns, by the manifests of the stages `quality` and `tissue`."""
    shares = {share_column(name): float(share) for name, share in quality["shares"].items()}
    known: dict[str, float | None] = {UNFIT.name: float(quality["unfit_share"]), BLUR.name: quality.get("blur_um")}
    return known | shares | _stain_of(tissue["stain"]) | _scan_of(tissue["scan"])


def _scan_of(scan: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the columns of the scanner, None where they could not be measured."""
    glass = scan["glass"] or (None, None, None)
    colors = {f"scan_glass_{color}": value for color, value in zip(_COLORS, glass, strict=True)}
    return colors | {f"scan_{name}": scan[name] for name in ("noise", "blockiness", "sharpness")}


def _stain_of(stain: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the columns of the stain; none where it could not be estimated from the slide."""
    if stain["source"] == "default":
        return {}
    vectors: dict[str, float | None] = {
        f"stain_{name}_{color}": float(value)
        for name in _STAINS
        for color, value in zip(_COLORS, stain[name], strict=True)
    }
    return vectors | {f"stain_{name}_strength": float(stain[f"{name}_max"]) for name in _STAINS}
