"""Whether results are still what their manifests and descriptions say: digests computed again, drift in sentences."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.fingerprint import fingerprint
from pathopipe.identity import full_sha256, identify
from pathopipe.jobs.parallel import ordered_map
from pathopipe.models import registry as nuclei
from pathopipe.models.types import registry as types
from pathopipe.models.weights import Loaded
from pathopipe.pipeline import COHORT, MAPS, ORDER, STAGES
from pathopipe.provenance import sha256, versions
from pathopipe.record import MANIFEST
from pathopipe.results.folder import SlideFolder, begun
from pathopipe.results.manifests import Manifest, read_cohort_manifest
from pathopipe.results.names import CRATE, RUN, weights_folder
from pathopipe.results.records import described_files
from pathopipe.results.unfinished import unfinished
from pathopipe.samples import Sample

_HASHING = 4
"""Threads that read whole files."""
_PASSING = {"logs", ".work"}
_WEIGHTS: dict[str, Callable[[str, Path], Loaded[Any]]] = {"detect": nuclei.weights_of, "types": types.weights_of}
"""How the weights that a stage used are read."""


@dataclass
class Verification:
    """What was found.

    Attributes
    ----------
    drift
        One sentence for each thing that is not as it was written.
    spoiled
        How many of them are about files of the results that are missing or not as they were written.
    slides, files
        How many were looked at.
    unfinished
        Slides that have no description yet; what they have was checked.
    absent
        Slides whose files are not there, so that they could not be compared.
    """

    drift: list[str] = field(default_factory=list)
    spoiled: int = 0
    slides: int = 0
    files: int = 0
    unfinished: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def verify(results: Path, samples: Sequence[Sample] | None = None) -> Verification:
    """Check all slides of a results folder and its cohort; with samples, also that the slides' files are the same.

    What was made with other code or other libraries than those installed here counts as drift: run again, it may
    come out otherwise.
    """
    slides = [_Slide(results, slide) for slide in begun(results) if SlideFolder(results, slide).has(ORDER[0])]
    found = Verification(slides=len(slides))
    for slide, drift in zip(slides, ordered_map(_Slide.drift, slides, _HASHING), strict=True):
        found.drift += [f"{slide.slide}: {sentence}" for sentence in drift]
    found.files = sum(len(slide.digests) for slide in slides) + len(described_files(results))
    found.unfinished = [slide.slide for slide in slides if not slide.finished]
    manifests = [slide.manifests for slide in slides]
    spoiled = list(_cohort_drift(results))
    found.spoiled = sum(len(slide.spoiled) for slide in slides) + len(spoiled)
    found.drift += [*spoiled, *_cohort_extra(results), *_weights_drift(results, manifests), *_code_drift(manifests)]
    if samples is not None:
        _compare(found, samples, {slide.slide: slide.manifests for slide in slides})
    return found


class _Slide(SlideFolder):
    """The results of one slide: what they should be, and what they are."""

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digests of all files that a stage may write and that are there."""
        names = [f"{stage}/{name}" for stage, made in STAGES.items() for name in (*made.writes, MANIFEST)]
        return {name: sha256(self.folder / name) for name in names if (self.folder / name).is_file()}

    @property
    def finished(self) -> bool:
        """Whether the last stage has been here."""
        return self.has(ORDER[-1])

    def drift(self) -> list[str]:
        """One sentence for each file that is not as it was written."""
        if self._at_work:
            return ["a stage is at work, or was stopped: let 'pathopipe run' finish it"]
        return [*self.spoiled, *self._overtaken(), *self._extra()]

    @cached_property
    def spoiled(self) -> list[str]:
        """One sentence for each file that is missing, or not as it was written."""
        return [] if self._at_work else list(self._changed())

    @cached_property
    def _at_work(self) -> bool:
        return bool(unfinished(self.folder))

    def _changed(self) -> Iterator[str]:
        described, written = described_files(self.folder), self._written
        if self.finished and not described:
            yield f"{CRATE} is missing or damaged"
        for stage in (stage for stage in STAGES if self.has(stage) and stage not in self.manifests):
            yield f"{stage}/{MANIFEST} is damaged, or of an earlier version"
        # Maps may be deleted when they have served; the description of a slide whose maps are kept lists them.
        may_lack = {f"detect/{MAPS}"} - described.keys() if "segment" in self.manifests else set()
        for name in sorted({*described, *written} - may_lack):
            if name not in self.digests:
                yield f"{name} is missing"
            elif name in written and self.digests[name] != written[name]:
                yield f"{name} changed since it was written"
            elif self.digests[name] != described.get(name, self.digests[name]):
                yield f"{name} changed since it was described"

    @property
    def _written(self) -> dict[str, str]:
        """Digests that the stages noted of what they wrote; those of earlier versions noted none."""
        made = ((stage, manifest.get("outputs", {})) for stage, manifest in self.manifests.items())
        return {f"{stage}/{name}": digest for stage, outputs in made for name, digest in outputs.items()}

    def _overtaken(self) -> Iterator[str]:
        for stage, manifest in self.manifests.items():
            for name, digest in manifest["inputs"].items():
                if name in self.digests and self.digests[name] != digest:
                    yield f"{stage} was made from a different {name} than the present one"

    def _extra(self) -> Iterator[str]:
        known = {f"{stage}/{name}" for stage, made in STAGES.items() for name in (*made.writes, MANIFEST, RUN)}
        for name in _names(self.folder):
            if name not in {*known, CRATE}:
                yield f"{name} does not belong to the run"


