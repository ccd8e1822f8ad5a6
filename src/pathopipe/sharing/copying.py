"""Copying results to pass on: what the stages wrote, and descriptions of just that."""

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

from pathopipe.errors import FaultError, RefusalError, cause
from pathopipe.files import make_folder, move, remove, whole
from pathopipe.jobs.ownership import running_on
from pathopipe.pipeline import COHORT, ORDER, STAGES
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST, Stage
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.links import of_results, refuse_links
from pathopipe.results.marker import check_results
from pathopipe.results.names import CRATE, MARKER
from pathopipe.results.records import described_files
from pathopipe.samples import Sample
from pathopipe.sharing.identifiers import Identifiers, identifiers
from pathopipe.sharing.texts import texts
from pathopipe.sharing.words import Search
from pathopipe.spreadsheets import parse_rows

_BLOCK: Final = 1 << 20
_REPAIR: Final = "'pathopipe verify' says what changed; delete it and run again"
_AGAIN: Final = "let 'pathopipe run' finish, then share"


@dataclass(frozen=True)
class Shared:
    """What was copied, and what the copy was searched for."""

    slides: int
    files: int
    identifiers: Identifiers


def share(results: Path, destination: Path, sheet: Path, samples: Sequence[Sample], keep_ids: bool) -> Shared:
    """Copy results, without logs, dot folders and what says where they were made, and search the copy.

    Parameters
    ----------
    keep_ids
        The slides' ids name nobody, though they may be the names of their files.

    Raises
    ------
    RefusalError
        When the results are not complete, the destination is not free, or the copy would name somebody; in any case
        nothing is left at the destination.
    """
    destination = Path(os.path.abspath(destination))  # noqa: PTH100 (its own name: a link is not followed)
    _check(results, destination)
    slides = [sample.slide for sample in samples]
    refuse_links(results, of_results(slides))
    _check_cohort(results, slides)
    known = identifiers(results, sheet, samples, keep_ids)
    search = Search(known.names)
    _check_ids(slides, search)
    root = destination.parent
    draft = root / f"{destination.name}.{os.urandom(4).hex()}.tmp"
    try:
        make_folder(draft, root)
        files = _copy_all(results, draft, slides)
        _search(draft, search)
        move(draft, destination, root)
    except OSError as error:
        raise FaultError(f"cannot be copied ({cause(error)})", results, "the results") from error
    finally:
        remove(draft, root)
    return Shared(sum((results / slide / ORDER[0] / MANIFEST).exists() for slide in slides), files, known)


def _check(results: Path, destination: Path) -> None:
    """Refuse what is not a results folder, is being worked on, or can't be copied there."""
    check_results(results)
    if not (results / COHORT.name / MANIFEST).is_file():
        raise RefusalError(f"{results}: contains no results of a finished run: {_AGAIN}")
    if living := running_on(results):
        raise RefusalError(f"{results}: {living} is working on this results folder: {_AGAIN}")
    if destination.is_symlink():
        raise RefusalError(f"{destination}: is a symbolic link: name a new folder")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise RefusalError(f"{destination}: already exists: name a new folder, or an empty one")
    here, there = results.resolve(), destination.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise RefusalError(
            f"{destination}: the results and their copy can't be inside one another: name another folder"
        )
    if not destination.parent.is_dir():
        raise RefusalError(f"{destination}: its parent folder does not exist: create it first")


def _check_cohort(results: Path, slides: Sequence[str]) -> None:
    """Refuse a cohort of other slides than the sheet lists: the names of their files are not known."""
    rows = parse_rows((results / COHORT.name / "slides.tsv").read_text(encoding="utf-8"))
    if [cells[0] for _, cells in rows[1:]] != list(slides):
        raise RefusalError(f"{results}: was gathered from slides other than those in the sample sheet: {_AGAIN}")


