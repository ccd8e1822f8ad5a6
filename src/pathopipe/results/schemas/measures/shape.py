"""Shape of the outline and of the mask: the group `shape`."""

from typing import Final

from pathopipe.results.schemas.column import Column

SHAPE: Final[tuple[Column, ...]] = ()