def _names(folder: Path) -> list[str]:
    """Names of all files in a folder, but for logs and work folders."""
    names = (file.relative_to(folder) for file in sorted(folder.rglob("*")) if file.is_file())
    return [name.as_posix() for name in names if not _PASSING.intersection(name.parts)]


def _cohort_drift(results: Path) -> Iterator[str]:
    """What of the cohort is not as it was written, or was gathered from what no longer exists."""
    folder = results / "cohort"
    if not (folder / MANIFEST).exists():
        return
    described = described_files(results)
    if not described:
        yield f"the cohort: {CRATE} is missing or damaged"
    try:
        manifest = read_cohort_manifest(folder / MANIFEST)
        inputs, outputs = manifest["inputs"], manifest.get("outputs", {})
    except ArtifactError:
        yield f"the cohort: cohort/{MANIFEST} is damaged"
        inputs, outputs = {}, {}
    written = {f"cohort/{name}": digest for name, digest in outputs.items()}
    for name, digest in {**described, **written, **inputs}.items():
        if not (results / name).is_file():
            yield f"the cohort: {name} is missing"
        elif sha256(results / name) != digest:
            how = "written" if name in written else "described" if name in described else "gathered"
            yield f"the cohort: {name} changed since it was {how}"


def _cohort_extra(results: Path) -> Iterator[str]:
    """Files among those of the cohort that it did not write."""
    folder, known = results / "cohort", {*COHORT.writes, MANIFEST, RUN}
    if not (folder / MANIFEST).exists():
        return
    yield from (f"the cohort: cohort/{name} does not belong to the run" for name in _names(folder) if name not in known)


def _weights_drift(results: Path, slides: Iterable[dict[str, Manifest]]) -> Iterator[str]:
    """Weights that are not there, or not those that the slides were made with."""
    used = Counter(
        (stage, str(made[stage]["params"]["model"]), str(model["sha256"]))
        for made in slides
        for stage in _WEIGHTS
        if stage in made and (model := made[stage]["model"]) and model["sha256"]
    )
    for (stage, name, digest), count in sorted(used.items()):
        try:
            if _WEIGHTS[stage](name, weights_folder(results)).sha256 != digest:
                yield f"the weights of '{name}' are not those that {count:,} slides were made with"
        except RefusalError as error:
            yield str(error)


def _code_drift(slides: Iterable[dict[str, Manifest]]) -> Iterator[str]:
    """Stages made by other code than is installed, and libraries of other versions."""
    installed, stages, libraries = versions(), Counter[str](), Counter[tuple[str, str]]()
    for made in slides:
        stages.update(stage for stage, manifest in made.items() if manifest["code"] != fingerprint(stage))
        used = {item for manifest in made.values() for item in manifest["versions"].items()}
        libraries.update((name, version) for name, version in used if installed.get(name) != version)
    for stage in (stage for stage in STAGES if stages[stage]):
        yield f"'{stage}' of {stages[stage]:,} slides was made with code that differs from what is installed"
    for (name, version), count in sorted(libraries.items()):
        yield f"{count:,} slides were made with {name} {version}, {installed.get(name, 'none')} is installed"


def _compare(found: Verification, samples: Sequence[Sample], made: dict[str, dict[str, Manifest]]) -> None:
    """Compare the slides' files with those that the results were made from."""
    listed = {sample.slide for sample in samples}
    found.drift += [f"{slide}: is not in the sheet" for slide in made if slide not in listed]
    found.unfinished += [sample.slide for sample in samples if sample.slide not in made]
    known = [(sample, manifests) for sample in samples if "tissue" in (manifests := made.get(sample.slide, {}))]

    def look(item: tuple[Sample, dict[str, Manifest]]) -> list[str] | None:
        try:
            return list(_other_files(*item))
        except OSError:
            return None

    for (sample, _), drift in zip(known, ordered_map(look, known, _HASHING), strict=True):
        found.drift += [f"{sample.slide}: {sentence}" for sentence in drift or ()]
        found.absent += [sample.slide] if drift is None else []


def _other_files(sample: Sample, manifests: dict[str, Manifest]) -> Iterator[str]:
    """Compare all bytes; of a slide that was rejected before they were read, its identity alone."""
    tissue = manifests["tissue"]
    another, digest = "differs from the one that the results were made from", tissue.get("sha256")
    if str(identify(sample.path)) != tissue["identity"]:
        yield f"its slide {another}"
    elif digest and full_sha256(sample.path) != digest:
        yield "its slide was changed in place since the results were made from it"
    noted = tissue["inputs"] | (manifests["segment"]["inputs"] if "segment" in manifests else {})
    for column, file in sample.files.items():
        if sha256(file) != noted.get(column):
            yield f"its {column} {another}"
