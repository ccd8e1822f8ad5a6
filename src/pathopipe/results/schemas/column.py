"""What a column of a table is: for the file, whose schema carries unit and meaning, and on pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Term:
    """Name, unit (empty for a pure number) and meaning of a measure, in a pathologist's words."""

    label: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name, kind
        In the table, and Arrow's name of its type.
    unit
        Empty for a pure number and for text.
    meaning
        A phrase without its period.
    label
        What pages call it; empty where none shows it.
    optional
        Whether text may be missing in a row; numbers may where the table is not complete.
    formula, source, range
        How it is computed; who described it (author and year); and which values it can have. Of measures and
        statistics, for the dictionary in docs/measures.md.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    label: str = ""
    optional: bool = False
    formula: str = ""
    source: str = ""
    range: str = ""

    @property
    def term(self) -> Term:
        """What pages show."""
        return Term(self.label or self.name, self.unit, self.meaning)

    @property
    def description(self) -> str:
        """What the file says of it."""
        return f"{self.label}: {self.meaning}" if self.label else self.meaning


@dataclass(frozen=True)
class Table:
    """What a table holds.

    Attributes
    ----------
    columns
        Those that it is known to have.
    complete
        Whether no value may be missing; else those of floating-point columns may: what can't be measured has none.
    rows_per_group
        Rows that are written and read together, where they are not as many as usual.
    """

    columns: tuple[Column, ...] = ()
    complete: bool = True
    rows_per_group: int | None = None


def schema_of(columns: Iterable[Column], metadata: Mapping[str, str] | None = None) -> "pa.Schema":
    """Arrow's schema of a table; each field's metadata holds ``description`` and, where there is one, ``unit``."""
    import pyarrow as pa

    fields = [
        pa.field(column.name, pa.type_for_alias(column.kind), metadata=_metadata(column.unit, column.description))
        for column in columns
    ]
    return pa.schema(fields, metadata=metadata)


def _metadata(unit: str, description: str) -> dict[str, str]:
    return ({"unit": unit} if unit else {}) | {"description": description}
