"""What the manifests hold, and reading them: one that lacks an entry is damaged, and is reported as such."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NotRequired, cast

from typing_extensions import TypedDict  # pydantic wants this one up to Python 3.11

from pathopipe.errors import ArtifactError
from pathopipe.pipeline import COHORT, STAGES
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST, Stage
from pathopipe.results.documents import damaged, fits, read_json, reading
from pathopipe.results.names import called
from pathopipe.results.plausible import is_plausible
from pathopipe.units import Mpp


class SlideInfo(TypedDict):
    """The slide's file: size in level-0 pixels, x, y, width and height of what was scanned where it says that."""

    width: int
    height: int
    levels: int
    format: str
    bounds: list[int] | None


class GridEntry(TypedDict):
    """The fields of `units.Grid`."""

    width: int
    height: int
    factor_x: float
    factor_y: float
    mpp_x: float
    mpp_y: float


class BinsEntry(TypedDict):
    """The fields of `ops.regions.Bins`."""

    width: int
    height: int
    bin_px_x: float
    bin_px_y: float
    bin_um2: float


class ModelEntry(TypedDict):
    """A model or grader, the digest of its weights, where it has some, and their terms of use."""

    name: str
    sha256: str | None
    licence: NotRequired[str | None]


class WarningEntry(TypedDict):
    """What `caveats.warning` makes."""

    code: str
    message: str
    value: float
    threshold: float


class AnyManifest(TypedDict):
    """What all manifests hold.

    ``inputs`` are the digests of what the stage read, by ``stage/name``, ``outputs`` of what it wrote, by name; earlier
    versions of the program left no ``outputs``.
    """

    stage: str
    state: Literal["done", "rejected"]
    contract: int
    code: str
    params: dict[str, Any]
    inputs: dict[str, str]
    outputs: NotRequired[dict[str, str]]
    counts: dict[str, float]
    versions: dict[str, str]


class Manifest(AnyManifest):
    """The manifest of a stage of a slide; other entries are those of single stages (`ENTRIES`)."""

    slide: str
    reason: str | None
    model: ModelEntry | None
    identity: str | None
    mpp_x: float | None
    mpp_y: float | None
    mpp_source: str | None
    quality: NotRequired[list[WarningEntry]]
    slide_info: NotRequired[SlideInfo]
    tissue_mm2: NotRequired[float]
    sound_mm2: NotRequired[float]
    unfit_share: NotRequired[float]
    shares: NotRequired[dict[str, float]]
    blur_um: NotRequired[float | None]
    bins: NotRequired[BinsEntry]
    stain: NotRequired[dict[str, Any]]
    scan: NotRequired[dict[str, Any]]
    sha256: NotRequired[str]
    grid: NotRequired[GridEntry]
    halo: NotRequired[int]
    score: NotRequired[float]
    scales: NotRequired[list[dict[str, float]]]
    mpp_checked_by: NotRequired[str]
    about: NotRequired[dict[str, str]]
    pixels_mpp: NotRequired[list[float]]
    fields: NotRequired[dict[str, dict[str, float]]]
    whole_only: NotRequired[list[str]]
    scope: NotRequired[str]
    nuclei_format: NotRequired[str]
    changes: NotRequired[dict[str, int | None] | None]


ENTRIES: Final = MappingProxyType(
    {
        "tissue": ("mpp_x", "mpp_y", "slide_info", "tissue_mm2", "bins", "stain", "scan", "quality", "sha256"),
        "quality": ("model", "sound_mm2", "unfit_share", "shares", "quality"),
        "tiles": ("grid", "halo"),
        "detect": ("model", "grid", "score", "scales", "quality"),
        "segment": ("grid",),
        "features": ("grid", "mpp_checked_by", "stain", "quality"),
        "types": ("quality",),
        "statistics": ("quality", "fields", "whole_only"),
        "grade": ("model", "about", "quality"),
    }
)
"""Entries that a stage that did not reject the slide must have, by stage."""
OF_MODEL: Final = ("model", "score", "scales")
"""Those of `detect` that are missing where the sample sheet gives the nuclei."""


