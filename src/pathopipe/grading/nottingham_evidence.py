"""The numbers behind a score of nuclear pleomorphism, in the words of the page."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from pathopipe.grading.base import Described, Evidence
from pathopipe.grading.epithelium import (
    CLUMP_SOLIDITY,
    EPITHELIUM_TO_LYMPHOCYTE,
    FRAGMENT_SHARE,
    ROUND_CIRCULARITY,
    SPINDLE_RATIO,
    Epithelium,
    Floats,
)
from pathopipe.grading.size_score import LIMITS, SizeScore, slices

CONTEXT: Final = Evidence(
    "observer_kappa",
    0.22,
    "",
    "agreement between pathologists on this score, beyond chance (115 pathologists, 22 carcinomas on glass; "
    "J Pathol Inform 2019;10:11)",
)


def numbers_behind(epithelium: Epithelium, found: SizeScore, described: Described) -> Iterator[Evidence]:
    """Say how large and how shaped the nuclei are, how many were left out, and what squares show."""
    evidence = (
        *_sizes(epithelium),
        *_variation(epithelium.area_um2),
        _shape(epithelium.circularity),
        *counts(epithelium),
        *_places(found),
        _typed(described),
    )
    # Undefined values are left out: the spread of a single nucleus, the size of lymphocytes that are not there.
    yield from (item for item in evidence if item.value is not None)
    yield CONTEXT


def counts(epithelium: Epithelium) -> tuple[Evidence, ...]:
    """How many nuclei are graded, and how many were left out, by rule."""
    meanings = {
        "fragments": f"smaller than {FRAGMENT_SHARE * epithelium.reference_um2:.1f} µm²",
        "clumps": f"with a solidity below {CLUMP_SOLIDITY}",
        "spindles": f"more than {SPINDLE_RATIO} times as long as wide",
        "lymphocytes": "no larger than normal epithelium, darker than the slide's median nucleus and round "
        f"(circularity at least {ROUND_CIRCULARITY})",
    }
    graded = Evidence("nuclei_graded", len(epithelium), "", "nuclei counted as epithelium, on which the score is based")
    others = (
        Evidence(f"{name}_left_out", epithelium.left_out[name], "", f"nuclei left out: {meaning}")
        for name, meaning in meanings.items()
    )
    return (graded, *others)


def _sizes(epithelium: Epithelium) -> tuple[Evidence, ...]:
    reference, lymphocytes = epithelium.reference_um2, epithelium.lymphocyte_um2
    # The lower of two middle values, as in counting.
    median = float(np.quantile(epithelium.area_um2, 0.5, method="lower"))
    rule = (
        f"median area divided by normal area, which determines the score: 1 below {LIMITS[0]:g}, 2 up to "
        f"{LIMITS[1]:g}, 3 above "
        "(nuclear pleomorphism of the Nottingham grade, Elston and Ellis 1991; limits by area from Segen's Medical "
        "Dictionary 2012)"
    )
    source = (
        f"{EPITHELIUM_TO_LYMPHOCYTE:g} times the lower quartile of this slide's lymphocyte-like nuclei"
        if lymphocytes
        else "from the settings (no plausible lymphocytes on this slide, or reference: fixed)"
    )
    return (
        Evidence("size_ratio", _rounded(median / reference), "", rule),
        Evidence("median_area_um2", _rounded(median), "µm²", "median area of the nuclei counted as epithelium"),
        Evidence("reference_area_um2", _rounded(reference), "µm²", f"area of a normal epithelial nucleus: {source}"),
        Evidence(
            "lymphocyte_area_um2", _rounded(lymphocytes), "µm²", "lower quartile of the slide's lymphocyte-like nuclei"
        ),
    )


def _places(found: SizeScore) -> tuple[Evidence, ...]:
    return (
        Evidence("squares", found.squares, "", f"squares of {found.side_um:g} µm, resampled for the probabilities"),
        Evidence(
            "largest_square_ratio",
            _rounded(found.largest_ratio),
            "",
            "size ratio in the square with the largest nuclei; not used for the score",
        ),
    )


def _variation(areas: Floats) -> tuple[Evidence, ...]:
    mean = float(np.mean(areas))
    squared = sum(float(((areas[rows] - mean) ** 2).sum()) for rows in slices(len(areas)))
    sd = math.sqrt(squared / (len(areas) - 1)) if len(areas) > 1 else None
    return (
        Evidence(
            "area_sd_um2",
            _rounded(sd),
            "µm²",
            "variation in size, without a published limit; not used for the score (in canine mast cell tumors, "
            "measured this way, it predicts survival with an AUC of 0.94, Vet Pathol 2024, 10.1177/03009858241295399)",
        ),
        Evidence(
            "area_cv",
            _rounded(None if sd is None else sd / mean),
            "",
            "variation in size relative to the mean area; not used for the score",
        ),
    )


def _typed(described: Described) -> Evidence:
    return Evidence(
        "typed_area_sd_um2",
        _rounded(described.get("epithelial", {}).get("area_um2_sd")),
        "µm²",
        "variation in size of the nuclei that the stage types calls epithelial; not used for the score",
    )


def _shape(circularity: Floats) -> Evidence:
    known = circularity if np.isfinite(circularity).all() else circularity[np.isfinite(circularity)]
    median = float(np.median(known)) if len(known) else None
    return Evidence("circularity_median", _rounded(median), "", "shape, 1 is a circle; not used for the score")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
