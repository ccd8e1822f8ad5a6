"""The sample sheet: one line per slide."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from pathopipe.errors import RefusalError
from pathopipe.spreadsheets import as_on_disk, decode, header_problems, parse_rows

ID_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
_RESERVED = {"cohort"}
COLUMNS = {
    "slide": "id of the slide: names its results folder; 1 to 100 letters, digits, `_` and `-`, no `-` at the start",
    "path": "the slide's file; for DICOM any file of the series, or its folder; relative to the sheet",
    "mpp": "micrometers per pixel, or two numbers for x and y, `0.25 0.26`; overrides what the file says",
    "patient": "for one grade per patient, splitting and evaluation; never written to an output",
    "grade": "known grade, for evaluation; never written to an output",
    "roi": "GeoJSON of the regions to analyze, as QuPath exports it, in pixels of the slide, rounded to 8 µm; "
    "each gets a row of statistics under its name or class; areas of a class `Ignore…` are left out; "
    "the rest is ignored; relative to the sheet",
    "nuclei": "nuclei that you have: GeoJSON as QuPath exports it, GeoParquet, or a label image (PNG, TIFF); "
    "none are looked for on this slide; relative to the sheet (docs/own-nuclei.md)",
    "nuclei_before": "the same nuclei before they were corrected, in one of these formats: the report says what "
    "changed",
    "tissue": "organ, such as `breast`; a grader that is not made for it gives no grade (`grade.out_of_scope`)",
    "stain": "such as `H&E`; a grader that is not made for it gives no grade (`grade.out_of_scope`)",
}
"""The columns that the sheet may have, and what they mean; the first two must be there."""
ABOUT_SLIDE = {"tissue", "stain"}
"""Those of them that may be shown, like additional columns."""
ALL_COLUMNS = "all"
"""Stands for all columns of the sheet that may be shown."""
FILES = ("roi", "nuclei", "nuclei_before")
"""Those of them that name a file beside the slide's."""
_MAX_ID = 100
_EMPTY = (
    "lists no slides: write a line for each, or have 'pathopipe init FOLDER' write the sheet; "
    "'pathopipe demo' runs on synthetic slides"
)


@dataclass(frozen=True)
class Sample:
    """A line of the sheet.

    Attributes
    ----------
    slide
        The id: names the results folder.
    path
        The slide's file, absolute.
    mpp
        Micrometers per pixel along x and y, or None to take the file's.
    patient, grade
        For grades of patients, splitting and evaluation; never written to an output.
    roi
        GeoJSON of the regions to analyze, or None.
    extra
        The sheet's columns that may be shown: additional ones, and those that state a slide's tissue and stain.
    nuclei, nuclei_before
        Files of nuclei to take instead of looking for them, and of the same before they were corrected, or None.
    """

    slide: str
    path: Path
    mpp: tuple[float, float] | None = None
    patient: str | None = None
    grade: str | None = None
    roi: Path | None = None
    extra: dict[str, str] = field(default_factory=dict)
    nuclei: Path | None = None
    nuclei_before: Path | None = None

    @property
    def about(self) -> dict[str, str]:
        """What the sheet says of the slide's ``tissue`` and ``stain``, without what it leaves empty."""
        return {name: value for name, value in self.extra.items() if name in ABOUT_SLIDE and value}

    @property
    def files(self) -> dict[str, Path]:
        """The files that the line names beside the slide's, by column."""
        found: dict[str, Path | None] = {name: getattr(self, name) for name in FILES}
        return {name: path for name, path in found.items() if path is not None}

    def cell(self, column: str) -> str:
        """What the sheet says of the slide in a column that holds a label, a patient or something additional."""
        known = {"patient": self.patient, "grade": self.grade}
        return (known[column] if column in known else self.extra.get(column)) or ""


def shown_columns(asked: Sequence[str], samples: Sequence[Sample]) -> tuple[str, ...]:
    """The sheet's columns that are to be shown: those asked for, or, for `ALL_COLUMNS` alone, all that may be."""
    return tuple(samples[0].extra) if tuple(asked) == (ALL_COLUMNS,) and samples else tuple(asked)


def read_samples(sheet: Path) -> list[Sample]:
    """Read and check a sample sheet, separated by tabs, commas or semicolons.

    Paths are relative to the sheet's folder. That files exist is not checked here.

    Raises
    ------
    RefusalError
        With all mistakes at once, one sentence per line of the sheet.
    """
    samples, problems = check_samples(sheet)
    if problems:
        raise RefusalError(*problems)
    return samples


