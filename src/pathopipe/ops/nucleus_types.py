"""What a nucleus can be, and the names that people give to that in annotations."""

from types import MappingProxyType
from typing import Final

TYPES: Final = ("epithelial", "inflammatory", "stromal", "other")
"""The types, in the order of columns: epithelium (of a tumor, too), inflammatory cells, stroma, anything else."""

_NAMES: Final = MappingProxyType(
    {
        "epithelial": (
            "epithelial", "epithelium", "epithelial cell", "epithelial cells", "tumor", "tumour", "tumor cell",
            "tumour cell", "tumor cells", "tumour cells", "tumor epithelium", "neoplastic", "cancer", "carcinoma",
            "malignant epithelial", "benign epithelial", "healthy epithelial", "normal epithelial",
            "normal epithelium", "dysplastic epithelial", "non-neoplastic epithelial",
        ),
        "inflammatory": (
            "inflammatory", "inflammation", "inflammatory cell", "inflammatory cells", "immune", "immune cell",
            "immune cells", "lymphocyte", "lymphocytes", "til", "tils", "plasma", "plasma cell", "plasma cells",
            "leukocyte", "macrophage", "macrophages", "neutrophil", "neutrophils", "eosinophil", "eosinophils",
        ),
        "stromal": (
            "stromal", "stroma", "stromal cell", "stromal cells", "connective", "connective tissue",
            "connective/soft tissue", "fibroblast", "fibroblasts", "endothelial", "endothelium", "endothelial cell",
            "spindle", "spindle-shaped", "spindle shaped", "vascular", "pericyte",
        ),
        "other": ("other", "others", "miscellaneous", "muscle", "nerve", "neuron", "glia", "adipocyte"),
    }
)  # fmt: skip
_KNOWN: Final = MappingProxyType({name: kind for kind, names in _NAMES.items() for name in names})


def type_named(name: str) -> str | None:
    """Return the type that a name in an annotation stands for; None where it stands for none that is known here."""
    return _KNOWN.get(" ".join(name.casefold().replace("_", " ").split()))
