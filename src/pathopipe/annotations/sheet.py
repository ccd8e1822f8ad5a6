"""Which images are annotated: a sheet, or two folders."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pathopipe.annotations.labels import LABEL_SUFFIXES
from pathopipe.annotations.tables import number, read_rows
from pathopipe.errors import RefusalError
from pathopipe.spreadsheets import as_on_disk
from pathopipe.units import MAX_MPP, MIN_MPP

# Stated for an image that shows no nuclei, such as an artifact to learn from.
_EMPTY: Final = "none"
# Files beside images that are not images.
_NO_IMAGES: Final = {".tsv", ".csv", ".txt", ".md", ".json", ".geojson", ".xml", ".yaml"}

Row = Mapping[str, str]


@dataclass(frozen=True)
class Annotated:
    """An image and its labels.

    Attributes
    ----------
    name
        Unique among the images.
    labels
        File of the labels; None where the sheet says that there are no nuclei.
    mpp
        Micrometers per pixel of the image.
    patient
        The patient, where known: images of one patient are not independent samples.
    share
        How often the image is shown in training, relative to others of its size.
    """

    name: str
    image: Path
    labels: Path | None
    mpp: float
    patient: str | None = None
    share: float = 1.0


def read_sheet(path: Path) -> list[Annotated]:
    """Read a table of annotated images, with the columns image, labels and mpp, and perhaps patient and share.

    Paths are relative to the sheet. An image is named by its file, or by what the sheet says where two files have one
    name. Labels ``none`` say that an image shows no nuclei.

    Raises
    ------
    RefusalError
        With all mistakes at once, one sentence for each.
    """
    rows = read_rows(path, ("image", "labels", "mpp"), ("patient", "share"))
    if not rows:
        raise RefusalError(f"{path}: lists no images")
    first_line = dict[Path, int]()
    problems = [
        f"{path}, line {line}: {mistake}"
        for line, row in rows
        for mistake in (*_file_mistakes(row, path.parent), *_repeated(row, path.parent, line, first_line), *_odd(row))
    ]
    if problems:
        raise RefusalError(*problems)
    stems = Counter(Path(row["image"]).stem for _, row in rows)
    return [_annotated(row, path.parent, stems) for _, row in rows]


def match(images: Path, labels: Path, mpp: float) -> list[Annotated]:
    """Pair the images of a folder with labels of the same names.

    Raises
    ------
    RefusalError
        No images, two of one name, missing labels, an implausible ``mpp``.
    """
    if not MIN_MPP <= mpp <= MAX_MPP:
        raise RefusalError(f"--mpp: {_implausible(f'{mpp:g}')}")
    files = sorted(file for file in images.iterdir() if file.is_file() and file.suffix.lower() not in _NO_IMAGES)
    files = [file for file in files if not file.name.startswith(".")]
    found = {file.stem: file for file in files}
    if len(found) < len(files):
        twice = next(name for name, n in Counter(file.stem for file in files).items() if n > 1)
        raise RefusalError(
            f"{images}: there are several images named '{twice}': keep one of them, or list them in a sheet"
        )
    paths = find_labels(found, labels, images)
    return [Annotated(name, found[name], path, mpp) for name, path in paths.items()]


def find_labels(found: Mapping[str, Path], labels: Path, source: Path) -> dict[str, Path]:
    """Find the labels in a folder that have the names of what was ``found`` in ``source``, sorted by name.

    Raises
    ------
    RefusalError
        When nothing was found, or some of it has no labels.
    """
    if not found:
        raise RefusalError(f"{source}: there are no images or results in this folder")
    existing = dict[str, Path]()
    for name, path in sorted(found.items()):
        candidates = (labels / f"{name}{suffix}" for suffix in LABEL_SUFFIXES)
        if here := next((file for file in candidates if file.is_file() and file != path), None):
            existing[name] = here
    missing = [name for name in sorted(found) if name not in existing]
    if missing:
        raise RefusalError(
            f"{labels}: there are no labels for {len(missing)} of {len(found)}, the first is '{missing[0]}': "
            f"add {missing[0]}.png, {missing[0]}.geojson or {missing[0]}.tsv"
        )
    return existing


def _file_mistakes(row: Row, folder: Path) -> Iterator[str]:
    for column in ("image", "labels"):
        if not row[column]:
            yield f"names no {column}"
        elif column == "labels" and row[column] == _EMPTY:
            return
        elif not _is_there(as_on_disk(folder / row[column])):
            yield f"the file {folder / row[column]} is missing: correct the path in the column '{column}'"
    if row["labels"] and Path(row["labels"]).suffix.lower() not in LABEL_SUFFIXES:
        yield f"the labels {row['labels']} are not of a known kind: they end in {', '.join(LABEL_SUFFIXES)}"


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows, a folder that may not be entered
        return False


def _repeated(row: Row, folder: Path, line: int, first_line: dict[Path, int]) -> Iterator[str]:
    """Report an image that an earlier line lists; ``first_line`` holds those, and gets this one."""
    if row["image"]:
        first = first_line.setdefault((folder / row["image"]).resolve(), line)
        if first != line:
            yield f"the image {row['image']} is already in line {first}"


def _odd(row: Row) -> Iterator[str]:
    mpp = number(row["mpp"])
    if mpp is None or not MIN_MPP <= mpp <= MAX_MPP:
        yield _implausible(row["mpp"])
    share = number(row.get("share") or "1")
    if share is None or share <= 0:
        yield f"share {row['share']!r} is not a number above 0"


def _implausible(mpp: str) -> str:
    return f"mpp {mpp!r} is not a plausible number of micrometers per pixel, expected {MIN_MPP:g} to {MAX_MPP:g}"


def _annotated(row: Row, folder: Path, stems: Mapping[str, int]) -> Annotated:
    image, stem = as_on_disk((folder / row["image"]).absolute()), Path(row["image"]).stem
    return Annotated(
        stem if stems[stem] == 1 else row["image"],
        image,
        None if row["labels"] == _EMPTY else as_on_disk((folder / row["labels"]).absolute()),
        float(row["mpp"]),
        row.get("patient") or None,
        float(row.get("share") or "1"),
    )
