"""The numbers behind a grade by criteria, in the words of the page: the items first, then what they are set against."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from pathopipe.grading.base import Described, Evidence
from pathopipe.grading.criteria_card import CriteriaCard, Statistic
from pathopipe.grading.criteria_score import Floats, Resampled, item_values
from pathopipe.ops.nucleus_types import TYPES

OBSERVERS: Final = Evidence(
    "observer_kappa",
    0.22,
    "",
    "agreement between pathologists on nuclear pleomorphism, beyond chance (115 pathologists, 22 carcinomas on glass; "
    "J Pathol Inform 2019;10:11)",
)
_REFERENCES: Final = (
    ("inflammatory", "area_um2_mean", "µm²", "mean area of inflammatory nuclei, mostly lymphocytes, for comparison"),
    ("epithelial", "area_um2_sd", "µm²", "standard deviation of the area of epithelial nuclei"),
)


def numbers_behind(
    card: CriteriaCard, known: Mapping[Statistic, Floats], described: Described, drawn: Resampled | None
) -> Iterator[Evidence]:
    """Name all numbers that are known, in order of importance."""
    evidence = (
        *_items(card, known),
        *_statistics(card, known),
        *_counts(card, described),
        *_references(described),
        *_squares(drawn),
        *_agreement(card),
    )
    yield from (item for item in evidence if item.value is not None)


def _items(card: CriteriaCard, known: Mapping[Statistic, Floats]) -> Iterator[Evidence]:
    for item in card.items:
        intervals = "; ".join(f"{limit.value:g} ({limit.low:g} to {limit.high:g})" for limit in item.limits)
        yield Evidence(
            item.name,
            _rounded(item_values(item, known)),
            item.unit,
            f"{item.meaning}; limits, with 95% intervals: {intervals}",
            tuple(limit.value for limit in item.limits),
        )


def _statistics(card: CriteriaCard, known: Mapping[Statistic, Floats]) -> Iterator[Evidence]:
    """What items that are ratios are made of."""
    parts = dict.fromkeys(part for item in card.items if item.over for part in (item.of, item.over))
    for part in parts:
        unit = "µm²" if part.measure.endswith("_um2") else ""
        yield Evidence(
            f"{part.type}_{part.column}", _rounded(known[part]), unit, f"{part.column} of {part.type} nuclei"
        )


def _counts(card: CriteriaCard, described: Described) -> Iterator[Evidence]:
    graded = card.graded_type
    count = described.get(graded, {}).get("nuclei_count", 0)
    yield Evidence("nuclei_graded", count, "", f"{graded} nuclei, which are graded as the tumor's")
    for kind in TYPES:
        share = described.get("all", {}).get(f"{kind}_share")
        yield Evidence(f"{kind}_share", _rounded(share), "", f"share of {kind} nuclei among those with a type")


def _references(described: Described) -> Iterator[Evidence]:
    for kind, column, unit, meaning in _REFERENCES:
        value = described.get(kind, {}).get(column)
        yield Evidence(f"{kind}_{column}", _rounded(value), unit, f"{meaning}; not used for the grade")


def _squares(drawn: Resampled | None) -> Iterator[Evidence]:
    if drawn is not None:
        meaning = f"squares of {drawn.side_um:g} µm, resampled for the stability"
        yield Evidence("squares", drawn.squares, "", meaning)


def _agreement(card: CriteriaCard) -> Iterator[Evidence]:
    """How far this grader agreed with pathologists, and pathologists with each other."""
    for where, numbers in list(card.figures.items())[:1]:
        if (value := numbers.get("quadratic_kappa")) is not None:
            low, high = numbers.get("quadratic_kappa_low", value), numbers.get("quadratic_kappa_high", value)
            yield Evidence(
                "grader_kappa",
                value,
                "",
                "agreement of this grader with pathologists, quadratic-weighted kappa "
                f"({where}; 95% interval {low:g} to {high:g})",
            )
    yield OBSERVERS


def _rounded(value: float | Floats | None) -> float | None:
    number = float("nan") if value is None else float(value)
    return round(number, 4) if np.isfinite(number) else None
