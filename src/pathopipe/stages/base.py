"""What all stages share: a job with its inputs and outputs, and its execution from upstream manifest to own manifest.

A stage module offers ``run(job) -> Outcome``, which writes the stage's files, and ``write_empty(job)``, which writes
them empty but valid for a rejected slide.
"""

import contextlib
import errno
import importlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from pydantic import BaseModel

from pathopipe.artifacts import (
    COHORT,
    CONTRACTS,
    MANIFEST,
    RUN,
    check_results,
    mark_results,
    publish,
    read_json,
    write_json,
)
from pathopipe.config import CohortSettings
from pathopipe.errors import FaultError, PathopipeError, SlideRejectedError
from pathopipe.identity import identify
from pathopipe.provenance import Stopwatch, fingerprint, sha256, versions
from pathopipe.samples import Sample
from pathopipe.stages.progress import Progress

if TYPE_CHECKING:
    from pathopipe.slide import Slide

SettingsT = TypeVar("SettingsT", bound=BaseModel)
_CARRIED = ("identity", "mpp_x", "mpp_y", "mpp_source")
FAULT = "fault.json"
"""Left in the work folder of a stage that failed, until it succeeds."""


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
    """

    stage: str
    slide: str
    results: Path
    draft: Path
    settings: SettingsT
    sample: Sample | None
    workers: int
    progress: Progress

    def input(self, name: str) -> Path:
        """Path of a file that this stage may read, as ``stage/name``."""
        if name not in CONTRACTS[self.stage].reads:
            raise KeyError(f"{self.stage} does not declare that it reads {name}")
        return self.results / self.slide / name

    def manifest(self, stage: str) -> dict[str, Any]:
        """Manifest of an upstream stage."""
        return read_json(self.input(f"{stage}/{MANIFEST}"))

    def output(self, name: str) -> Path:
        """Path to write a declared file to."""
        if name not in CONTRACTS[self.stage].writes:
            raise KeyError(f"{self.stage} does not declare that it writes {name}")
        return self.draft / name

    def open_slide(self) -> "Slide":
        """Open the slide's file, after checking that it is the one that `tissue` saw.

        Raises
        ------
        FaultError
            When the file is not there, or is another one.
        """
        from pathopipe.slide import open_slide

        sample = self.require_sample()
        slide = open_slide(sample.path, sample.mpp)
        if self.stage != "tissue" and str(identify(sample.path)) != self.manifest("tissue")["identity"]:
            raise FaultError(f"slide {self.slide}: its file changed since the stage 'tissue' ran: rerun from there")
        return slide

    def require_sample(self) -> Sample:
        """Line of the sample sheet; every stage that reads pixels is given one."""
        if self.sample is None:
            raise FaultError(f"slide {self.slide}: the stage '{self.stage}' reads pixels: give the sheet with --slides")
        return self.sample


@dataclass(frozen=True)
class Outcome:
    """What a stage reports for its manifest: counts, the model it used (name, sha256), and further entries."""

    counts: dict[str, int | float]
    model: dict[str, str | None] | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Gathering:
    """The cohort: all lines of the sample sheet, in order, and where `cohort` writes its files.

    A slide is finished when ``results/<slide>/report/manifest.json`` is there and `fault_of` finds nothing.
    """

    results: Path
    samples: list[Sample]
    draft: Path
    settings: CohortSettings

    def output(self, name: str) -> Path:
        """Path to write a declared file to."""
        if name not in COHORT.writes:
            raise KeyError(f"cohort does not declare that it writes {name}")
        return self.draft / name


class StageModule(Protocol):
    """A module of this package."""

    run: Callable[[Job[Any]], Outcome]
    write_empty: Callable[[Job[Any]], None]


def execute(
    stage: str, slide: str, results: Path, settings: BaseModel, sample: Sample | None = None, workers: int = 1
) -> dict[str, Any]:
    """Run one stage for one slide and put its files into place; returns the manifest.

    A slide whose content cannot be used ends as ``rejected`` with valid, empty files.

    Raises
    ------
    FaultError
        When the machine failed or an input is missing; earlier results stay untouched.
    RefusalError
        When a newer version wrote the results folder.
    """
    check_results(results)
    mark_results(results)
    work = results / slide / ".work" / stage
    draft = _fresh(work / "draft")
    job = Job(stage, slide, results, draft, settings, sample, workers, Progress(work / "progress.json"))
    try:
        return _execute(job, work)
    except Exception as error:
        shutil.rmtree(draft, ignore_errors=True)
        fault = _fault(error, results)
        _remember(work / FAULT, fault)
        if fault is error:
            raise
        raise fault from error


def execute_cohort(results: Path, samples: list[Sample], settings: CohortSettings) -> dict[str, Any]:
    """Gather all slides of the sheet into ``results/cohort``, whatever state they are in; returns the manifest."""
    from pathopipe.stages import cohort

    check_results(results)
    mark_results(results)
    watch = Stopwatch()
    gathering = Gathering(results, samples, _fresh(results / ".work" / "cohort"), settings)
    try:
        outcome = cohort.run(gathering)
        manifest = {
            "stage": "cohort",
            "contract": COHORT.version,
            "code": fingerprint("cohort"),
            "params": settings.model_dump(mode="json"),
            "counts": outcome.counts,
            "versions": versions(),
        }
        write_json(gathering.draft / MANIFEST, manifest)
        write_json(gathering.draft / RUN, watch.record(1))
        publish(gathering.draft, results / "cohort")
        _remove_if_empty(gathering.draft.parent)
    except OSError as error:
        raise _fault(error, results) from error
    return manifest


def predate(results: Path) -> None:
    """Date the cohort's files before everything else, so that the next full run makes them anew."""
    for name in (*COHORT.writes, MANIFEST):
        os.utime(results / "cohort" / name, (1, 1))


