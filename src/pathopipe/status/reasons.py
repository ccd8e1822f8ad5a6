"""Why finished stages will run again: their settings, contract, code, line of the sheet, or what they read changed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pathopipe.errors import ArtifactError
from pathopipe.jobs.parallel import READERS, ordered_map
from pathopipe.pipeline import ORDER, STAGES, stages_up_to
from pathopipe.provenance import sha256
from pathopipe.results.documents import read_json
from pathopipe.results.folder import SlideFolder
from pathopipe.results.unfinished import unfinished
from pathopipe.samples import FILES, Sample
from pathopipe.status.missing import in_words, missing_files
from pathopipe.status.reruns import is_left
from pathopipe.status.slide_file import is_known_as
from pathopipe.wording import counted


@dataclass(frozen=True)
class Wanted:
    """What the stages of a slide are to be made by.

    Attributes
    ----------
    made_by
        Settings, contract and code by stage, as in the manifests; a setting that is not in it is not compared.
    sample
        The slide's line of the sheet.
    identity
        Of the slide's file; None where it was not looked at.
    last, again
        The stage to end with, and one to run in any case.
    left
        Stages that an earlier run was to run again, and since when; those that have run since don't count.
    keep_maps
        Whether maps are to be there that nobody reads any more.
    """

    made_by: Mapping[str, Mapping[str, Any]]
    sample: Sample
    identity: str | None = None
    last: str = ORDER[-1]
    again: str | None = None
    left: Mapping[str, float] = field(default_factory=dict)
    keep_maps: bool = True


def reasons_to_run_again(slides: Iterable[tuple[SlideFolder, Wanted]]) -> list[str]:
    """Say per stage and cause how many slides it will run again for, in a sentence each, in the order of the stages."""
    counts = Counter[tuple[str, str]]()
    for causes in ordered_map(lambda pair: causes_of(*pair), slides, READERS):
        counts.update(causes.items())
    ordered = sorted(counts.items(), key=lambda item: (ORDER.index(item[0][0]), -item[1]))
    return [f"{stage} runs again for {counted(count)}: {cause}" for (stage, cause), count in ordered]


def causes_of(made: SlideFolder, wanted: Wanted) -> dict[str, str]:
    """Why stages of a slide run again that have been finished, by stage."""
    causes, origins, missing = dict[str, str](), dict[str, list[str]](), missing_files(made, keep_maps=wanted.keep_maps)
    at_work = {work.name for work in unfinished(made.folder)} if missing else set()
    for stage in stages_up_to(wanted.last):
        if stage not in made.ended and (stage not in missing or stage in at_work):
            origins[stage] = [stage]
            continue
        upstream = [origin for name in STAGES[stage].upstream for origin in origins.get(name, ())]
        own = list(_own_causes(made, stage, wanted, missing))
        if not (own or upstream) and made.is_overtaken(stage):
            upstream = [name for name in STAGES[stage].upstream if made.ended.get(name, 0.0) > made.ended[stage]]
        if own or upstream:
            read = sorted(set(upstream), key=ORDER.index)
            causes[stage] = "; ".join([*own, *([f"what it reads changed ({', '.join(read)})"] if read else [])])
            origins[stage] = [*read, *([stage] if own else [])]
    return causes


def stages_to_force(made: SlideFolder, wanted: Wanted) -> list[str]:
    """Stages that are to run again for a reason that Snakemake does not see.

    A file is missing that nobody reads any more, a stage was run by hand with other settings or on another line of the
    sheet, or an earlier run was to run it again and was stopped. Contract and code are not compared: in a container,
    or in an environment of its own, a stage may be of another version each time.
    """
    missing = missing_files(made, keep_maps=wanted.keep_maps)
    return [
        stage for stage in stages_up_to(wanted.last) if any(_own_causes(made, stage, wanted, missing, version=False))
    ]


def _own_causes(
    made: SlideFolder, stage: str, wanted: Wanted, missing: Mapping[str, tuple[str, ...]], *, version: bool = True
) -> Iterator[str]:
    """Causes that lie in the stage itself; contract and code, which are its ``version``, only where that is asked."""
    if stage == wanted.again:
        yield "you asked for it"
    elif is_left(made, stage, wanted.left):
        yield "you asked for it in a run that was stopped"
    if stage in missing:
        yield in_words(missing[stage])
    if stage not in made.ended:
        return
    try:
        manifest = read_json(made.file(stage))  # not as `made.manifest`: earlier versions' manifests hold less
    except ArtifactError as error:
        yield f"its manifest {error.message.partition(':')[0]}"
        return
    made_by = wanted.made_by[stage]
    if changes := list(_changes(manifest.get("params") or {}, made_by["params"])):
        yield f"its settings changed ({', '.join(changes)})"
    if version:
        yield from _changed_version(manifest, made_by)
    if columns := STAGES[stage].columns:
        yield from _changed_line(manifest, columns, wanted)


def _changed_version(manifest: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    if manifest.get("contract") != wanted["contract"]:
        yield f"the format of its files changed (version {manifest.get('contract')} -> {wanted['contract']})"
    if manifest.get("code") != wanted["code"]:
        yield "its code changed"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in now.items():
        old = before.get(key)
        if isinstance(value, Mapping):
            yield from _changes(old if isinstance(old, Mapping) else {}, value, f"{prefix}{key}.")
        elif key not in before:
            yield f"{prefix}{key}: {_shown(value)}"
        elif old != value:
            yield f"{prefix}{key}: {_shown(old)} -> {_shown(value)}"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _changed_line(manifest: Mapping[str, Any], columns: tuple[str, ...], wanted: Wanted) -> Iterator[str]:
    """What of its line counts for a stage and has changed; without what was not noted of a rejected slide."""
    sample, was, now = wanted.sample, dict[str, Any](), dict[str, Any]()
    if wanted.identity:
        known = is_known_as(manifest.get("identity"), manifest.get("sha256"), wanted.identity)
        was["path"], now["path"] = wanted.identity if known else None, wanted.identity
    if source := manifest.get("mpp_source"):
        was["mpp"] = (manifest.get("mpp_x"), manifest.get("mpp_y")) if source == "sheet" else None
        now["mpp"] = sample.mpp
    for name in FILES:
        was[name], now[name] = manifest.get("inputs", {}).get(name), _digest(sample, name) if name in columns else None
    about: Mapping[str, str] = manifest.get("about", sample.about)
    for name in (*about, *sample.about):
        was[name], now[name] = about.get(name), sample.about.get(name)
    changed = [name for name in columns if was.get(name) != now.get(name)]
    if "path" in changed:
        yield "the slide's file is a different one"
    if others := [name for name in changed if name != "path"]:
        yield f"the sheet changed ({', '.join(others)})"


def _digest(sample: Sample, column: str) -> str | None:
    path = sample.files.get(column)
    if path is None:
        return None
    try:
        stat = path.stat()
        return _digest_at(path, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return None


@cache
def _digest_at(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001
    """Digest of a file, which several stages read and which may be large; read once as long as it is the same."""
    return sha256(path)
