"""Symbolic links where this program writes and deletes: what they lead to is not ours, so they are refused."""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pathopipe.errors import RefusalError
from pathopipe.files import LINK
from pathopipe.pipeline import COHORT, STAGES
from pathopipe.record import MANIFEST, Stage
from pathopipe.results.names import CRATE, MARKER, RUN

Names = Mapping[str, "Names | None"]
"""What of a folder is the program's: names, and what is below each of them; None for whatever is there."""

_SHOWN: Final = 10
_READERS: Final = 16
"""Threads: on a network file system, looking is waiting."""


def files(*names: str) -> dict[str, Names | None]:
    """Names of files, with nothing below."""
    return {name: {} for name in names}


def _stage(stage: Stage) -> Names:
    return files(*stage.writes, MANIFEST, RUN)


_SLIDE: Final[Names] = {
    **{name: _stage(stage) for name, stage in STAGES.items()},
    ".work": None,
    "logs": files(*(f"{stage}.log" for stage in STAGES)),
    **files(CRATE),
}
_RESULTS: Final[Names] = {
    ".pathopipe": None,
    ".work": None,
    "cohort": {**_stage(COHORT), "logs": files("cohort.log")},
    **files(MARKER, CRATE),
}
_SNAKEMAKE: Final[Names] = {
    **dict.fromkeys(("auxiliary", "backups", "incomplete", "iocache", "locks", "log", "metadata", "slurm_logs")),
    **files("conda", "conda-archive", "shadow", "singularity"),  # in these it makes links itself
}


def of_results(slides: Iterable[str] = (), *, snakemake: bool = False) -> Names:
    """What of a results folder is the program's, with these slides, and what is Snakemake's, where it will run."""
    return {**_RESULTS, **({".snakemake": _SNAKEMAKE} if snakemake else {}), **dict.fromkeys(slides, _SLIDE)}


def find_links(folder: Path, names: Names) -> list[Path]:
    """Links among what is the program's in a folder, which may be a link itself; each folder is read once."""
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(lambda item: list(_look(f"{folder}/{item[0]}", item[1])), names.items())
        return [Path(link) for links in found for link in links]


def refuse_links(folder: Path, names: Names) -> None:
    """Go on only if there is no link among what is the program's in a folder, which may be a link itself.

    Raises
    ------
    RefusalError
        Naming the first ten.
    """
    if links := find_links(folder, names):
        more = [f"{folder}: {len(links) - _SHOWN:,} more symbolic links of this kind"] if len(links) > _SHOWN else []
        raise RefusalError(*(f"{link}: {LINK}" for link in links[:_SHOWN]), *more)


def _look(path: str, below: Names | None) -> Iterator[str]:
    if os.path.islink(path):  # noqa: PTH114 (a cohort of thousands: pathlib takes its time)
        yield path
    elif below is None or below:
        yield from _search(path, below)


def _search(folder: str, names: Names | None) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # not there, or to be reported by whoever wants to write there
        return
    for entry in entries:
        if names is None or entry.name in names:
            below = names and names[entry.name]
            if entry.is_symlink():
                yield entry.path
            elif (below is None or below) and entry.is_dir(follow_symlinks=False):
                yield from _search(entry.path, below)
