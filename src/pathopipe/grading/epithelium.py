"""Which nuclei of a slide a size is measured on: those counted as epithelium; and what they are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.base import Columns, Parts

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Lymphocytes: round, and among the darkest of the slide.
ROUND_CIRCULARITY: Final = 0.85
ROUND_RATIO: Final = 1.6
DARK_SHARE: Final = 0.3
MIN_LYMPHOCYTES: Final = 20
LEAST_LYMPHOCYTE_UM2: Final = 8.0
# Where their lower quartile lies outside of this, what is round and dark is debris or tumor: not a usable reference.
LYMPHOCYTE_QUARTILE_UM2: Final = (14.0, 40.0)
# Normal epithelium over the lower quartile of lymphocytes; the grader says why.
EPITHELIUM_TO_LYMPHOCYTE: Final = 1.25
# What is not a whole epithelial nucleus.
FRAGMENT_SHARE: Final = 0.4
CLUMP_SOLIDITY: Final = 0.85
SPINDLE_RATIO: Final = 2.5

_MEASURES: Final = ("area_um2", "major_axis_um", "minor_axis_um", "solidity", "circularity", "hematoxylin_mean")
_PLACES: Final = ("x_um", "y_um")


@dataclass(frozen=True)
class Epithelium:
    """The nuclei that are graded, n of them, and what was found out about the others.

    Attributes
    ----------
    area_um2, circularity, x_um, y_um
        (n,) each.
    left_out
        How many others met which rule.
    reference_um2
        Area of a normal epithelial nucleus.
    lymphocyte_um2
        Lower quartile of the areas of lymphocyte-like nuclei; None where they are not a usable reference, or none was
        asked for.
    """

    area_um2: Floats
    circularity: Floats
    x_um: Floats
    y_um: Floats
    left_out: Mapping[str, int]
    reference_um2: float
    lymphocyte_um2: float | None

    def __len__(self) -> int:
        return len(self.area_um2)


@dataclass(frozen=True)
class _Nuclei:
    """All nuclei, (N,) each: what the rules need of them, and no more. Of axes and solidity that is a bit."""

    area_um2: Floats
    circularity: Floats
    hematoxylin: Floats
    slender: Mask
    spindle: Mask
    clump: Mask


def find_epithelium(nuclei: Parts, reference_um2: float, *, by_lymphocytes: bool) -> Epithelium:
    """Separate the epithelial nuclei from the others, each of which counts under the first rule that it meets.

    Parameters
    ----------
    nuclei
        Is asked for each column once.
    reference_um2
        Area of a normal epithelial nucleus, unless the slide gives a better one.
    by_lymphocytes
        Whether the slide's lymphocytes, where there are enough, give a better one.
    """
    known = _measured(nuclei)
    median, dark = _hematoxylin(known)
    lymphocytes = _lymphocytes(known, dark) if by_lymphocytes else None
    reference = EPITHELIUM_TO_LYMPHOCYTE * lymphocytes if lymphocytes else reference_um2
    left, counts = np.ones(len(known.area_um2), np.bool_), dict[str, int]()
    for name, meets in _rules(known, reference, median).items():
        counts[name] = int(np.count_nonzero(left & meets))
        left &= ~meets
    area, circularity = known.area_um2[left], known.circularity[left]
    del known  # a million nuclei take 27 MB
    return Epithelium(area, circularity, *_places(nuclei, left), counts, reference, lymphocytes)


def _measured(nuclei: Parts) -> _Nuclei:
    columns: dict[str, list[NDArray[Any]]] = {}
    none = dict.fromkeys(_MEASURES, np.empty(0))
    for part in chain([none], nuclei(_MEASURES)):
        for name, values in _needed(part).items():
            columns.setdefault(name, []).append(values)
    return _Nuclei(**_joined(columns))


def _needed(part: Columns) -> dict[str, NDArray[Any]]:
    major, minor = part["major_axis_um"], part["minor_axis_um"]
    return {
        "area_um2": part["area_um2"],
        "circularity": part["circularity"],
        "hematoxylin": part["hematoxylin_mean"],
        "slender": major > ROUND_RATIO * minor,
        "spindle": major > SPINDLE_RATIO * minor,
        "clump": part["solidity"] < CLUMP_SOLIDITY,
    }


def _places(nuclei: Parts, chosen: Mask) -> tuple[Floats, Floats]:
    """Centers x and y (n,) of the chosen ones."""
    columns: dict[str, list[NDArray[Any]]] = {name: [np.empty(0)] for name in _PLACES}
    start = 0
    for part in nuclei(_PLACES):
        here = chosen[start : start + len(part["x_um"])]
        start += len(here)
        for name in _PLACES:
            columns[name].append(part[name][here])
    joined = _joined(columns)
    return joined["x_um"], joined["y_um"]


def _joined(columns: dict[str, list[NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Join the pieces of each column, which are gone then: only one column is ever held twice."""
    return {name: np.concatenate(columns.pop(name)) for name in list(columns)}


def _hematoxylin(nuclei: _Nuclei) -> tuple[float, float]:
    """Hematoxylin of the median nucleus, and the value from which a nucleus is dark; NaN if there are no nuclei."""
    measured = nuclei.hematoxylin[np.isfinite(nuclei.hematoxylin)]
    if not len(measured):
        return np.nan, np.nan
    dark = np.quantile(measured, 1 - DARK_SHARE, overwrite_input=True)
    return float(np.median(measured, overwrite_input=True)), float(dark)


def _lymphocytes(nuclei: _Nuclei, dark: float) -> float | None:
    """Lower quartile of the areas of lymphocyte-like nuclei in um2; None where they are few or of another size."""
    round_and_dark = (nuclei.circularity >= ROUND_CIRCULARITY) & (nuclei.hematoxylin >= dark) & ~nuclei.slender
    areas = nuclei.area_um2[round_and_dark & (nuclei.area_um2 >= LEAST_LYMPHOCYTE_UM2)]
    area = float(np.quantile(areas, 0.25)) if len(areas) >= MIN_LYMPHOCYTES else np.inf
    low, high = LYMPHOCYTE_QUARTILE_UM2
    return area if low <= area <= high else None


def _rules(nuclei: _Nuclei, reference: float, median: float) -> dict[str, Mask]:
    area, dark = nuclei.area_um2, nuclei.hematoxylin > median
    return {
        "fragments": ~(area >= FRAGMENT_SHARE * reference),
        "clumps": nuclei.clump,
        "spindles": nuclei.spindle,
        "lymphocytes": (area <= reference) & (nuclei.circularity >= ROUND_CIRCULARITY) & dark,
    }
