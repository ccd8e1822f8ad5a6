"""Where the results of a slide lie, and how far its stages are by what lies there."""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from pathopipe.errors import ArtifactError
from pathopipe.pipeline import COHORT, ORDER, STAGES
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST
from pathopipe.results.documents import read_json
from pathopipe.results.manifests import Manifest, read_manifest, read_manifests
from pathopipe.results.names import WORK


def manifest_name(slide: str, stage: str) -> str:
    """Name of a manifest, from the results folder on."""
    return f"{slide}/{stage}/{MANIFEST}"


def begun(results: Path) -> list[str]:
    """Ids of the slides that a results folder holds something of, sorted."""
    names = sorted(entry.name for entry in os.scandir(results) if not entry.name.startswith("."))
    return [name for name in names if name != COHORT.name and _is_slide(SlideFolder(results, name))]


class SlideFolder:
    """The results of one slide; nothing is read before it is asked for.

    Parameters
    ----------
    results, slide
        The results folder and the slide's id.
    """

    def __init__(self, results: Path, slide: str) -> None:
        self.folder = results / slide
        self.slide = slide

    def file(self, stage: str, name: str = MANIFEST) -> Path:
        """Where a file of a stage lies."""
        return self.folder / stage / name

    def has(self, stage: str) -> bool:
        """Whether a stage has been finished; whether it still fits what it was made from: `first_overtaken`."""
        return self.file(stage).exists()

    def manifest(self, stage: str) -> Manifest:
        """Read the manifest of a stage; raises as `manifests.read_manifest` does."""
        return read_manifest(self.file(stage), stage)

    @property
    def identity(self) -> str | None:
        """What the slide's file was known by to the first stage, of whatever version; None where it has not run."""
        try:
            return str(read_json(self.file(ORDER[0]))["identity"])
        except (ArtifactError, KeyError):
            return None

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """Manifests of the stages, of those that have a sound one, by stage, in order; read once."""
        return read_manifests(self.folder)

    @cached_property
    def ended(self) -> dict[str, float]:
        """When each finished stage ended, in seconds since 1970, by stage, in order; looked at once."""
        found = dict[str, float]()
        for stage in ORDER:
            try:
                found[stage] = self.file(stage).stat().st_mtime
            except OSError:
                continue
        return found

    def is_overtaken(self, stage: str) -> bool:
        """Whether an earlier stage has run again since, and what it found is not what this stage started from."""
        ended = self.ended
        newer = [before for before in STAGES[stage].upstream if ended.get(before, 0.0) > ended[stage]]
        try:
            known = self.manifest(stage)["inputs"] if newer else {}
            return any(sha256(self.file(before)) != known[f"{before}/{MANIFEST}"] for before in newer)
        except (ArtifactError, OSError, KeyError):
            return True

    def rejection(self, stages: Iterable[str] = ORDER) -> tuple[str, str] | None:
        """Return the first of these stages that rejected the slide, and why; later ones pass it on."""
        for stage in stages:
            try:
                manifest = self.manifest(stage)
            except ArtifactError:
                continue
            if manifest["state"] == "rejected":
                return stage, str(manifest["reason"])
        return None


def _is_slide(made: SlideFolder) -> bool:
    return made.has(ORDER[0]) or (made.folder / WORK).is_dir()