def check_samples(sheet: Path) -> tuple[list[Sample], list[str]]:
    """Read a sample sheet: the lines without mistakes, and one sentence for each mistake of the others.

    Raises
    ------
    RefusalError
        When the file cannot be read, or is not a table.
    """
    header, rows = _read(sheet)
    problems = header_problems(header, ("slide", "path"), COLUMNS)
    if problems:
        return [], [f"{sheet}: {problem}" for problem in problems]
    samples, first_line = list[Sample](), dict[str, int]()
    for line, cells in rows:
        row = dict(zip_longest(header, cells[: len(header)], fillvalue=""))
        mistakes = _mistakes(row, cells, header, first_line)
        problems += [f"{sheet}, line {line}: {mistake}" for mistake in mistakes]
        first_line.setdefault(row.get("slide", "").lower(), line)
        if not mistakes:
            samples.append(_sample(sheet.parent, row))
    return samples, problems if rows else [f"{sheet}: {_EMPTY}"]


def find_sample(sheet: Path, slide: str) -> Sample:
    """The line of one slide; a refusal when the sheet does not list it."""
    for sample in read_samples(sheet):
        if sample.slide == slide:
            return sample
    raise RefusalError(f"{sheet}: does not list the slide '{slide}'")


def _read(sheet: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        text = decode(sheet.read_bytes())
    except OSError as error:
        raise RefusalError(
            f"{sheet}: the sample sheet cannot be read ({error.strerror}): 'pathopipe init FOLDER' writes one"
        ) from error
    except UnicodeError as error:
        raise RefusalError(f"{sheet}: is not a text file in UTF-8: save it as tab-separated text") from error
    try:
        lines = parse_rows(text)
    except csv.Error as error:
        raise RefusalError(f"{sheet}: is not a table ({error}): save it as tab-separated text") from error
    return (lines[0][1], lines[1:]) if lines else ([], [])


def _mistakes(row: dict[str, str], cells: list[str], header: list[str], first_line: dict[str, int]) -> list[str]:
    if len(cells) > len(header):
        return [f"has {len(cells)} cells, the header has {len(header)}"]
    return [*_id_mistakes(row.get("slide", ""), first_line), *_cell_mistakes(row)]


def _id_mistakes(slide: str, first_line: dict[str, int]) -> list[str]:
    if slide.startswith("-"):
        return [f"slide id {slide!r} begins with '-', which a command takes for an option: choose another"]
    if not re.fullmatch(ID_PATTERN, slide) or len(slide) > _MAX_ID:
        return [f"slide id {slide!r} must consist of 1 to {_MAX_ID} letters, digits, '_' and '-'"]
    if slide in _RESERVED:
        return [f"slide id {slide!r} is reserved, choose another"]
    # Case is ignored, because some file systems do not tell 'A' from 'a'.
    if slide.lower() in first_line:
        return [f"slide id {slide!r} is already used in line {first_line[slide.lower()]}"]
    return []


def _cell_mistakes(row: dict[str, str]) -> list[str]:
    mistakes = [] if row.get("path") else ["the path is empty"]
    if mpp := row.get("mpp", ""):
        try:
            _parse_mpp(mpp)
        except ValueError:
            mistakes.append(f"mpp {mpp!r} is not a positive number (or two, 'x y', of micrometers per pixel)")
    if row.get("nuclei_before") and not row.get("nuclei"):
        mistakes.append("nuclei_before is given without nuclei: give the corrected nuclei in that column")
    return mistakes


def _parse_mpp(text: str) -> tuple[float, float]:
    values = [float(part) for part in text.split()]
    if len(values) not in {1, 2} or not all(0 < value < float("inf") for value in values):
        raise ValueError(text)
    return values[0], values[-1]


def _sample(folder: Path, row: dict[str, str]) -> Sample:
    def optional(name: str) -> str | None:
        return row.get(name) or None

    def file(name: str) -> Path | None:
        return as_on_disk((folder / row[name]).absolute()) if row.get(name) else None

    return Sample(
        slide=row["slide"],
        path=as_on_disk((folder / row["path"]).absolute()),
        mpp=_parse_mpp(row["mpp"]) if row.get("mpp") else None,
        patient=optional("patient"),
        grade=optional("grade"),
        roi=file("roi"),
        nuclei=file("nuclei"),
        nuclei_before=file("nuclei_before"),
        extra={name: value for name, value in row.items() if name in ABOUT_SLIDE or name not in COLUMNS},
    )
