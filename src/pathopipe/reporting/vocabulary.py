"""What the columns of the tables are called in front of people: label, unit, meaning."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Term:
    """Name, unit (empty for a pure number) and meaning of a measure, in a pathologist's words."""

    label: str
    unit: str
    meaning: str


_OD = "OD"
FEATURES = MappingProxyType(
    {
        "area_um2": Term("Nuclear area", "µm²", "area inside the outline"),
        "perimeter_um": Term("Perimeter", "µm", "length of the outline (Crofton estimate)"),
        "major_axis_um": Term("Major axis", "µm", "length of the ellipse with the same second moments"),
        "minor_axis_um": Term("Minor axis", "µm", "width of the ellipse with the same second moments"),
        "eccentricity": Term("Eccentricity", "", "0 for a circle, towards 1 for a spindle"),
        "solidity": Term("Solidity", "", "share of the convex hull that the nucleus fills; 1 is convex"),
        "circularity": Term("Circularity", "", "4π area / perimeter²; 1 for a circle, lower for irregular outlines"),
        "hematoxylin_mean": Term(
            "Hematoxylin, mean", _OD, "mean hematoxylin density; higher is darker (hyperchromasia)"
        ),
        "hematoxylin_sd": Term("Hematoxylin, SD", _OD, "spread within the nucleus; higher is coarser chromatin"),
        "hematoxylin_edge": Term(
            "Hematoxylin, edge", _OD, "drop of density across the outline; higher is a crisper border"
        ),
        "eosin_mean": Term("Eosin, mean", _OD, "mean eosin density inside the nucleus"),
        "eosin_sd": Term("Eosin, SD", _OD, "spread of eosin within the nucleus"),
        "eosin_edge": Term(
            "Eosin, edge", _OD, "drop of eosin across the outline; negative where the cytoplasm is redder"
        ),
        "nearest_um": Term("Nearest neighbor", "µm", "distance to the nearest other nucleus, center to center"),
        "neighbors_50um": Term("Neighbors within 50 µm", "", "number of other nuclei within 50 µm"),
    }
)

_UNIT_SUFFIXES = frozenset({"um", "um2", "mm", "mm2", "px"})
_ABBREVIATIONS = frozenset({"sd", "cv", "od"})

STATISTICS = MappingProxyType(
    {
        "mean": "Mean",
        "sd": "SD",
        "cv": "CV",
        "skew": "Skewness",
        "p05": "5th percentile",
        "p25": "25th percentile",
        "p50": "Median",
        "p75": "75th percentile",
        "p95": "95th percentile",
    }
)

SLIDE_MEASURES = MappingProxyType(
    {
        "nuclei_count": Term("Nuclei", "", "nuclei outlined on the slide"),
        "tissue_mm2": Term("Tissue area", "mm²", "area found to be tissue"),
        "nuclei_per_mm2": Term("Nuclear density", "per mm²", "nuclei per mm² of tissue"),
    }
)

WARNINGS = MappingProxyType(
    {
        "implausible_mpp": "Doubtful resolution",
        "implausible_color": "Implausible colors",
        "not_he": "Not H&E",
        "out_of_scope": "Out of scope",
        "out_of_focus": "Out of focus",
        "damaged": "Damaged",
        "mpp_conflict": "Resolution differs",
        "pen": "Pen marks",
        "faint": "Faint stain",
        "overstained": "Strong stain",
        "default_stain": "Stain not estimated",
    }
)
"""What the codes of warnings are called, in a word or two."""

MPP_CHECKS = MappingProxyType(
    {
        "scales": "how surely nuclei are found at half, once and twice the scale",
        "size": "the size of nuclei only",
        "nothing": "nothing: there are too few nuclei",
    }
)

MPP_SOURCES = MappingProxyType({"sheet": "given in the sample sheet", "metadata": "read from the slide file"})


def feature(name: str) -> Term:
    """Return the term of a feature column; a column that is not in the vocabulary is shown under its own name."""
    return FEATURES.get(name) or Term(name, "", "")


def statistic_column(column: str) -> tuple[str, str] | None:
    """Split ``area_um2_p50`` into ``("area_um2", "p50")``; None where the column is not a feature's statistic."""
    name, _, statistic = column.rpartition("_")
    return (name, statistic) if name and statistic in STATISTICS else None


def in_words(name: str) -> str:
    """Turn a name in a file into words: ``median_area_um2`` becomes ``Median area``."""
    split = statistic_column(name)
    if name in SLIDE_MEASURES or (split and split[0] in FEATURES):
        return column_term(name).label
    words = [word for word in name.split("_") if word not in _UNIT_SUFFIXES] or [name]
    words = [word.upper() if word in _ABBREVIATIONS else word for word in words]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def column_term(column: str) -> Term:
    """Return the term of a column of the statistics table, a feature's statistic or a measure of the whole slide."""
    if column in SLIDE_MEASURES:
        return SLIDE_MEASURES[column]
    split = statistic_column(column)
    if split is None:
        return Term(column, "", "")
    term, statistic = feature(split[0]), STATISTICS[split[1]]
    unit = "" if split[1] in {"cv", "skew"} else term.unit
    words = statistic if statistic.isupper() else statistic.lower()
    return Term(f"{term.label}, {words}", unit, term.meaning)
