"""Ids of slides, by which their results are named: from the names of their files, or neutral numbers."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

from pathopipe.intake.folders import is_dicom_name
from pathopipe.intake.sheet_file import Row

Naming = Literal["neutral", "names"]
"""Ids that are numbers, or made from the names of files."""

_MAX_ID: Final = 80
_NEUTRAL: Final = re.compile(r"slide_(\d{4,})")


def is_neutral(slide: str) -> bool:
    """Whether an id is a number, whoever gave it."""
    return _NEUTRAL.fullmatch(slide) is not None


def naming_of(rows: Collection[Row]) -> Naming | None:
    """Say how the slides of a sheet were named; None where neither way left an id."""
    if any(is_neutral(row["slide"]) for row in rows):
        return "neutral"
    return "names" if any(row["slide"] == _clean(stem(Path(row["path"]))) for row in rows) else None


def name_neutrally(rows: Iterable[Row], taken: Iterable[str]) -> None:
    """Give numbers to rows whose id is not neutral, after those that are taken."""
    numbers = [int(found[1]) for slide in taken if (found := _NEUTRAL.fullmatch(slide))]
    unnamed = (row for row in rows if not is_neutral(row["slide"]))
    for number, row in enumerate(unnamed, max(numbers, default=0) + 1):
        row["slide"] = f"slide_{number:04}"


def name_after_files(rows: Iterable[Row], all_rows: Iterable[Row], path: Callable[[Row], Path], folder: Path) -> None:
    """Name rows that have no id yet, or a neutral one, after their files; ``path`` tells where a row's file lies."""
    unnamed = [row for row in rows if not row["slide"] or is_neutral(row["slide"])]
    taken = [row["slide"] for row in all_rows if row not in unnamed]
    for row, name in zip(unnamed, make_ids([path(row) for row in unnamed], folder, taken), strict=True):
        row["slide"] = name


def make_ids(slides: list[Path], folder: Path, taken: Collection[str] = ()) -> list[str]:
    """Ids from file names; where two are alike, from their paths; where these are alike too, numbered.

    A DICOM series is named after its folder, for the names of its files say nothing.
    """
    names = [_clean(stem(slide)) for slide in slides]
    used = {name.lower() for name in taken}
    folded = [*used, *(name.lower() for name in names)]
    ids = list[str]()
    for slide, name in zip(slides, names, strict=True):
        parts = slide.parent.relative_to(folder).parts if slide.is_relative_to(folder) else slide.parent.parts[-1:]
        path = _clean("_".join(parts if is_dicom_name(slide) else (*parts, stem(slide))))
        for candidate in _candidates(name if folded.count(name.lower()) == 1 else path):
            if candidate.lower() not in used:
                break
        used.add(candidate.lower())
        ids.append(candidate)
    return ids


def _candidates(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def stem(slide: Path) -> str:
    """Name of a slide's file without its ending; of a DICOM series that of its folder."""
    if is_dicom_name(slide):
        return slide.parent.name
    return re.sub(r"\.ome$", "", slide.stem, flags=re.IGNORECASE)


def _clean(name: str) -> str:
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).lstrip("_-").rstrip("_")[:_MAX_ID] or "slide"
    return f"{cleaned}_1" if cleaned.lower() == "cohort" else cleaned
