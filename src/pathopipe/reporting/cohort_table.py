"""The table over all slides: one row per slide, as TSV for spreadsheets and as Parquet for programs."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pathopipe.results.schemas.cohort import (
    PROBABILITY,
    SHARE,
    SLIDE,
    of_sheet,
    probability,
    share,
    statistic,
)
from pathopipe.results.schemas.column import Column, schema_of
from pathopipe.results.schemas.statistics import KINDS as STATISTICS

Number = int | float | None
_FORMULA = re.compile(r"\s*[=+\-@]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_BREAKS = str.maketrans({"\t": r"\t", "\n": r"\n", "\r": r"\r", "\x00": ""})


@dataclass(frozen=True)
class CohortRow:
    """One slide.

    Attributes
    ----------
    slide, state, reason
        Id; ``done``, ``rejected``, ``fault`` or ``missing``; and why it is not done.
    grade, abstained, outside_scope, shares
        What the grader said; None and empty for a slide without results. Shares of resamples by grade.
    calibrated
        Whether these shares are probabilities.
    patient_grade, patient_slides
        Grade of the patient, and ids of all slides of the patient; None where the sheet names no patient.
    warnings
        Codes of the warnings about the slide with a blank between them; None where it has no results.
    outlying
        Statistics in which the slide lies far from the others, with a blank between them; None where it does in none.
    scanner_group
        Which of the slides that were stained or scanned alike it belongs to; None where there are no such groups.
    statistics
        The slide's row of statistics, by column.
    extra
        The columns of the sample sheet that the configuration asks for.
    other_settings
        Settings that differ from those of most slides, as for ``--set``; None where none do.
    model, model_licence
        What found the nuclei, and the terms that its results may be used under.
    """

    slide: str
    state: str
    reason: str | None = None
    grade: str | None = None
    abstained: bool | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    statistics: Mapping[str, Number] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    model_licence: str | None = None
    outside_scope: bool | None = None
    warnings: str | None = None
    outlying: str | None = None
    scanner_group: str | None = None
    other_settings: str | None = None
    calibrated: bool = False
    patient_grade: str | None = None
    patient_slides: str | None = None


def table_of(rows: Sequence[CohortRow]) -> pd.DataFrame:
    """Return the table, a row per slide, as objects of Python; what a slide does not have is missing.

    A column of the sheet that is called like one of ours gets the prefix ``sheet_``.
    """
    first = [column.name for column in SLIDE]
    parts = (
        pd.DataFrame([[getattr(row, name) for name in first] for row in rows], columns=first, dtype=object),
        pd.DataFrame([{} if row.calibrated else dict(row.shares) for row in rows], dtype=object).add_prefix(SHARE),
        pd.DataFrame([dict(row.shares) if row.calibrated else {} for row in rows], dtype=object).add_prefix(
            PROBABILITY
        ),
        pd.DataFrame([dict(row.statistics) for row in rows], dtype=object),
    )
    table = pd.concat(parts, axis="columns")
    for name, values in pd.DataFrame([dict(row.extra) for row in rows], dtype=object).items():
        table[_free(name, table)] = values
    return table


def _free(name: str, table: pd.DataFrame) -> str:
    return _free(f"sheet_{name}", table) if name in table else name


def to_tsv(table: pd.DataFrame) -> bytes:
    r"""Write a tab-separated table that every reader splits alike and no spreadsheet runs.

    Tabs and line breaks in text become ``\t`` and ``\n``. Text that a spreadsheet would take for a formula gets an
    apostrophe in front; numbers stay numbers. Floats are written so that reading gives the same bits.
    """
    header = [_cell(name) for name in table]
    text: str = table.map(_cell).to_csv(sep="\t", header=header, index=False, lineterminator="\n")
    return text.encode("utf-8")


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    risky = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return ("'" if risky else "") + text.translate(_BREAKS)


def to_parquet(table: pd.DataFrame) -> bytes:
    """Write the table with its types and what its columns are; text is kept as it is."""
    schema = schema_of(_column(name, table[name]) for name in table)
    arrays = [pa.array(table[field.name], field.type, from_pandas=True) for field in schema]
    out = io.BytesIO()
    pq.write_table(pa.table(arrays, schema=schema), out, compression="zstd")
    return out.getvalue()


def _column(name: str, values: pd.Series) -> Column:
    known = {column.name: column for column in SLIDE}
    if name in known:
        return known[name]
    if name in STATISTICS:
        return statistic(name, STATISTICS[name])
    found = values.dropna()
    if found.empty or isinstance(found.iloc[0], str):
        return of_sheet(name)
    kind = "int64" if all(isinstance(value, int) for value in found) else "float64"
    if name.startswith(PROBABILITY):
        return probability(name.removeprefix(PROBABILITY), kind)
    return share(name.removeprefix(SHARE), kind) if name.startswith(SHARE) else statistic(name, kind)
