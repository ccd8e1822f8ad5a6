"""What a plan knows of each slide, in a file per slide: its jobs read that one, and not the sheet with all of them.

Columns that are only for splitting and evaluation, such as the patient, are not in it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pathopipe.errors import ArtifactError, FaultError
from pathopipe.files import write_whole
from pathopipe.results.documents import read_json
from pathopipe.samples import FILES, Sample

_FOLDER: Final = Path(".pathopipe") / "slides"


@dataclass(frozen=True)
class SlideFacts:
    """A slide's line of the sheet, without what no job asks for, and what its files are.

    Attributes
    ----------
    identity
        Of the slide's file.
    held_mb
        MB to hold of it as a whole.
    digests
        Of what the other files of the line hold, by column.
    """

    sample: Sample
    identity: str
    held_mb: int
    digests: Mapping[str, str] = field(default_factory=dict)


def write_facts(facts: Iterable[SlideFacts], digests: Mapping[str, str], results: Path) -> dict[str, str]:
    """Write what is not there yet, or differs by its digest; returns the digests by slide."""
    there, found = _listed(results), dict[str, str]()
    for fact in facts:
        slide, content = fact.sample.slide, _content(fact)
        found[slide] = hashlib.sha256(content).hexdigest()[:16]
        if slide not in there or digests.get(slide) != found[slide]:
            write_whole(results / _file(slide), content, results)
    return found


def read_facts(slide: str, results: Path) -> SlideFacts:
    """Read what the plan of the run that is going on knew of a slide.

    Raises
    ------
    FaultError
        When that can't be read.
    """
    try:
        found = read_json(results / _file(slide))
        mpp, files = found["mpp"], {name: Path(path) for name, path in found["files"].items() if name in FILES}
        bare = Sample(
            slide=slide,
            path=Path(found["path"]),
            mpp=(float(mpp[0]), float(mpp[1])) if mpp else None,
            extra=dict(found["about"]),
        )
        sample = replace(bare, **files)  # type: ignore[arg-type]
        return SlideFacts(sample, str(found["identity"]), int(found["held_mb"]), dict(found["digests"]))
    except (ArtifactError, AttributeError, LookupError, TypeError, ValueError) as error:
        remedy = "what the run recorded about it can't be read: start 'pathopipe run' again"
        raise FaultError(f"slide {slide}: {remedy}", results / _file(slide), str(_file(slide))) from error


def _content(fact: SlideFacts) -> bytes:
    sample = fact.sample
    found: dict[str, Any] = {
        "path": str(sample.path),
        "mpp": sample.mpp,
        "files": {name: str(path) for name, path in sample.files.items()},
        "about": sample.about,
        "identity": fact.identity,
        "held_mb": fact.held_mb,
        "digests": dict(fact.digests),
    }
    return json.dumps(found, sort_keys=True).encode()


def _file(slide: str) -> Path:
    return _FOLDER / f"{slide}.json"


def _listed(results: Path) -> set[str]:
    try:
        return {file.stem for file in (results / _FOLDER).iterdir()}
    except FileNotFoundError:
        return set()
