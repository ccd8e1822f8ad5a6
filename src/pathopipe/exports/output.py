"""Where an export goes: a file, a folder with a file per slide, or standard output."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pathopipe.errors import FaultError, RefusalError, cause
from pathopipe.exports.format import Format
from pathopipe.exports.selection import Selection
from pathopipe.files import LINK, make_folder, move, remove, whole, write_whole

STANDARD_OUTPUT: Final = "-"
_PACKED: Final = ".gz"
_FOLDER: Final = ".zarr"
_DICTIONARY: Final = "-metadata.json"
"""After the name of a table: of what says what its columns are."""


@dataclass(frozen=True)
class Written:
    """What was written: nuclei by the name of the file, and slides that none of the nuclei is of."""

    nuclei: dict[str, int]
    empty: tuple[str, ...]


def format_named(name: str) -> Format:
    """Import the module of a format."""
    found: Format = importlib.import_module(f"pathopipe.exports.{name.replace('-', '_')}").FORMAT
    return found


def export(name: str, selection: Selection, output: str, results: Path, *, force: bool) -> Written:
    """Export nuclei.

    Parameters
    ----------
    name
        Of the format.
    output
        A file, a folder, or ``-`` for standard output: a file where it ends as those of the format do.
    results
        The results folder, which nothing is written to.
    force
        Replace what is there.

    Raises
    ------
    RefusalError
        When the output does not fit the format, is not free, or a package is missing; nothing is written then.
    FaultError
        When it cannot be written; no half-written file is left.
    """
    kind = format_named(name)
    if output == STANDARD_OUTPUT:
        return _print(kind, name, selection)
    targets = _targets(kind, selection, Path(output))
    for target, _ in targets:
        for file in (target, *([_beside(target)] if kind.dictionary else [])):
            _check(file, results, force)
    nuclei, empty = dict[str, int](), list[str]()
    for target, part in targets:
        if len(targets) > 1 and part.is_empty():
            empty.append(part.slides[0].id)
        else:
            nuclei[str(target)] = _write(kind, part, target)
    return Written(nuclei, tuple(empty))


def _print(kind: Format, name: str, selection: Selection) -> Written:
    if not kind.streams:
        raise RefusalError(f"{name} cannot be written to standard output: name a file that ends in {kind.suffixes[0]}")
    _check_joined(kind, selection, "standard output")
    return Written({"standard output": kind.write(selection, sys.stdout.buffer)}, ())


def _targets(kind: Format, selection: Selection, output: Path) -> list[tuple[Path, Selection]]:
    """What is written where."""
    if output.name.endswith(kind.suffixes):
        _check_joined(kind, selection, "a file")
        return [(output, selection)]
    if output.suffix and not output.is_dir():
        raise RefusalError(f"{output}: name a file that ends in {' or '.join(kind.suffixes)}, or a folder")
    return [(output / f"{slide.id}{kind.suffixes[0]}", selection.of(slide)) for slide in selection.slides]


def _check_joined(kind: Format, selection: Selection, place: str) -> None:
    if not kind.joins and len(selection.slides) > 1:
        raise RefusalError(
            f"{place} holds one slide in this format, and {len(selection.slides):,} are asked for: "
            "name a folder, or one slide with --only"
        )


def _check(target: Path, results: Path, force: bool) -> None:
    """Refuse to write into results, through a link, or over what is there."""
    place = Path(os.path.abspath(target))  # noqa: PTH100 (its own name: a link is not followed)
    if results.resolve() in (place.resolve(), *place.resolve().parents):
        raise RefusalError(f"{target}: lies in the results folder, which holds results only: name another place")
    if target.is_symlink():
        raise RefusalError(f"{target}: {LINK}")
    folder = next(parent for parent in place.parents if parent.exists())
    if not folder.is_dir():
        raise RefusalError(f"{target}: {folder} is not a folder: name another place")
    if target.exists() and not force:
        raise RefusalError(f"{target}: already exists: name another place, or replace it with --force")
    if target.is_dir() and not (target / "zarr.json").is_file():
        raise RefusalError(f"{target}: is a folder that no export made: name another place")


def _write(kind: Format, selection: Selection, target: Path) -> int:
    with _told(target):
        if target.name.endswith(_FOLDER):
            return _write_folder(kind, selection, target)
        with whole(target) as stream:
            write = kind.write_packed if kind.write_packed and target.name.endswith(_PACKED) else kind.write
            count = write(selection, stream)
            if kind.dictionary:
                write_whole(_beside(target), kind.dictionary(selection, target.name))
    return count


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.name}{_DICTIONARY}")


def _write_folder(kind: Format, selection: Selection, target: Path) -> int:
    root = target.parent
    draft = root / f"{target.name}.{os.urandom(4).hex()}.tmp"
    try:
        make_folder(draft, root)
        count = kind.write(selection, draft)
        remove(target, root)
        move(draft, target, root)
    finally:
        remove(draft, root)
    return count


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """Name the file where the disk or a limit keeps it from being written."""
    try:
        yield
    except OSError as error:
        raise FaultError(f"cannot be written ({cause(error)}): nothing is left of it", target, "the export") from error
