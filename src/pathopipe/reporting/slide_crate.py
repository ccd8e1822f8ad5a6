"""The RO-Crate of one slide: each stage's command, what it read, what it wrote."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pathopipe.pipeline import STAGES
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST
from pathopipe.reporting.crate import PROCESS_RUN, Crate
from pathopipe.results.manifests import Manifest
from pathopipe.results.names import RUN

if TYPE_CHECKING:
    from rocrate.model.entity import Entity

Manifests = Mapping[str, Manifest]

_GIVEN = {
    "roi": "Regions of interest as GeoJSON",
    "nuclei": "Nuclei that were given",
    "nuclei_before": "The same nuclei before they were corrected",
}
"""Files of the sample sheet beside the slide's, by column."""


def write_slide_crate(folder: Path, draft: Path, manifests: Manifests) -> None:
    """Write the crate of a slide's folder, into the draft of its last stage.

    Parameters
    ----------
    folder, draft
        The slide's results, and the last stage's files, which are not among them yet.
    manifests
        Of all stages.
    """
    slide = str(manifests["tissue"]["slide"])
    crate = Crate(
        f"Slide {slide}: nuclei, features and grade",
        "Results of pathopipe for one whole-slide image: what each stage ran, on what, and what came out.",
        PROCESS_RUN,
    )
    files = _files(crate, folder, draft, _digests(manifests))
    outside = _outside(crate, slide, manifests)
    for stage, manifest in manifests.items():
        used = [files[name] for name in STAGES[stage].reads if name in files]
        looked = {*manifest["inputs"], *(["path"] if STAGES[stage].reads_pixels else [])}
        used += [entity for column, entity in outside.items() if column in looked]
        if model := manifest["model"]:
            used.append(crate.weights(model))
        made = [entity for name, entity in files.items() if name.startswith(f"{stage}/")]
        crate.action(stage, command(stage, manifest), crate.software(manifest["versions"]), used, made)
    crate.write(draft)


def command(stage: str, manifest: Manifest) -> str:
    """What to type in the folder above to run a stage again."""
    settings = json.dumps(manifest["params"], sort_keys=True, separators=(",", ":"))
    slide = manifest["slide"]
    return f"pathopipe {stage} {slide} --results . --slides cohort/slides.tsv --settings {shlex.quote(settings)}"


def _digests(manifests: Manifests) -> dict[str, str]:
    """Digest of each file by ``stage/name``: of what a stage wrote, and of manifests that a later one read."""
    found = dict[str, str]()
    for stage, manifest in manifests.items():
        found |= {name: digest for name, digest in manifest["inputs"].items() if "/" in name}
        found |= {f"{stage}/{name}": digest for name, digest in manifest.get("outputs", {}).items()}
    return found


def _files(crate: Crate, folder: Path, draft: Path, digests: dict[str, str]) -> dict[str, "Entity"]:
    """Add the files of all stages that are there: maps may have been deleted when they had served."""
    found = {}
    for stage, contract in STAGES.items():
        home = draft if contract.describes else folder / stage
        for name in (*contract.writes, MANIFEST):
            file, called = home / name, f"{stage}/{name}"
            if file.exists():
                digest = digests.get(called) or sha256(file)
                found[called] = crate.file(called, file.stat().st_size, digest)
        crate.file(f"{stage}/{RUN}", description=f"When and where '{stage}' ran, and how long it took")
    return found


def _outside(crate: Crate, slide: str, manifests: Manifests) -> dict[str, "Entity"]:
    """Add what came from outside, by column of the sample sheet: the slide's file, by its content alone, and others."""
    tissue, inputs = manifests["tissue"], dict[str, str]()
    for manifest in manifests.values():
        inputs |= manifest["inputs"]
    reported = {"identifier": tissue.get("identity"), "sha256": tissue.get("sha256")}
    known = {name: value for name, value in reported.items() if value}
    slide_file = crate.thing("#slide", "ImageObject", name=slide, description="The slide's file, not included", **known)
    return {"path": slide_file} | {
        name: crate.thing(
            f"#{name}", "CreativeWork", name=name, description=f"{about}, not included", sha256=inputs[name]
        )
        for name, about in _GIVEN.items()
        if name in inputs
    }
