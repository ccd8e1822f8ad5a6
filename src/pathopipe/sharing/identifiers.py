"""What must not be in results that are passed on: names of people, machines, folders and files."""

import contextlib
import os
import platform
import pwd
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pathopipe.errors import ArtifactError
from pathopipe.intake.names import is_neutral, stem
from pathopipe.pipeline import COHORT, STAGES
from pathopipe.results.records import read_run_record
from pathopipe.samples import Sample
from pathopipe.sharing.words import is_common, words

_LETTERS: Final = 4
_DIGITS: Final = 6
"""Shorter ones stand in any table by chance."""

PATIENT: Final = "a patient of the sample sheet"
FILE: Final = "the name of a slide's file"
ROI: Final = "the name of a file of regions of interest"
NUCLEI: Final = "the name of a file of nuclei"
FOLDER: Final = "the name of a folder of slides"
PATH: Final = "a path on this machine"
USER: Final = "the name of a user"
HOST: Final = "the name of a machine"


@dataclass(frozen=True)
class Identifiers:
    """Names to search for.

    Attributes
    ----------
    names
        What each is, by its `words`.
    unsearched
        How many of which kind are too short, or are words of the program itself, so that to find them says nothing.
    """

    names: Mapping[str, str]
    unsearched: Mapping[str, int]


def identifiers(results: Path, sheet: Path, samples: Sequence[Sample], keep_ids: bool) -> Identifiers:
    """Gather what names people or places.

    Parameters
    ----------
    keep_ids
        Leave out what stands in the slides' ids: they name nobody.
    """
    kept = "".join(words(sample.slide) for sample in samples) if keep_ids else ""
    names, unsearched, seen = dict[str, str](), Counter[str](), set[str]()
    for value, kind in _all(results, sheet, samples):
        name = words(value)
        if not name.strip() or name in seen or name in kept or is_neutral(name.strip().replace(" ", "_")):
            continue
        seen.add(name)
        common = is_common(name)
        if common or _is_short(name):
            unsearched[kind] += not (common and kind in {FOLDER, PATH})
        else:
            names[name] = kind
    return Identifiers(names, +unsearched)


def _is_short(name: str) -> bool:
    letters = name.replace(" ", "")
    return len(letters) < (_DIGITS if letters.replace(".", "").isdigit() else _LETTERS)


def _all(results: Path, sheet: Path, samples: Iterable[Sample]) -> Iterator[tuple[str, str]]:
    yield from ((name, USER) for name in _users(results))
    yield from ((name, HOST) for host in _hosts(results, samples) for name in (host, host.partition(".")[0]))
    for sample in samples:
        if sample.patient:
            yield sample.patient, PATIENT
        yield from _of_file(sample.path, FILE)
        for column, file in sample.files.items():
            yield from _of_file(file, ROI if column == "roi" else NUCLEI)
    homes = {Path.home(), *(place.absolute().parent for place in (sheet, results)), results.absolute()}
    homes |= {file.parent for sample in samples for file in (sample.path, *sample.files.values())}
    for home in homes:
        yield from ((str(place), PATH) for place in (home, home.resolve()) if len(place.parts) > 2)
    yield sheet.absolute().parent.name, FOLDER


def _of_file(path: Path, kind: str) -> Iterator[tuple[str, str]]:
    """Names of a file, with and without its ending, and of its folder, after which a DICOM series is named."""
    for file in {path, path.resolve()}:
        yield file.name, kind
        yield stem(file), kind
        yield file.name.removesuffix("".join(file.suffixes[-2:]) if ".ome" in file.suffixes else file.suffix), kind
        yield file.parent.name, FOLDER


def _users(results: Path) -> Iterator[str]:
    yield from (os.environ[name] for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER") if name in os.environ)
    for number in {os.getuid(), results.stat().st_uid}:
        with contextlib.suppress(KeyError):  # in a container, a user may have no entry
            user = pwd.getpwuid(number)
            yield from (user.pw_name, user.pw_gecos.partition(",")[0])


def _hosts(results: Path, samples: Iterable[Sample]) -> set[str]:
    """Names of the machines that the stages ran on, and of the one at hand."""
    found = {platform.node()}
    folders = [results / sample.slide / stage for sample in samples for stage in STAGES]
    for folder in (*folders, results / COHORT.name):
        with contextlib.suppress(ArtifactError):
            found.add(read_run_record(folder).get("host", ""))
    return found
