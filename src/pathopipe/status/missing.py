"""Files that finished stages wrote and that are not there any more."""

import os
from collections.abc import Iterator
from pathlib import Path

from pathopipe.pipeline import COHORT, MAPS, ORDER, STAGES, stages_up_to
from pathopipe.record import MANIFEST
from pathopipe.results.folder import SlideFolder
from pathopipe.results.names import CRATE
from pathopipe.results.records import described_files

_KEPT_MAPS = f"detect/{MAPS}"


def missing_files(made: SlideFolder, *, keep_maps: bool = True) -> dict[str, tuple[str, ...]]:
    """Names of missing files by stage, of all stages up to the last that has been here; one listing per folder.

    Parameters
    ----------
    made
        Results of a slide.
    keep_maps
        Whether maps are to be kept. Those that were deleted when they had served are not missing: the slide's
        description does not list them.
    """
    there = {stage: _names(made.folder / stage) for stage in ORDER}
    begun = [stage for stage in ORDER if not there[stage].isdisjoint((*STAGES[stage].writes, MANIFEST))]
    stages = stages_up_to(begun[-1]) if begun else ()
    found = {stage: tuple(_missing(made, stage, there, keep_maps)) for stage in stages}
    return {stage: names for stage, names in found.items() if names}


def missing_of_cohort(results: Path) -> tuple[str, ...]:
    """Names of files that the last gathering of the cohort wrote and that are missing."""
    there = _names(results / COHORT.name)
    if there.isdisjoint((*COHORT.writes, MANIFEST)):
        return ()
    gone = tuple(name for name in (*COHORT.writes, MANIFEST) if name not in there)
    return gone if (results / CRATE).exists() else (*gone, CRATE)


def in_words(names: tuple[str, ...]) -> str:
    """Say which files are missing."""
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing"


def _missing(made: SlideFolder, stage: str, there: dict[str, set[str]], keep_maps: bool) -> Iterator[str]:
    for name in (*STAGES[stage].writes, MANIFEST):
        if name in there[stage]:
            continue
        served = name == MAPS and MANIFEST in there["segment"]
        if not served or (keep_maps and _were_kept(made)):
            yield name
    if STAGES[stage].describes and not (made.folder / CRATE).exists():
        yield CRATE


def _were_kept(made: SlideFolder) -> bool:
    return _KEPT_MAPS in described_files(made.folder)


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208 (a cohort of thousands: pathlib takes its time)
    except OSError:
        return set()
