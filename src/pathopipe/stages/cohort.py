"""The table and the page over all slides of the sheet, whatever their state."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pathopipe.errors import ArtifactError
from pathopipe.grading.patients import RULES, GradedSlide, PatientGrade, grade_patient
from pathopipe.jobs.job import Gathering, Outcome
from pathopipe.pipeline import COHORT, ORDER
from pathopipe.provenance import requirements, versions, workflow_folder
from pathopipe.reporting import manifests as reported
from pathopipe.reporting.cohort_comparisons import Column, marked
from pathopipe.reporting.cohort_crate import Made, sheet, write_cohort_crate
from pathopipe.reporting.cohort_entry import STATES, CohortEntry
from pathopipe.reporting.cohort_page import CohortPage, render_cohort
from pathopipe.reporting.cohort_scanners import COLUMN as FOUND
from pathopipe.reporting.cohort_scanners import Scanners, grouped, scanners, with_column
from pathopipe.reporting.cohort_settings import mixed, other_settings, settings_of_most
from pathopipe.reporting.cohort_table import CohortRow, table_of, to_parquet, to_tsv
from pathopipe.reporting.grade_file import grade_of
from pathopipe.reporting.grade_view import Grade
from pathopipe.reporting.pictures import shrunk
from pathopipe.results.contents import GradeFile, read_grade, read_statistics
from pathopipe.results.documents import write_json
from pathopipe.results.folder import SlideFolder
from pathopipe.results.manifests import GIVEN, digests_of, model_of, nuclei_given
from pathopipe.results.schemas.counts import OF_REGIONS
from pathopipe.results.unfinished import fault_of
from pathopipe.samples import Sample, shown_columns

THUMBNAIL_PX = 124
EMBEDDED = 300
"""Slides whose pictures are inside the page; those of a larger cohort are loaded from the slides' folders when seen."""


def run(gathering: Gathering) -> Outcome:
    """Gather all slides, in the order of the sheet."""
    made = _made(gathering)
    most = settings_of_most(made)
    found, others = [_gather(gathering, sample) for sample in gathering.samples], other_settings(made, most)
    patients = _patients(gathering, found)
    entries = [
        replace(entry, row=_of_patient(_with_settings(entry.row, others), patients.get(entry.row.slide)))
        for entry, _ in found
    ]
    grades = tuple(dict.fromkeys(grade for _, known in found for grade in known))
    entries = marked(entries, gathering.settings.statistics)
    extra = _columns(gathering)
    scanned = _scanners(entries, extra, grades)
    entries = grouped(entries, scanned)
    table = table_of([entry.row for entry in entries])
    gathering.output("cohort.tsv").write_bytes(to_tsv(table))
    gathering.output("cohort.parquet").write_bytes(to_parquet(table))
    several = tuple(dict.fromkeys(patient for patient in patients.values() if len(patient.slides) > 1))
    rule = RULES[gathering.settings.patient_rule]
    if scanned is not None and scanned.several:
        entries, extra = with_column(entries), (*extra, FOUND)
    page = CohortPage(tuple(entries), grades, extra, gathering.settings.statistics, several, rule, scanned)
    gathering.output("index.html").write_bytes(render_cohort(page))
    _write_recipe(gathering, most, others)
    return Outcome({state: sum(entry.row.state == state for entry in entries) for state in STATES})


def _scanners(entries: Sequence[CohortEntry], names: Sequence[str], grades: Sequence[str]) -> Scanners | None:
    """Look for groups of slides that were scanned alike, and whether grades and the sheet's columns go with that."""
    done = [entry for entry in entries if entry.row.state == "done"]
    columns = [Column(name, tuple(entry.row.extra.get(name, "") for entry in done)) for name in names]
    given = Column("grade", tuple(entry.row.grade or "" for entry in done), tuple(grades))
    return scanners(done, [given, *columns] if grades else columns)


def describe(gathering: Gathering) -> None:
    """Write the RO-Crate of the results folder, from the finished draft of this stage."""
    made = _made(gathering)
    others = other_settings(made, settings_of_most(made))
    write_cohort_crate(gathering.results, gathering.draft, made, others, versions())


def _write_recipe(gathering: Gathering, most: Mapping[str, Any], others: Mapping[str, str]) -> None:
    """Write what it takes to run the cohort again; where one configuration does not, say so."""
    used = {**most, "cohort": gathering.settings.model_dump(mode="json")}
    gathering.output("slides.tsv").write_text(sheet(_made(gathering), others), encoding="utf-8")
    write_json(gathering.output("config.json"), used)
    gathering.output("requirements.txt").write_text("".join(f"{pin}\n" for pin in requirements()), encoding="utf-8")
    note = f"# {mixed(len(others), len(gathering.samples))}: slides.tsv lists them.\n\n" if others else ""
    front = (workflow_folder() / "Snakefile").read_text(encoding="utf-8")
    gathering.output("Snakefile").write_text(note + front, encoding="utf-8")


def _made(gathering: Gathering) -> Made:
    return {slide: made.manifests for slide, made in gathering.slides.items()}


