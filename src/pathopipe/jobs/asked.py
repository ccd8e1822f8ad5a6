"""What the current run was asked for, so that others know what is still to be done."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathopipe.errors import ArtifactError
from pathopipe.fingerprint import fingerprint
from pathopipe.pipeline import STAGES, Config, stages_up_to
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.folder import SlideFolder
from pathopipe.results.names import ASKED
from pathopipe.results.unfinished import FAULT


@dataclass(frozen=True)
class Asked:
    """Slides, stages and settings of a run.

    Attributes
    ----------
    slides
        Ids of the slides that it is about.
    last
        The stage that it ends with.
    again
        The stage that it runs again in any case, if one was named.
    made_by
        What `made_by` says.
    begun
        When it began, in seconds since 1970 by the clock of the file system.
    """

    slides: frozenset[str]
    last: str
    again: str | None
    made_by: Mapping[str, Any]
    begun: float

    def redoes(self, made: SlideFolder, stage: str) -> bool:
        """Whether a finished stage is still to be run again."""
        if made.ended[stage] >= self.begun or made.slide not in self.slides or stage not in stages_up_to(self.last):
            return False
        with contextlib.suppress(ArtifactError):
            known: Mapping[str, Any] = {**made.manifest(stage)}
            return stage == self.again or any(known.get(key) != value for key, value in self.made_by[stage].items())
        return True

    def retries(self, work: Path) -> bool:
        """Whether what failed did so before this run, and is still to be tried again."""
        with contextlib.suppress(OSError):
            return work.parents[1].name in self.slides and (work / FAULT).stat().st_mtime < self.begun
        return False


def made_by(config: Config) -> dict[str, dict[str, Any]]:
    """What of their manifests makes stages run again when it changes, by stage: settings, contract, code."""
    return {
        name: {
            "params": getattr(config, name).model_dump(mode="json"),
            "contract": stage.contract,
            "code": fingerprint(name),
        }
        for name, stage in STAGES.items()
    }


def note(results: Path, slides: Iterable[str], last: str, again: str | None, made_by: Mapping[str, Any]) -> float:
    """Note what a run is asked for, until another begins; returns when it began, by the clock of the file system."""
    content = {"slides": list(slides), "last": last, "again": again, "made_by": dict(made_by)}
    write_json(results / ASKED, content, results)
    return (results / ASKED).stat().st_mtime


def noted(results: Path) -> Asked | None:
    """What the last run was asked for; None where it was not started by `pathopipe run`."""
    try:
        content = read_json(results / ASKED)
        begun = (results / ASKED).stat().st_mtime
        return Asked(frozenset(content["slides"]), content["last"], content["again"], content["made_by"], begun)
    except (ArtifactError, OSError, KeyError, TypeError):
        return None
