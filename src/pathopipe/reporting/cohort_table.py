"""The table over all slides: one row per slide, as TSV for spreadsheets and as Parquet for programs."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Number = int | float | None
_FIRST = ("slide", "state", "reason", "grade", "abstained", "outside_scope", "warnings", "model", "model_licence")
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
    warnings
        Codes of the warnings about the slide with a blank between them; None where it has no results.
    statistics
        The slide's row of statistics, by column.
    extra
        The columns of the sample sheet that the configuration asks for.
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


def table_columns(rows: Sequence[CohortRow]) -> dict[str, list[Any]]:
    """Return the columns of the table by name, in order; what a slide does not have is None.

    A column of the sheet that is called like one of ours gets the prefix ``sheet_``.
    """
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in _FIRST}
    for grade in _in_order(row.shares for row in rows):
        columns[f"share_of_resamples_{grade}"] = [row.shares.get(grade) for row in rows]
    for name in _in_order(row.statistics for row in rows):
        columns[name] = [row.statistics.get(name) for row in rows]
    for name in _in_order(row.extra for row in rows):
        columns[f"sheet_{name}" if name in columns else name] = [row.extra.get(name) for row in rows]
    return columns


def _in_order(names: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for group in names for name in group))


def to_tsv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    r"""Write a tab-separated table that every reader splits alike and no spreadsheet runs.

    Tabs and line breaks in text become ``\t`` and ``\n``. Text that a spreadsheet would take for a formula gets an
    apostrophe in front; numbers stay numbers. Floats are written so that reading gives the same bits.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))
    return out.getvalue().encode("utf-8")


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


def to_parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Write the table with its types; text is kept as it is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: pa.array(values, _type(name, values)) for name, values in columns.items()}
    out = io.BytesIO()
    pq.write_table(pa.table(arrays), out, compression="zstd")
    return out.getvalue()


def _type(name: str, values: Sequence[Any]) -> Any:
    import pyarrow as pa

    if name in {"abstained", "outside_scope"}:
        return pa.bool_()
    known = [value for value in values if value is not None]
    if name in _FIRST or not known or isinstance(known[0], str):
        return pa.string()
    return pa.int64() if all(isinstance(value, int) for value in known) else pa.float64()
