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
)


def trust_of(quality: Mapping[str, Any], tissue: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the values of these columns, by the manifests of the stages `quality` and `tissue`."""
    shares = {share_column(name): float(share) for name, share in quality["shares"].items()}
    known: dict[str, float | None] = {UNFIT.name: float(quality["unfit_share"]), BLUR.name: quality.get("blur_um")}
    return known | shares | _stain_of(tissue["stain"])


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
