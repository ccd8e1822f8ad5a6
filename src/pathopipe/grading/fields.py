"""Fields: squares of a slide, each described by the nuclei in it.

Beside statistics of the whole slide they let a grader go by the worst place of it. Only sums of each field are held, so
that memory grows with the tissue's area and not with the number of nuclei.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.base import Columns, Parts
from pathopipe.ops.nucleus_types import TYPES

SIDE_UM: Final = 128.0
"""Side of a field."""
LEAST_NUCLEI: Final = 8
"""Nuclei that a field must have."""
_LEAST_MEASURED: Final = 4
"""Values, of nuclei of a row, from which there are a mean and an SD."""
MEASURES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "size": (
            "area_um2", "perimeter_um", "major_axis_um", "minor_axis_um", "eccentricity", "solidity", "circularity",
        ),
        "shape": (
            "convexity", "elongation", "radius_cv", "concave_share", "bending_energy", "curvature_sd_per_um",
        ),
        "stain": (
            "hematoxylin_mean", "hematoxylin_sd", "hematoxylin_skew", "hematoxylin_contrast_2um", "eosin_mean",
            "eosin_ring_5um",
        ),
        "chromatin": (
            "clump_share", "clump_count", "clump_contrast_od", "bright_share", "dot_count", "dot_height", "margination",
            "hematoxylin_total",
        ),
        "texture": (
            "glcm_contrast_500nm", "glcm_entropy_500nm", "glcm_correlation_1000nm", "granularity_500nm",
            "gradient_mean",
        ),
        "neighborhood": (
            "nearest_um", "neighbors_50um", "edge_mean_um", "voronoi_um2", "orientation_agreement",
            "contrast_area_um2",
        ),
    }
)  # fmt: skip
"""Measures of nuclei, of which fields have mean and SD, by group."""
_ROWS: Final = ("all", "epithelial")
_COUNTS: Final = ("nuclei_per_mm2", *(f"{name}_share" for name in TYPES))
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        f"{row} {group}": tuple(f"{name}_{what}" for name in names for what in ("mean", "sd"))
        for row in _ROWS
        for group, names in MEASURES.items()
    }
    | {"all counts": _COUNTS}
)
"""Columns of a field by row (all nuclei, or those of a type) and group of measures."""
COLUMNS: Final = tuple((name.partition(" ")[0], column) for name, columns in FAMILIES.items() for column in columns)
_NAMES: Final = tuple(name for names in MEASURES.values() for name in names)

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Fields:
    """M fields of a slide, row by row.

    Attributes
    ----------
    x_um, y_um
        Upper left corners (M,), from the slide's.
    values
        (M, D), a column for each of `COLUMNS`; nan where too few nuclei were measured.
    """

    x_um: Floats
    y_um: Floats
    values: Floats

    def columns(self, wanted: Sequence[tuple[str, str]]) -> Floats:
        """Some columns (M, d), by row and name; nan for one that fields don't have."""
        places = {key: place for place, key in enumerate(COLUMNS)}
        found = np.full((len(self.values), len(wanted)), np.nan)
        for place, key in enumerate(wanted):
            if key in places:
                found[:, place] = self.values[:, places[key]]
        return found


class _Sums:
    """Count, sum and sum of squares of each measure over the nuclei of a row in each field."""

    def __init__(self, fields: int) -> None:
        self._sums = np.zeros((3, len(_NAMES), fields))

    def add(self, field: Whole, part: Columns, chosen: NDArray[np.bool_]) -> None:
        """Add nuclei, one after the other, so that sums don't depend on how many come at a time."""
        for place, name in enumerate(_NAMES):
            values = part[name]
            known = chosen & np.isfinite(values)
            here, values = field[known], values[known]
            for power, terms in enumerate((np.ones(len(values)), values, values * values)):
                np.add.at(self._sums[power, place], here, terms)

    def columns(self) -> Floats:
        """Mean and SD of each measure in each field (M, 2 * measures)."""
        count, total, squares = self._sums
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = total / count
            spread = np.sqrt(np.maximum(squares / count - mean * mean, 0))
        both = np.where(count >= _LEAST_MEASURED, np.stack([mean, spread]), np.nan)
        return np.asarray(both.transpose(2, 1, 0).reshape(both.shape[2], 2 * len(_NAMES)))


def fields_of(nuclei: Parts, side_um: float = SIDE_UM) -> Fields:
    """Describe the squares of a fixed grid that have nuclei enough.

    Parameters
    ----------
    nuclei
        Is asked twice: for places, and for all measures.
    side_um
        Side of a square. The grid begins at the slide's upper left corner. At the rim of the tissue, squares are
        partly empty, and ``nuclei_per_mm2`` is lower.
    """
    keys = _occupied(nuclei, side_um)
    sums, types = {row: _Sums(len(keys)) for row in _ROWS}, np.zeros((len(TYPES), len(keys)))
    count = np.zeros(len(keys))
    for part in nuclei(("x_um", "y_um", "type", *_NAMES)):
        key = _keys(part, side_um)
        place = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
        kept = keys[place] == key if len(keys) else np.zeros(len(key), np.bool_)
        np.add.at(count, place[kept], 1)
        for row in _ROWS:
            sums[row].add(place, part, kept & (part["type"] == TYPES.index(row)) if row in TYPES else kept)
        for number in range(len(TYPES)):
            np.add.at(types[number], place[kept & (part["type"] == number)], 1)
    told = types.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(told >= _LEAST_MEASURED, types / told, np.nan)
    parts = [*(sums[row].columns() for row in _ROWS), (count / (side_um / 1000) ** 2)[:, None], shares.T]
    return Fields(*_corners(keys, side_um), np.concatenate(parts, axis=1))


def _occupied(nuclei: Parts, side_um: float) -> Whole:
    """Squares with nuclei enough (M,), in order."""
    counts = dict[int, int]()
    for part in nuclei(("x_um", "y_um")):
        for key, count in _counted(_keys(part, side_um)):
            counts[key] = counts.get(key, 0) + count
    return np.array(sorted(key for key, count in counts.items() if count >= LEAST_NUCLEI), np.int64)


def _counted(keys: Whole) -> Iterator[tuple[int, int]]:
    found, counts = np.unique(keys, return_counts=True)
    return zip(found.tolist(), counts.tolist(), strict=True)


def _keys(part: Columns, side_um: float) -> Whole:
    """One number for row and column of each nucleus' square, in the order of both."""
    row, column = (np.floor(part[name] / side_um).astype(np.int64) for name in ("y_um", "x_um"))
    return np.asarray((row << 32) + column)


def _corners(keys: Whole, side_um: float) -> tuple[Floats, Floats]:
    column, row = (keys & 0xFFFFFFFF).astype(np.float64), (keys >> 32).astype(np.float64)
    return column * side_um, row * side_um