def _execute(job: Job[Any], work: Path) -> dict[str, Any]:
    watch = Stopwatch()
    manifest = _manifest(job)
    module = cast("StageModule", importlib.import_module(f"pathopipe.stages.{job.stage}"))
    reason = _upstream_reason(job)
    if reason is None:
        try:
            outcome = module.run(job)
            manifest |= {"counts": outcome.counts, "model": outcome.model} | outcome.details
        except SlideRejectedError as error:
            reason = str(error)
    if reason is not None:
        manifest |= {"state": "rejected", "reason": reason}
        module.write_empty(job)
    _check_complete(job)
    write_json(job.draft / MANIFEST, manifest)
    write_json(job.draft / RUN, watch.record(job.workers))
    publish(job.draft, job.results / job.slide / job.stage)
    shutil.rmtree(work)
    _remove_if_empty(work.parent)
    return manifest


def fault_of(results: Path, slide: str) -> str | None:
    """Why a stage of the slide failed in the last run, if one did."""
    faults = sorted((results / slide / ".work").glob(f"*/{FAULT}"))
    return f"{faults[0].parent.name}: {read_json(faults[0])['reason']}" if faults else None


def _manifest(job: Job[Any]) -> dict[str, Any]:
    contract = CONTRACTS[job.stage]
    carried = dict.fromkeys(_CARRIED) | _carried(job)
    return {
        "stage": job.stage,
        "slide": job.slide,
        "state": "done",
        "reason": None,
        "contract": contract.version,
        "code": fingerprint(job.stage),
        "params": job.settings.model_dump(mode="json"),
        "inputs": {name: _digest(job.input(name)) for name in contract.reads},
        "model": None,
        "counts": {},
        "versions": versions(),
        **carried,
    }


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except FileNotFoundError as error:
        raise FaultError(f"{path}: is missing: run the stage '{path.parent.name}' first") from error


def _carried(job: Job[Any]) -> dict[str, Any]:
    """What `tissue` found out about the slide; for `tissue` itself, the identity."""
    if job.stage == "tissue":
        path = job.require_sample().path
        try:
            return {"identity": str(identify(path))}
        except OSError as error:
            raise FaultError(
                f"slide {job.slide}: its file cannot be read ({error.strerror}): bring it back and run again"
            ) from error
    upstream = next(name for name in CONTRACTS[job.stage].reads if name.endswith(MANIFEST))
    manifest = read_json(job.input(upstream))
    return {key: manifest.get(key) for key in _CARRIED}


def _upstream_reason(job: Job[Any]) -> str | None:
    """Why an earlier stage rejected the slide, if one did."""
    for name in CONTRACTS[job.stage].reads:
        if name.endswith(MANIFEST):
            manifest = read_json(job.input(name))
            if manifest["state"] == "rejected" and job.stage != "report":
                return str(manifest["reason"])
    return None


def _check_complete(job: Job[Any]) -> None:
    missing = [name for name in CONTRACTS[job.stage].writes if not (job.draft / name).exists()]
    if missing:
        raise FaultError(
            f"slide {job.slide}: the stage '{job.stage}' did not write {', '.join(missing)}: report this bug"
        )


def _fault(error: Exception, results: Path) -> Exception:
    """Say what a failing machine means for the user; errors that already say it, and bugs, stay as they are."""
    if not isinstance(error, OSError) or isinstance(error, PathopipeError):
        return error
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return FaultError(f"{results}: the disk is full: free some space and run again, finished results are kept")
    return FaultError(f"{error.filename or results}: {error.strerror or error}: mend this and run again")


def _remember(path: Path, error: Exception) -> None:
    """Leave the reason for the cohort page; a full disk may not even take that."""
    with contextlib.suppress(OSError):
        reason = str(error) if isinstance(error, PathopipeError) else f"{type(error).__name__}: {error}"
        write_json(path, {"reason": reason})


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
