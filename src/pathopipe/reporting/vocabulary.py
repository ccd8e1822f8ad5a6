"""What pages call warnings, checks and the names in files; columns: `results.schemas`."""

from types import MappingProxyType

from pathopipe.results.schemas.features import TERMS
from pathopipe.results.schemas.statistics import SLIDE_TERMS, column_term, split

_UNIT_SUFFIXES = frozenset({"um", "um2", "mm", "mm2", "px"})
_ABBREVIATIONS = frozenset({"sd", "cv", "od"})

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
        "many_regions": "Many regions",
        "faint": "Faint stain",
        "overstained": "Strong stain",
        "default_stain": "Stain not estimated",
        "stain_not_normalized": "Stain not normalized",
        "other_stain": "Stain unlike the grader's",
    }
)
"""What the codes of warnings are called, in a word or two."""

FIGURES = MappingProxyType(
    {
        "n_patients": "Patients",
        "quadratic_kappa": "Quadratic-weighted kappa",
        "spearman": "Rank correlation",
        "auc": "AUC",
        "balanced_accuracy": "Balanced accuracy",
        "accuracy": "Accuracy",
        "ece": "Calibration error (ECE)",
        "brier": "Brier score",
        "coverage": "Sets that hold the grade",
        "set_size": "Grades per set",
        "selective_accuracy": "Accuracy where a grade is given",
        "graded": "Share of slides with a grade",
    }
)
"""What figures of graders are called, in the order in which pages show them."""

MPP_CHECKS = MappingProxyType(
    {
        "scales": "detection of nuclei at half, the same and twice the scale",
        "size": "size of the nuclei only",
        "nothing": "not done: too few nuclei",
    }
)

MPP_SOURCES = MappingProxyType({"sheet": "given in the sample sheet", "metadata": "read from the slide file"})


def in_words(name: str) -> str:
    """Turn a name in a file into words: ``median_area_um2`` becomes ``Median area``."""
    parts = split(name)
    if name in SLIDE_TERMS or (parts and parts[0] in TERMS):
        return column_term(name).label
    words = [word for word in name.split("_") if word not in _UNIT_SUFFIXES] or [name]
    words = [word.upper() if word in _ABBREVIATIONS else word for word in words]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])