def read_manifest(path: Path, stage: str) -> Manifest:
    """Read the manifest of a stage of a slide.

    Raises
    ------
    ArtifactError
        When it is missing, is no JSON, is that of another stage, or lacks an entry that the stage writes.
    """
    content = _checked(path, Manifest, STAGES[stage])
    lacking = OF_MODEL if stage == "detect" and nuclei_given(content) else ()
    needed = (name for name in ENTRIES.get(stage, ()) if name not in lacking)
    whole = all(content.get(name) is not None for name in needed) and is_plausible(content)
    if content["state"] == "done" and not whole:
        raise _unsound(path, content, STAGES[stage])
    return cast("Manifest", content)


def read_manifests(folder: Path) -> dict[str, Manifest]:
    """Manifests of a slide's stages, of those that have one that is sound, by stage, in order."""
    found = dict[str, Manifest]()
    for stage in STAGES:
        with contextlib.suppress(ArtifactError):
            found[stage] = read_manifest(folder / stage / MANIFEST, stage)
    return found


def read_cohort_manifest(path: Path) -> AnyManifest:
    """Read the manifest of the stage that gathers; raises as `read_manifest` does."""
    return cast("AnyManifest", _checked(path, AnyManifest, COHORT))


def mpp_of(manifest: Manifest) -> Mpp:
    """Return micrometers per pixel of a slide that was not rejected before they were known."""
    x, y, source = manifest["mpp_x"], manifest["mpp_y"], manifest["mpp_source"]
    if x is None or y is None or source is None:
        raise ArtifactError(f"slide {manifest['slide']}: its mpp is not known: run the stage 'tissue' again")
    return Mpp(x, y, source)


GIVEN: Final = ModelEntry(name="given", sha256=None, licence=None)
"""What is named instead of a model where the sample sheet gave the nuclei."""


def nuclei_given(manifest: Mapping[str, Any]) -> bool:
    """Whether the sample sheet gave the nuclei, by the manifest of `detect` or `segment`."""
    return "nuclei" in manifest["inputs"]


def model_of(manifest: Manifest) -> ModelEntry:
    """Return the model, or grader, of a stage that uses one and did not reject the slide."""
    if manifest["model"] is None:
        stage = manifest["stage"]
        raise ArtifactError(f"slide {manifest['slide']}: '{stage}' named no model: run that stage again")
    return manifest["model"]


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return digests of files of a slide's results, given as ``stage/name``, that are what their stages wrote.

    Raises
    ------
    ArtifactError
        Naming the first that is missing, was changed, or was written by a version that noted no digests.
    """
    digests = {name: _digest(folder / name) for name in names}
    written = dict[str, Mapping[str, str]]()
    for name, digest in digests.items():
        stage, _, file = name.partition("/")
        if file == MANIFEST:
            continue
        if stage not in written:
            written[stage] = _outputs(folder / stage / MANIFEST, stage)
        if written[stage].get(file) != digest:
            problem = f"is not what the stage '{stage}' wrote (it has been changed since): delete it and run again"
            raise ArtifactError(problem, folder / name, name)
    return digests


def _digest(path: Path) -> str:
    with reading(path):
        try:
            return sha256(path)
        except FileNotFoundError as error:
            raise ArtifactError(f"is missing: run the stage '{path.parent.name}' first", path, called(path)) from error


def _outputs(path: Path, stage: str) -> Mapping[str, str]:
    manifest = read_manifest(path, stage)
    if "outputs" not in manifest:
        raise _unsound(path, manifest, STAGES[stage])
    return manifest["outputs"]


def _checked(path: Path, kind: type, stage: Stage) -> dict[str, Any]:
    content = read_json(path)
    if not fits(content, kind) or content["stage"] != stage.name:
        raise _unsound(path, content, stage)
    return content


def _unsound(path: Path, content: Mapping[str, Any], stage: Stage) -> ArtifactError:
    """Say why a manifest lacks what it should hold."""
    contract = content.get("contract")
    if isinstance(contract, int) and contract < stage.contract:
        return ArtifactError(f"is of an earlier version: run the stage '{stage.name}' again", path, called(path))
    return damaged(path)