def _check_ids(slides: Iterable[str], search: Search) -> None:
    named = [kind for slide in slides if (kind := search.find(slide))]
    if named:
        raise RefusalError(
            f"the ids of {len(named):,} slides contain {named[0]}, and ids are in all files: number the slides with "
            "'pathopipe init FOLDER --force --ids neutral' and run them into a new folder, "
            "or give --keep-ids if these ids identify nobody"
        )


def _copy_all(results: Path, draft: Path, slides: Iterable[str]) -> int:
    """Copy what the stages wrote, and describe it; returns how many files there are."""
    for slide in slides:
        names = [name for name in _names(STAGES.values(), CRATE) if (results / slide / name).is_file()]
        _copy(results / slide, draft / slide, names, draft)
        if CRATE in names:
            _describe(draft / slide, draft)
    _copy(results, draft, [name for name in _names([COHORT], CRATE, MARKER) if (results / name).is_file()], draft)
    _describe(draft, draft)
    return sum(file.is_file() for file in draft.rglob("*"))


def _names(stages: Iterable[Stage], *more: str) -> list[str]:
    return [*(f"{stage.name}/{name}" for stage in stages for name in (*stage.writes, MANIFEST)), *more]


def _copy(source: Path, target: Path, names: Sequence[str], draft: Path) -> None:
    """Copy files of which a description says what they should be.

    Raises
    ------
    RefusalError
        When one is missing, or is not what was described.
    """
    described = described_files(source)
    if not described and (source / ORDER[-1] / MANIFEST).exists():
        raise RefusalError(f"{source / CRATE}: is missing or damaged: {_REPAIR}")
    for name in names:
        digest = _copy_file(source / name, target / name, draft)
        if described.setdefault(name, digest) != digest:
            raise RefusalError(f"{source / name}: changed since it was described: {_REPAIR}")
    for name in described.keys() - set(names):
        if not (source / name).is_file() or sha256(source / name) != described[name]:
            raise RefusalError(f"{source / name}: is missing, or changed since it was described: {_REPAIR}")


def _copy_file(source: Path, target: Path, draft: Path) -> str:
    """Copy a file; returns its digest."""
    digest = hashlib.sha256()
    with source.open("rb") as stream, whole(target, draft) as copy:
        while block := stream.read(_BLOCK):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def _describe(folder: Path, draft: Path) -> None:
    """Have a folder's description list the files that were copied, as they are."""
    crate = read_json(folder / CRATE)
    files = [item["@id"] for item in crate["@graph"] if "File" in item["@type"]]
    left_out = {name for name in files if name != CRATE and not (folder / name).is_file()}
    entities = [_without(item, left_out) for item in crate["@graph"] if item["@id"] not in left_out]
    for item in entities:
        if "sha256" in item and (file := folder / item["@id"]).name == CRATE:  # the slides' own were written anew
            item |= {"sha256": sha256(file), "contentSize": str(file.stat().st_size)}
    write_json(folder / CRATE, crate | {"@graph": entities}, draft)


def _without(item: Mapping[str, Any], left_out: Collection[str]) -> dict[str, Any]:
    """An entity without references to what was left out."""

    def kept(value: Any) -> bool:
        return not (isinstance(value, dict) and value.get("@id") in left_out)

    plain = {
        key: [part for part in value if kept(part)] if isinstance(value, list) else value for key, value in item.items()
    }
    return {key: value for key, value in plain.items() if kept(value)}


def _search(draft: Path, search: Search) -> None:
    for file in sorted(file for file in draft.rglob("*") if file.is_file()):
        name = file.relative_to(draft)
        try:
            found = next((kind for text in texts(file) if (kind := search.find(text))), None)
        except (OSError, ValueError, RuntimeError, BadZipFile) as error:
            raise RefusalError(f"{name}: cannot be searched, because it is damaged: {_REPAIR}") from error
        if found:
            raise RefusalError(
                f"{name}: contains {found}, so nothing was copied: change the setting or the column of the sample "
                "sheet "
                "that it comes from, and run again"
            )
