"""Running a stage: from the manifests of earlier stages to its own, with rejections passed on and faults kept apart."""

import contextlib
import errno
import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel

from pathopipe.errors import FaultError, PathopipeError, SlideRejectedError, cause
from pathopipe.files import checked, make_folder, opened, remove
from pathopipe.fingerprint import fingerprint
from pathopipe.identity import identify
from pathopipe.jobs import leftovers
from pathopipe.jobs.job import Gathering, Job, Outcome
from pathopipe.jobs.ownership import Lock
from pathopipe.jobs.progress import Progress
from pathopipe.jobs.publishing import publish
from pathopipe.pipeline import COHORT, ORDER, STAGES, CohortSettings
from pathopipe.provenance import Stopwatch, sha256, versions
from pathopipe.record import MANIFEST, Stage
from pathopipe.results.documents import write_json
from pathopipe.results.folder import manifest_name
from pathopipe.results.links import of_results, refuse_links
from pathopipe.results.manifests import digests_of
from pathopipe.results.marker import check_results, mark_results
from pathopipe.results.names import CRATE, RUN
from pathopipe.results.unfinished import FAULT, work_folder
from pathopipe.samples import Sample

_CARRIED = ("identity", "mpp_x", "mpp_y", "mpp_source")


class StageModule(Protocol):
    """A module of this package that runs per slide."""

    run: Callable[[Job[Any]], Outcome]
    write_empty: Callable[[Job[Any]], None]
    describe: Callable[[Job[Any]], None]
    """Of the stage whose contract says so."""


class CohortModule(Protocol):
    """The module that gathers."""

    run: Callable[[Gathering], Outcome]
    describe: Callable[[Gathering], None]


def execute(
    stage: str, slide: str, results: Path, settings: BaseModel, sample: Sample | None = None, workers: int = 1
) -> dict[str, Any]:
    """Run one stage for one slide and put its files into place; returns the manifest.

    A slide whose content cannot be used ends as ``rejected`` with valid, empty files.

    Raises
    ------
    FaultError
        When the machine failed, an input is missing, or another job is at this stage; earlier results stay untouched.
    RefusalError
        When a newer version wrote the results folder, or there are symbolic links where this stage might write.
    """
    refuse_links(results, of_results([slide]))
    check_results(results)
    mark_results(results)
    work = work_folder(results, slide, stage)
    lock = Lock(work / leftovers.OWNER, results)
    if living := lock.wait():
        raise FaultError(f"slide {slide}: {living} is working on the stage '{stage}': wait for it")
    progress, watch = Progress(work / "progress.json", results), Stopwatch()
    job = Job(stage, slide, results, work / "draft", settings, sample, workers, progress, lock, watch)
    try:
        leftovers.begin(work)
        _fresh(job.draft, results)
        return _execute(job, work)
    except Exception as error:
        fault = _fault(error, job)
        if lock.held:
            with contextlib.suppress(OSError, FaultError):
                remove(job.draft, results)
            _remember(work / FAULT, fault, results)
        if fault is error:
            raise
        raise fault from error
    finally:
        lock.release()


def execute_cohort(results: Path, samples: list[Sample], settings: CohortSettings) -> dict[str, Any]:
    """Gather all slides of the sheet into ``results/cohort``, whatever state they are in; returns the manifest."""
    refuse_links(results, of_results())
    check_results(results)
    mark_results(results)
    watch = Stopwatch()
    gathering = Gathering(results, samples, _fresh(results / ".work" / "cohort", results), settings)
    try:
        module = cast("CohortModule", importlib.import_module("pathopipe.stages.cohort"))
        for sample in samples:
            leftovers.sweep(results / sample.slide)
        outcome = module.run(gathering)
        manifest = {
            "stage": "cohort",
            "state": "done",
            "contract": COHORT.contract,
            "code": fingerprint("cohort"),
            "params": settings.model_dump(mode="json"),
            "inputs": {name: sha256(results / name) for name in _gathered(gathering)},
            "outputs": _outputs(gathering.draft, COHORT),
            "counts": outcome.counts,
            "versions": versions(),
        }
        write_json(gathering.draft / MANIFEST, manifest, results)
        checked(gathering.draft / CRATE, results)
        module.describe(gathering)
        write_json(gathering.draft / RUN, watch.record(1), results)
        publish(gathering.draft, results / "cohort", results)
        with contextlib.suppress(OSError):
            gathering.draft.parent.rmdir()
    except OSError as error:
        raise _disk_fault(error, results) from error
    return manifest


def _gathered(gathering: Gathering) -> list[str]:
    """Manifests of the slides whose page is there: they hold the digests of everything before."""
    last = ORDER[-1]
    return [manifest_name(slide, last) for slide, made in gathering.slides.items() if made.has(last)]


def predate(results: Path) -> None:
    """Date the cohort's files before everything else, so that the next full run writes them again."""
    with opened(results / "cohort", results) as place:
        for name in (*COHORT.writes, MANIFEST):
            os.utime(name, (1, 1), dir_fd=place, follow_symlinks=False)
    os.utime(results / CRATE, (1, 1), follow_symlinks=False)


