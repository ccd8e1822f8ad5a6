"""Text and tables that people write."""

import csv
from collections.abc import Mapping
from itertools import zip_longest
from math import isfinite
from pathlib import Path

from pathopipe.errors import RefusalError
from pathopipe.spreadsheets import decode, header_problems, parse_rows


def read_text(path: Path) -> str:
    """Read UTF-8, or UTF-16 with a mark; refused where it is neither, or where the file can't be read."""
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise RefusalError(f"{path}: cannot be read ({error.strerror}): correct the path") from error
    except UnicodeError as error:
        raise RefusalError(f"{path}: is not text in UTF-8: export or save it again") from error


def read_rows(
    path: Path, needed: tuple[str, ...], optional: tuple[str, ...] = ()
) -> list[tuple[int, Mapping[str, str]]]:
    """Read a table with a header: the number of each line, and its cells by column.

    Raises
    ------
    RefusalError
        When it is not a table, lacks a column that is ``needed``, has one twice or named nearly like one that is known,
        or lines of too many cells.
    """
    try:
        (_, header), *lines = parse_rows(read_text(path)) or [(1, [])]
    except csv.Error as error:
        raise RefusalError(f"{path}: is not a table ({error}): save it as tab-separated text") from error
    problems = [f"{path}: {problem}" for problem in header_problems(header, needed, (*needed, *optional))]
    problems += [
        f"{path}, line {line}: has {len(cells)} cells, the header has {len(header)}"
        for line, cells in lines
        if len(cells) > len(header)
    ]
    if problems:
        raise RefusalError(*problems)
    return [(line, dict(zip_longest(header, cells, fillvalue=""))) for line, cells in lines]


def number(text: str) -> float | None:
    """Read a finite number; None where it is not one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
