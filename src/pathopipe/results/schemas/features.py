"""Columns of ``features/features.parquet``, a row per nucleus in the order of ``nuclei.parquet``."""

from types import MappingProxyType
from typing import Final

from pathopipe.results.schemas.column import Column, Table, Term
from pathopipe.results.schemas.measures.chromatin import CHROMATIN
from pathopipe.results.schemas.measures.neighborhood import DISTANCES, NEIGHBORHOOD
from pathopipe.results.schemas.measures.shape import SHAPE
from pathopipe.results.schemas.measures.size import SIZE
from pathopipe.results.schemas.measures.staining import STAINING
from pathopipe.results.schemas.measures.texture import TEXTURE

NUCLEUS_ID: Final = Column("nucleus_id", "int64", "", "number of the nucleus, as in nuclei.parquet")
AT_BORDER: Final = Column(
    "at_border",
    "int8",
    "",
    "1 where the nucleus touches the border of the image or of the analyzed tissue, which may have cut it off, else 0",
)
GROUPS: Final = MappingProxyType(
    {
        "size": SIZE,
        "stain": STAINING,
        "distances": DISTANCES,
        "shape": SHAPE,
        "texture": TEXTURE,
        "chromatin": CHROMATIN,
        "neighborhood": NEIGHBORHOOD,
    }
)
"""What is measured of each nucleus, by group: the first three always, the others if the settings ask for them."""
CUT_OFF: Final = frozenset(
    {
        *(column.name for group in ("size", "shape") for column in GROUPS[group]),
        *("clump_area_um2", "clump_largest_um2", "bright_area_um2", "hematoxylin_total"),
    }
)
"""Measures that are wrong where a nucleus is cut off; statistics leave those nuclei out."""
MEASURES: Final = tuple(column for columns in GROUPS.values() for column in columns)
COLUMNS: Final = (NUCLEUS_ID, AT_BORDER, *MEASURES)
TABLE: Final = Table(COLUMNS, complete=False)
SIGNED: Final = frozenset(column.name for column in MEASURES if not column.range or "−" in column.range)
"""Measures that may be negative, so that their spread relative to the mean says nothing."""
TERMS: Final = MappingProxyType({column.name: column.term for column in MEASURES})


def term_of(name: str) -> Term:
    """Return the term of a feature; one that is not known is shown under its own name."""
    return TERMS.get(name) or Term(name, "", "")