def _execute(job: Job[Any], work: Path) -> dict[str, Any]:
    manifest = _manifest(job)
    module = cast("StageModule", importlib.import_module(f"pathopipe.stages.{job.stage}"))
    reason = _upstream_reason(job)
    if reason is None:
        try:
            outcome = module.run(replace(job, made_from=dict(manifest)))
            manifest |= {"counts": outcome.counts, "model": outcome.model} | outcome.details
        except SlideRejectedError as error:
            reason = str(error)
            manifest |= error.details
    if reason is not None:
        manifest |= {"state": "rejected", "reason": reason}
        module.write_empty(job)
    _check_complete(job)
    _check_unchanged(job, manifest)
    manifest["outputs"] = _outputs(job.draft, STAGES[job.stage])
    write_json(job.draft / MANIFEST, manifest, job.results)
    if STAGES[job.stage].describes:
        checked(job.draft / CRATE, job.results)
        module.describe(job)
    write_json(job.draft / RUN, job.watch.record(job.workers), job.results)
    job.lock.check()
    leftovers.announce(work, job.draft / MANIFEST)
    publish(job.draft, job.results / job.slide / job.stage, job.results)
    leftovers.remove(work)
    return manifest


def _manifest(job: Job[Any]) -> dict[str, Any]:
    carried = dict.fromkeys(_CARRIED) | _carried(job)
    return {
        "stage": job.stage,
        "slide": job.slide,
        "state": "done",
        "reason": None,
        "contract": STAGES[job.stage].contract,
        "code": fingerprint(job.stage),
        "params": job.settings.model_dump(mode="json"),
        "inputs": _inputs(job),
        "model": None,
        "counts": {},
        "versions": versions(),
        **carried,
    }


def _inputs(job: Job[Any]) -> dict[str, str]:
    """Digests of what the stage reads: files of earlier stages, as they wrote them, and files of the sample sheet."""
    digests = digests_of(job.results / job.slide, STAGES[job.stage].reads)
    files = job.sample.files if job.sample else {}
    return digests | {name: sha256(path) for name, path in files.items() if name in STAGES[job.stage].columns}


def _outputs(draft: Path, stage: Stage) -> dict[str, str]:
    """Digests of what a stage wrote: a later reader can check that it is unchanged."""
    return {name: sha256(draft / name) for name in stage.writes}


def _carried(job: Job[Any]) -> dict[str, Any]:
    """What `tissue` found out about the slide; for `tissue` itself, the identity."""
    if job.stage == "tissue":
        path = job.require_sample().path
        try:
            return {"identity": str(identify(path))}
        except OSError as error:
            raise FaultError(
                f"slide {job.slide}: its file cannot be read ({cause(error)}): restore it and run again"
            ) from error
    upstream = STAGES[job.stage].upstream[0]
    manifest: Mapping[str, Any] = {**job.manifest(upstream)}
    return {key: manifest[key] for key in _CARRIED}


def _upstream_reason(job: Job[Any]) -> str | None:
    """Why an earlier stage rejected the slide, if one did."""
    if STAGES[job.stage].describes:
        return None  # its page says why
    manifests = (job.manifest(stage) for stage in STAGES[job.stage].upstream)
    return next((str(manifest["reason"]) for manifest in manifests if manifest["state"] == "rejected"), None)


def _check_complete(job: Job[Any]) -> None:
    missing = [name for name in STAGES[job.stage].writes if not (job.draft / name).exists()]
    if missing:
        raise FaultError(
            f"slide {job.slide}: the stage '{job.stage}' did not write {', '.join(missing)}: report this bug"
        )


def _check_unchanged(job: Job[Any], manifest: dict[str, Any]) -> None:
    """A slide that is still being copied may have been read in part before, in part after."""
    sample = job.sample
    if sample is None or not STAGES[job.stage].reads_pixels or not sample.path.exists():
        return
    if str(identify(sample.path)) != manifest["identity"]:
        raise FaultError(f"slide {job.slide}: its file changed while it was read: run again when it is complete")


def _fault(error: Exception, job: Job[Any]) -> Exception:
    """Say what a failing machine means for the user; errors that already say it, and bugs, stay as they are."""
    if isinstance(error, MemoryError):
        remedy = "lower tiles.size, give it fewer --cores, or more memory"
        return FaultError(f"slide {job.slide}: the stage '{job.stage}' ran out of memory: {remedy}, and run again")
    if isinstance(error, OSError) and error.errno:
        return _disk_fault(error, job.results, job.sample)
    return error


def _disk_fault(error: OSError, results: Path, sample: Sample | None = None) -> FaultError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        remedy = "free some space and run again, finished results are kept"
        return FaultError(f"the disk is full: {remedy}", results, "the results folder")
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else results
    return FaultError(f"{cause(error)}: fix this and run again", path, _called(path, results, sample))


def _called(path: Path, results: Path, sample: Sample | None) -> str:
    """What outputs call a file that caused an error of the operating system."""
    if sample and path == sample.path:
        return "the slide's file"
    if path.absolute() == results.absolute():
        return "the results folder"
    if path.absolute().is_relative_to(results.absolute()):
        return str(path.absolute().relative_to(results.absolute()))
    return "a file"


def _remember(path: Path, error: Exception, results: Path) -> None:
    """Leave the reason for the cohort page; a full disk may not even take that."""
    with contextlib.suppress(OSError, FaultError):
        # What a library says of a bug may hold paths: it is in the log alone.
        unexpected = f"unexpected {type(error).__name__}: report this bug with the stage's log"
        write_json(path, {"reason": error.reason if isinstance(error, PathopipeError) else unexpected}, results)


def _fresh(folder: Path, results: Path) -> Path:
    remove(folder, results)
    make_folder(folder, results)
    return folder
