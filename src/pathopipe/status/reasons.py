"""Why finished stages will run again: their settings, contract, code, line of the sheet, or what they read changed."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from pathopipe.errors import ArtifactError
from pathopipe.pipeline import ORDER, STAGES
from pathopipe.results.documents import read_json
from pathopipe.results.folder import SlideFolder
from pathopipe.samples import Sample

_READERS: Final = 16
"""Threads: on a network file system, looking is waiting."""


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
    """

    made_by: Mapping[str, Mapping[str, Any]]
    sample: Sample
    identity: str | None = None
    last: str = ORDER[-1]
    again: str | None = None


def reasons_to_run_again(slides: Iterable[tuple[SlideFolder, Wanted]]) -> list[str]:
    """Say per stage and cause how many slides it will run again for, in a sentence each, in the order of the stages."""
    counts = dict[tuple[str, str], int]()
    with ThreadPoolExecutor(_READERS) as pool:
        for causes in pool.map(lambda pair: causes_of(*pair), slides):
            for found in causes.items():
                counts[found] = counts.get(found, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (ORDER.index(item[0][0]), -item[1]))
    return [
        f"{stage} runs again for {count:,} slide{'' if count == 1 else 's'}: {cause}"
        for (stage, cause), count in ordered
    ]


def causes_of(made: SlideFolder, wanted: Wanted) -> dict[str, str]:
    """Why stages of a slide run again that have been finished, by stage."""
    causes, origins = dict[str, str](), dict[str, list[str]]()
    for stage in ORDER[: ORDER.index(wanted.last) + 1]:
        upstream = [origin for name in STAGES[stage].upstream for origin in origins.get(name, ())]
        if stage not in made.ended:
            origins[stage] = [stage]
            continue
        own = list(_own_causes(made, stage, wanted))
        if not (own or upstream) and made.is_overtaken(stage):
            upstream = [name for name in STAGES[stage].upstream if made.ended.get(name, 0.0) > made.ended[stage]]
        if own or upstream:
            read = sorted(set(upstream), key=ORDER.index)
            causes[stage] = "; ".join([*own, *([f"what it reads changed ({', '.join(read)})"] if read else [])])
            origins[stage] = [*read, *([stage] if own else [])]
    return causes


def _own_causes(made: SlideFolder, stage: str, wanted: Wanted) -> Iterator[str]:
    if stage == wanted.again:
        yield "you asked for it"
    with contextlib.suppress(ArtifactError):  # not as `made.manifest`: earlier versions' manifests hold less
        manifest = read_json(made.file(stage))
        yield from _changed(manifest, wanted.made_by[stage])
        if columns := STAGES[stage].columns:
            yield from _changed_line(manifest, columns, wanted)


def _changed(manifest: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    if changes := list(_changes(manifest.get("params") or {}, wanted["params"])):
        yield f"its settings changed ({', '.join(changes)})"
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
        was["path"], now["path"] = manifest.get("identity"), wanted.identity
    if source := manifest.get("mpp_source"):
        was["mpp"] = (manifest.get("mpp_x"), manifest.get("mpp_y")) if source == "sheet" else None
        now["mpp"] = sample.mpp
    was["roi"], now["roi"] = manifest.get("inputs", {}).get("roi"), _digest(sample)
    about: Mapping[str, str] = manifest.get("about", sample.about)
    for name in (*about, *sample.about):
        was[name], now[name] = about.get(name), sample.about.get(name)
    changed = [name for name in columns if was.get(name) != now.get(name)]
    if "path" in changed:
        yield "the slide's file is a different one"
    if others := [name for name in changed if name != "path"]:
        yield f"the sheet changed ({', '.join(others)})"


def _digest(sample: Sample) -> str | None:
    try:
        return hashlib.sha256(sample.roi.read_bytes()).hexdigest() if sample.roi else None
    except OSError:
        return None
