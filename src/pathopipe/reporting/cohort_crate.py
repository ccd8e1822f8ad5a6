"""What it takes to run a cohort again, and the RO-Crate of a results folder."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

from pathopipe.pipeline import COHORT, STAGES
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST
from pathopipe.reporting.cohort_settings import OTHER_SETTINGS, mixed
from pathopipe.reporting.crate import PROCESS_RUN, WORKFLOW, WORKFLOW_RUN, Crate
from pathopipe.results.manifests import Manifest
from pathopipe.results.names import CRATE, RUN

COMMAND = "pathopipe run --slides cohort/slides.tsv --config cohort/config.json"
_DIGESTS = ("roi_sha256", "nuclei_sha256", "nuclei_before_sha256")
_COLUMNS = ("slide", "path", "mpp", "tissue", "stain", "identity", "sha256", *_DIGESTS, OTHER_SETTINGS)
_ABOUT = {
    "cohort.tsv": "One row per slide: state, grade, statistics",
    "cohort.parquet": "The same table with its types",
    "index.html": "The page of the cohort",
    "slides.tsv": "The sample sheet, with identity and digest of each slide; fill in the column path",
    "config.json": "The settings of all stages, for pathopipe run --config; slides with other settings: slides.tsv",
    "requirements.txt": "The packages that were installed, for pip install -r",
}


Made: TypeAlias = Mapping[str, Mapping[str, Manifest]]
"""By the lines of the sheet, in order, the manifests of the stages that are finished, by stage."""


def sheet(slides: Made, others: Mapping[str, str]) -> str:
    """Return the sheet without paths and without what identifies a patient, with what identifies the slides."""
    text = io.StringIO()
    rows = csv.writer(text, delimiter="\t", lineterminator="\n")
    rows.writerow(_COLUMNS)
    for slide, manifests in slides.items():
        known = (value or "" for value in _recognized(manifests))
        rows.writerow((slide, "", *known, others.get(slide, "")))
    return text.getvalue()


def _recognized(manifests: Mapping[str, Manifest]) -> Iterator[str | None]:
    """Return the mpp that was given, tissue and stain as the sheet states them, and what identifies the slide."""
    tissue, segment, grade = (manifests.get(stage) for stage in ("tissue", "segment", "grade"))
    given = tissue is not None and tissue["mpp_source"] == "sheet"
    yield f"{tissue['mpp_x']!r} {tissue['mpp_y']!r}" if tissue and given else None
    about = (grade and grade.get("about")) or {}
    yield from (about.get("tissue"), about.get("stain"))
    yield from (tissue["identity"], tissue.get("sha256")) if tissue else (None, None)
    read = (tissue["inputs"] if tissue else {}) | (segment["inputs"] if segment else {})
    yield from (read.get(name.removesuffix("_sha256")) for name in _DIGESTS)


def write_cohort_crate(
    results: Path, draft: Path, slides: Made, others: Mapping[str, str], versions: dict[str, str]
) -> None:
    """Write the crate of a results folder, into the draft of `cohort`."""
    finished = {slide: made for slide, made in slides.items() if set(made) == set(STAGES)}  # these have their own
    differ = f" {mixed(len(others), len(slides))}: slides.tsv lists them." if others else ""
    crate = Crate(
        f"Cohort of {len(slides)} slides: nuclei, features and grades",
        f"Results of pathopipe for the slides of a sheet. Each slide's folder has its own description.{differ}",
        PROCESS_RUN,
        WORKFLOW_RUN,
        WORKFLOW,
    )
    files = {
        name: _file(crate, draft, name) for name in (*COHORT.writes, MANIFEST) if name in _ABOUT or name == MANIFEST
    }
    crate.file(f"cohort/{RUN}", description="When and where the cohort was gathered, and how long it took")
    snakefile = draft / "Snakefile"
    workflow = crate.workflow(
        "cohort/Snakefile",
        metadata.version("snakemake"),
        name="pathopipe",
        description="The workflow's entry point; its rules are part of pathopipe",
        softwareVersion=versions["pathopipe"],
        softwareRequirements=crate.software(versions),
        sha256=sha256(snakefile),
        contentSize=str(snakefile.stat().st_size),
    )
    folders = [_slide(crate, results, slide) for slide in finished]
    models = {json.dumps(made["detect"].get("model"), sort_keys=True): None for made in finished.values()}
    weights = [crate.weights(model) for text in models if (model := json.loads(text))]
    used = [files[name] for name in ("slides.tsv", "config.json", "requirements.txt")]
    written = [files[name] for name in ("cohort.tsv", "cohort.parquet", "index.html", MANIFEST)]
    crate.action("workflow", COMMAND, workflow, [*used, *weights], [*written, *folders])
    crate.write(draft)


def _file(crate: Crate, draft: Path, name: str) -> Any:
    file = draft / name
    reported = {"description": _ABOUT[name]} if name in _ABOUT else {}
    return crate.file(f"cohort/{name}", file.stat().st_size, sha256(file), **reported)


def _slide(crate: Crate, results: Path, slide: str) -> Any:
    """Add a slide's folder, and its description, which holds the digests of all its files."""
    description = results / slide / CRATE
    described = crate.file(f"{slide}/{CRATE}", description.stat().st_size, sha256(description))
    return crate.folder(slide, subjectOf=described)
