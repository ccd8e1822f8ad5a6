"""Tables that people write: text from any spreadsheet, its rows, and what is wrong with its header."""

import codecs
import csv
import difflib
import io
import re
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# A first line of its own names the separator to Excel.
_SEPARATOR: Final = re.compile(r'^"?sep=([^"\r\n])"?[\t,; ]*(?=\r?\n|\r|$)', re.IGNORECASE)
_LONG: Final = 6
_ALIKE: Final = 0.85
_PER_PIXEL: Final = r"(um|microns?|micrometers?|micrometres?)?(per)?(px|pixels?)?"
_FORMS: Final = {
    "slide": r"slides?(id|name|no|nr|number)?",
    "path": r"(slide|image|file)?paths?",
    "mpp": rf"mpp{_PER_PIXEL}[xy]?|(um|microns?|micrometers?|micrometres?)(per)?(px|pixels?)[xy]?|pixelsize(um)?[xy]?",
    "patient": r"patients?(id|no|nr|number|code)?",
    "grade": r"(known)?grades?",
    "roi": r"rois?(file|path|geojson)?",
    "nuclei": r"nuclei(file|path|geojson)?",
    "nuclei_before": r"nucleibefore(file|path|geojson)?",
    "tissue": r"tissues?(type)?",
    "stain": r"stains?(type|ing)?",
    "image": r"images?(file|path)?",
    "labels": r"labels?(file|path)?",
}
"""What people call these columns, in lower case, without blanks and punctuation."""


def decode(data: bytes) -> str:
    """Text in UTF-8, or in UTF-16 where a byte order mark says so, as Excel's "Unicode text" does.

    Raises
    ------
    UnicodeError
        When it is neither.
    """
    text = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    if "\0" in text:
        raise UnicodeError("text of another encoding, or none")
    return text


def parse_rows(text: str) -> list[tuple[int, list[str]]]:
    """Read a table separated by tabs, commas or semicolons, whichever its first line has, or by what ``sep=`` says.

    Returns
    -------
    Line numbers and cells of what is neither empty nor a comment, without the empty cells at the end of a line.

    Raises
    ------
    csv.Error
        When it is not a table.
    """
    reported = _SEPARATOR.match(text)
    rest = text[reported.end() :] if reported else text
    reader = csv.reader(io.StringIO(rest, newline=""), delimiter=separator(text))
    lines = [(reader.line_num, _without_end([cell.strip() for cell in cells])) for cells in reader]
    return [(number, cells) for number, cells in lines if cells and not cells[0].startswith("#")]


def separator(text: str) -> str:
    """What ``sep=`` says, else what the header has first of tab, comma and semicolon."""
    if reported := _SEPARATOR.match(text):
        return reported[1]
    header = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    return next((character for character in header if character in "\t,;"), "\t")


def _without_end(cells: list[str]) -> list[str]:
    """Drop the empty cells that spreadsheets leave at the end of a line."""
    return cells[: max((index for index, cell in enumerate(cells, 1) if cell), default=0)]


def header_problems(header: list[str], needed: Collection[str], known: Collection[str]) -> list[str]:
    """Say what is wrong with a header, a sentence each: columns missing, nearly named like a known one, or repeated.

    What is named like a known column but for case, blanks, punctuation and units is never meant as another one. What is
    only similar, such as ``patient_id``, is a mistake where the known column itself is not there.
    """
    taken = {name: meant for name in header if (meant := _meant(name, header, known))}
    problems = [f"the column '{name}' is not known: did you mean '{meant}'? Rename it" for name, meant in taken.items()]
    problems += [f"the column '{name}' is missing" for name in needed if name not in {*header, *taken.values()}]
    return problems + [f"the column '{name}' appears twice" for name in _repeated(header)]


def _repeated(header: list[str]) -> list[str]:
    return sorted({name for name in header if header.count(name) > 1})


def _meant(name: str, header: list[str], known: Collection[str]) -> str | None:
    """Which known column is meant by an unknown name; None where it is a separate column."""
    plain = _plain(name)
    if not plain or name in known:
        return None
    missing = [column for column in known if column not in header]
    similar = (column for column in missing if _is_similar(plain, column))
    return plain if plain in known else next(similar, None)


def _plain(name: str) -> str:
    """In lower case, without blanks, punctuation and accents; the micro sign is a u."""
    letters = unicodedata.normalize("NFKD", name).casefold().replace("μ", "u")
    return re.sub(r"[^a-z0-9]", "", letters)


def _is_similar(plain: str, column: str) -> bool:
    """Whether a name is a usual form of a column, or a slip of the keys.

    Of a short name only letters swapped or doubled are a slip: ``side`` is not ``slide``, ``strain`` not ``stain``.
    """
    if re.fullmatch(_FORMS.get(column, column), plain):
        return True
    swapped = sorted(plain) == sorted(column) and plain[0] == column[0]
    slip = swapped or _undoubled(plain) == _undoubled(column)
    return slip or (len(column) >= _LONG and difflib.SequenceMatcher(None, plain, column).ratio() >= _ALIKE)


def _undoubled(text: str) -> str:
    return re.sub(r"(.)\1+", r"\1", text)


def as_on_disk(path: Path) -> Path:
    """The path as the disk has it, where it writes an accented letter as one character and the sheet as two, or so.

    A path that is there, and one that is not there in any form, stays as it is.
    """
    if str(path).isascii() or _is_there(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        found = next((form for form in _forms(found, part) if _is_there(form)), found / part)
    return found if _is_there(found) else path


def _forms(folder: Path, name: str) -> Iterator[Path]:
    """A name in a folder as it is, composed, decomposed, and as the folder's own names mix the two."""
    yield from (folder / name, *(folder / unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
    if not name.isascii():
        wanted = unicodedata.normalize("NFC", name)
        try:
            yield from (entry for entry in folder.iterdir() if unicodedata.normalize("NFC", entry.name) == wanted)
        except OSError:
            return


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows, a folder that may not be entered
        return False
