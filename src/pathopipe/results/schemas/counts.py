"""What a row of ``statistics/statistics.parquet`` is about, and what is counted; without the measures of nuclei."""

from types import MappingProxyType
from typing import Final

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.results.schemas.column import Column

REGION: Final = Column("region", "string", "", "region that the row describes: slide, for the whole slide")
REGION_CLASS: Final = Column(
    "region_class", "string", "", "class of the region in QuPath; empty where it has none, or nobody drew it"
)
TYPE: Final = Column("type", "string", "", f"which nuclei it describes: all, or {', '.join(TYPES)}")
WHOLE_SLIDE: Final = "slide"
"""The region that is all of it."""
ALL: Final = "all"
"""Nuclei of any type."""
DENSEST: Final = "densest_field"
LARGEST: Final = "largest_field"
"""Fields of the size that a pathologist counts in: with the most nuclei, and with the largest."""
REGION_LABELS: Final = MappingProxyType(
    {WHOLE_SLIDE: "Whole slide", DENSEST: "Densest field", LARGEST: "Field of the largest nuclei"}
)
"""What pages call the regions that nobody drew."""
OF_REGIONS: Final = frozenset({REGION.name, REGION_CLASS.name, TYPE.name, "region_mm2", "nuclei_per_region_mm2"})
"""Columns that say nothing of a whole slide."""
ROWS_PER_GROUP: Final = 512
"""Of a table of thousands of columns: a group of 1,000 regions would be more than any reader takes."""
_RATIOS: Final = ("inflammatory", "stromal")
SLIDE: Final = (
    Column("nuclei_count", "int64", "", "nuclei outlined in the region, of this type", "Nuclei"),
    Column("tissue_mm2", "float64", "mm²", "area of the sound tissue of the region", "Tissue area"),
    Column("nuclei_per_mm2", "float64", "per mm²", "nuclei per mm² of tissue", "Nuclear density"),
    Column(
        "region_mm2",
        "float64",
        "mm²",
        "area of the region within the slide; null for the whole slide",
        "Area of the region",
    ),
    Column(
        "nuclei_per_region_mm2",
        "float64",
        "per mm²",
        "nuclei per mm² of the region within the slide",
        "Nuclei per region area",
    ),
    Column("nuclear_share", "float64", "", "share of the tissue area that lies inside nuclei", "Nuclear area share"),
    Column(
        "cut_off_share",
        "float64",
        "",
        "share of nuclei at the border of the image or of the analyzed tissue; sizes and shapes leave them out",
        "Nuclei at the border",
    ),
    Column("typed_share", "float64", "", "share of nuclei whose type is known", "Nuclei with a type"),
    *(
        Column(
            f"{name}_share", "float64", "", f"share of {name} nuclei among those with a type", f"Share of {name} nuclei"
        )
        for name in TYPES
    ),
    *(
        Column(
            f"{name}_per_epithelial",
            "float64",
            "",
            f"{name} nuclei per epithelial nucleus",
            f"{name.capitalize()} per epithelial",
        )
        for name in _RATIOS
    ),
)
"""What is counted."""
