"""What all stages share: a job with its inputs and outputs.

A stage module offers ``run(job) -> Outcome``, which writes the stage's files, and ``write_empty(job)``, which writes
them empty but valid for a rejected slide.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from pathopipe.caveats import warning
from pathopipe.errors import FaultError
from pathopipe.files import checked, remove
from pathopipe.fingerprint import fingerprint
from pathopipe.jobs.journal import Journal
from pathopipe.jobs.ownership import Lock
from pathopipe.jobs.progress import Progress
from pathopipe.pipeline import COHORT, STAGES, CohortSettings
from pathopipe.provenance import Stopwatch
from pathopipe.record import MANIFEST
from pathopipe.results.documents import damaged
from pathopipe.results.folder import SlideFolder
from pathopipe.results.manifests import Manifest, read_manifest
from pathopipe.samples import Sample

SettingsT = TypeVar("SettingsT", bound=BaseModel)


@dataclass(frozen=True)
class Job(Generic[SettingsT]):
    """One stage of one slide.

    Attributes
    ----------
    slide, results
        Slide id and results folder.
    draft
        Folder that the stage writes into; its files are moved into place when all are complete.
    settings
        The stage's section of the configuration.
    sample
        The slide's line of the sample sheet, for stages that read pixels.
    workers
        Threads to use; no result depends on it.
    lock
        Says whether this job still owns the stage's work folder.
    watch
        Measures what the stage spends time on.
    made_from
        The manifest as far as it is known before the stage runs: parameters, inputs, versions.
    """

    stage: str
    slide: str
    results: Path
    draft: Path
    settings: SettingsT
    sample: Sample | None
    workers: int
    progress: Progress
    lock: Lock
    watch: Stopwatch
    made_from: dict[str, Any] = field(default_factory=dict)

    def input(self, name: str) -> Path:
        """Path of a file that this stage may read, as ``stage/name``."""
        if name not in STAGES[self.stage].reads:
            raise KeyError(f"{self.stage} does not declare that it reads {name}")
        return self.results / self.slide / name

    def manifest(self, stage: str) -> Manifest:
        """Manifest of an upstream stage."""
        path = self.input(f"{stage}/{MANIFEST}")
        manifest = read_manifest(path, stage)
        if manifest["slide"] != self.slide:
            raise damaged(path)
        return manifest

    def output(self, name: str) -> Path:
        """Path to write a declared file to."""
        if name not in STAGES[self.stage].writes:
            raise KeyError(f"{self.stage} does not declare that it writes {name}")
        return checked(self.draft / name, self.results)

    def journal(self) -> Journal:
        """Open the finished pieces of an earlier job that was killed; those of other inputs or code are thrown away."""
        purpose = json.dumps([self.made_from, fingerprint(self.stage)], sort_keys=True)
        folder = self.draft.parent / hashlib.sha256(purpose.encode()).hexdigest()[:16]
        for other in self.draft.parent.iterdir():
            if other.is_dir() and other not in {self.draft, folder}:
                remove(other, self.results)
        return Journal(folder / "journal", self.lock.check, self.results)

    def require_sample(self) -> Sample:
        """Line of the sample sheet; every stage that reads pixels is given one."""
        if self.sample is None:
            raise FaultError(f"slide {self.slide}: the stage '{self.stage}' reads pixels: give the sheet with --slides")
        return self.sample


@dataclass(frozen=True)
class Outcome:
    """What a stage reports for its manifest: counts, the model it used (name, sha256), and other entries."""

    counts: dict[str, int | float]
    model: dict[str, str | None] | None = None
    details: dict[str, Any] = field(default_factory=dict)


def damage_warning(share: float, of: str) -> list[dict[str, Any]]:
    """Say for the report how much of the slide or of its tissue could not be read, if any."""
    if not share:
        return []
    message = f"{share:.2%} of the {of} could not be read and is treated as glass: the file is damaged"
    return [warning("damaged", message, share, 0)]


@dataclass(frozen=True)
class Gathering:
    """The cohort: all lines of the sample sheet, in order, and where `cohort` writes its files."""

    results: Path
    samples: list[Sample]
    draft: Path
    settings: CohortSettings

    @cached_property
    def slides(self) -> dict[str, SlideFolder]:
        """The results of each slide, by its id; their manifests are read once."""
        return {sample.slide: SlideFolder(self.results, sample.slide) for sample in self.samples}

    def output(self, name: str) -> Path:
        """Path to write a declared file to."""
        if name not in COHORT.writes:
            raise KeyError(f"cohort does not declare that it writes {name}")
        return checked(self.draft / name, self.results)
