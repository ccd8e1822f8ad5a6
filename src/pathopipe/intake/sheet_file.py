"""The sample sheet as ``pathopipe init`` finds and leaves it: what people entered by hand stays."""

import codecs
import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from pathopipe.files import write_whole
from pathopipe.intake.folders import Key, key

Row = dict[str, str]


@dataclass(frozen=True)
class Sheet:
    """Cells of a sheet by column, in order; ``folder`` is where its paths start."""

    header: Sequence[str] = ("slide", "path", "mpp")
    rows: Sequence[Row] = ()
    folder: Path = field(default_factory=Path)

    def path(self, row: Row) -> Path:
        """Where a row's slide lies."""
        from pathopipe.spreadsheets import as_on_disk

        return as_on_disk((self.folder / row["path"]).absolute())

    def key(self, row: Row) -> Key:
        """Recognize a row's slide."""
        return key(self.path(row))


def read(path: Path, place: str = "path") -> Sheet:
    """Read a sheet whatever its cells hold; empty where it is not one. ``place`` is the column that a row must fill."""
    from pathopipe.spreadsheets import decode, parse_rows

    try:
        lines = parse_rows(decode(path.read_bytes()))
    except (OSError, UnicodeError, csv.Error):
        return Sheet()
    header = lines[0][1] if lines else []
    if not {"slide", place} <= set(header):
        return Sheet()
    rows = [dict(zip_longest(header, bins[: len(header)], fillvalue="")) for _, bins in lines[1:]]
    return Sheet(header, [row for row in rows if row[place]], path.parent)


def write(path: Path, header: Sequence[str], rows: Iterable[Row]) -> bool:
    """Write a sheet, tab-separated; one that is there and differs is kept as ``.bak``; returns whether it was."""
    text = _lines("\t", "\n", [header, *_cells(header, rows)])
    there = path.read_bytes() if path.exists() else b""
    keep = bool(there) and there != text.encode()
    if keep:
        write_whole(path.with_name(f"{path.name}.bak"), there)
    write_whole(path, text.encode())
    return keep


def append(path: Path, header: Sequence[str], rows: Iterable[Row]) -> None:
    """Add rows at the end of a sheet, in its own encoding, separator and line ends; the rest stays as it is."""
    from pathopipe.spreadsheets import decode, separator

    data = path.read_bytes()
    text = decode(data)
    end = "\r\n" if "\r\n" in text else "\n"
    text = text if text.endswith(("\n", "\r")) else text + end
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    encoding = next((name for mark, name in marks.items() if data.startswith(mark)), "utf-8")
    write_whole(path, (text + _lines(separator(text), end, _cells(header, rows))).encode(encoding))


def _cells(header: Sequence[str], rows: Iterable[Row]) -> list[list[str]]:
    return [[row.get(name, "") for name in header] for row in rows]


def _lines(separator: str, end: str, rows: Iterable[Sequence[str]]) -> str:
    """Text of a table; a cell that holds a separator or a line end is put in quotes."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)
    return text.getvalue()
