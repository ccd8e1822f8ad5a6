"""Columns of ``types/types.parquet``, a row per nucleus in the order of ``nuclei.parquet``."""

from typing import Final

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.results.schemas.column import Column, Table, schema_of
from pathopipe.results.schemas.features import NUCLEUS_ID

TYPE: Final = Column(
    "type", "string", "", f"what the nucleus is: {', '.join(TYPES)}; null where the model cannot say", optional=True
)
_MEANINGS: Final = {
    "epithelial": "epithelium, of a tumor or not",
    "inflammatory": "an inflammatory cell",
    "stromal": "stroma: a fibroblast or endothelium",
    "other": "none of these",
}
PROBABILITIES: Final = tuple(
    Column(f"p_{name}", "float32", "", f"probability that it is {_MEANINGS[name]}; null without a model")
    for name in TYPES
)
COLUMNS: Final = (NUCLEUS_ID, TYPE, *PROBABILITIES)
TABLE: Final = Table(COLUMNS, complete=False)
SCHEMA: Final = schema_of(COLUMNS)