def _gather(gathering: Gathering, sample: Sample) -> tuple[CohortEntry, tuple[str, ...]]:
    """Return a slide's entry and the grades that its grader knows; a damaged file is a fault of that slide alone."""
    try:
        return _read(gathering, sample)
    except ArtifactError as error:
        return _entry(gathering, CohortRow(sample.slide, "fault", error.reason, extra=_extra(gathering, sample))), ()


def _read(gathering: Gathering, sample: Sample) -> tuple[CohortEntry, tuple[str, ...]]:
    made = gathering.slides[sample.slide]
    extra, fault = _extra(gathering, sample), fault_of(made.folder)
    if fault is not None:
        return _entry(gathering, CohortRow(sample.slide, "fault", fault, extra=extra)), ()
    if not made.has(ORDER[-1]):
        reason = "There is no result yet: run the same command again."
        return _entry(gathering, CohortRow(sample.slide, "missing", reason, extra=extra)), ()
    manifest = made.manifest(ORDER[-1])
    if manifest["state"] == "rejected":
        return _entry(gathering, CohortRow(sample.slide, "rejected", manifest["reason"], extra=extra)), ()
    digests_of(made.folder, COHORT.reads)
    content = read_grade(made.file("grade", "grade.json"))
    return _entry(gathering, _done(gathering, sample, content)), tuple(content["grades"])


def _done(gathering: Gathering, sample: Sample, content: GradeFile) -> CohortRow:
    made, grade = gathering.slides[sample.slide], grade_of(content)
    row = read_statistics(made.file("statistics", "statistics.parquet"))
    detect = made.manifest("detect")
    model = GIVEN if nuclei_given(detect) else model_of(detect)
    return CohortRow(
        slide=sample.slide,
        state="done",
        reason=grade.reason if grade else None,
        grade=grade.grade if grade else None,
        abstained=grade.abstained if grade else None,
        model=model["name"],
        model_licence=model.get("licence"),
        shares=_shares(grade),
        calibrated=bool(grade and grade.calibrated),
        outside_scope=bool(grade.outside_scope) if grade else None,
        statistics={name: value for name, value in row.items() if name not in OF_REGIONS},
        extra=_extra(gathering, sample),
    )


def _shares(grade: Grade | None) -> dict[str, float]:
    """Shares of resamples; of a slide that got no grade they would pass for one."""
    if not grade or grade.abstained or not grade.probabilities:
        return {}
    return dict(zip(grade.grades, grade.probabilities, strict=True))


def _extra(gathering: Gathering, sample: Sample) -> dict[str, str]:
    """Return the sheet's columns that the configuration names; what identifies a patient is not among them."""
    return {name: sample.extra.get(name, "") for name in _columns(gathering)}


def _columns(gathering: Gathering) -> tuple[str, ...]:
    return shown_columns(gathering.settings.columns, gathering.samples)


def _entry(gathering: Gathering, row: CohortRow) -> CohortEntry:
    made = gathering.slides[row.slide]
    known = made.manifests if row.state in {"done", "rejected"} else {}
    warnings = reported.warnings(known)
    row = replace(row, warnings=" ".join(dict.fromkeys(warning.code for warning in warnings)) if known else None)
    thumbnail = _thumbnail(made, embedded=len(gathering.samples) <= EMBEDDED)
    return CohortEntry(row, thumbnail, made.file("report", "report.html").exists(), warnings)


def _patients(gathering: Gathering, found: Sequence[tuple[CohortEntry, tuple[str, ...]]]) -> dict[str, PatientGrade]:
    """Grade of the patient of each slide, where the sheet names one; who that is stays here."""
    slides = dict[str, list[GradedSlide]]()
    for sample, (entry, grades) in zip(gathering.samples, found, strict=True):
        if sample.patient:
            slides.setdefault(sample.patient, []).append(_graded(entry.row, grades))
    graded = [grade_patient(group, gathering.settings.patient_rule) for group in slides.values()]
    return {slide: patient for patient in graded for slide in patient.slides}


def _graded(row: CohortRow, grades: tuple[str, ...]) -> GradedSlide:
    nuclei = row.statistics.get("nuclei_count")
    shares = [row.statistics.get(name) for name in ("typed_share", "epithelial_share")]
    known = [share for share in shares if share is not None]
    epithelial = nuclei * math.prod(known) if nuclei is not None and len(known) == len(shares) else None
    return GradedSlide(row.slide, row.state, row.grade, grades, row.shares, nuclei, epithelial)


def _of_patient(row: CohortRow, patient: PatientGrade | None) -> CohortRow:
    return replace(row, patient_grade=patient.grade, patient_slides=" ".join(patient.slides)) if patient else row


def _with_settings(row: CohortRow, others: Mapping[str, str]) -> CohortRow:
    return replace(row, other_settings=others.get(row.slide))


def _thumbnail(made: SlideFolder, embedded: bool) -> str | None:
    """Return the address of the slide's picture; a rejected slide has one of a single pixel, which counts as none."""
    file = made.file("tissue", "thumbnail.jpg")
    if not embedded:
        tissue = made.manifests.get("tissue")
        return f"../{made.slide}/tissue/{file.name}" if tissue and tissue["state"] == "done" else None
    try:
        picture = shrunk(file.read_bytes(), THUMBNAIL_PX)
    except (OSError, ValueError):
        return None
    return picture.uri if max(picture.width, picture.height) > 1 else None
