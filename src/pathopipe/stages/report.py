"""The page of one slide: from the artifacts of all stages, and pixels of the few regions that it shows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from pathopipe import text
from pathopipe.errors import SlideRejectedError
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.pixels import open_slide_of
from pathopipe.jobs.shown_nuclei import chosen_nuclei, gather_nuclei
from pathopipe.jobs.surveyed import bare_overview, doubts, fields, overview, survey
from pathopipe.jobs.viewed import Shown, viewed
from pathopipe.pipeline import STAGES, ReportSettings
from pathopipe.record import MANIFEST
from pathopipe.reporting import manifests as reported
from pathopipe.reporting import measures
from pathopipe.reporting.distribution import distribution
from pathopipe.reporting.grade_file import grade_of
from pathopipe.reporting.slide_crate import write_slide_crate
from pathopipe.reporting.slide_page import Histogram, Rejection, SlidePage, render_slide, with_data
from pathopipe.reporting.statistics_rows import pack_rows
from pathopipe.reporting.views import field_of_view, show_galleries
from pathopipe.results.contents import read_grade, read_parts, read_statistics, read_values
from pathopipe.results.manifests import Manifest, read_manifest
from pathopipe.results.schemas.features import AT_BORDER, CUT_OFF, term_of
from pathopipe.results.schemas.features import TABLE as FEATURES
from pathopipe.results.schemas.statistics import KINDS
from pathopipe.results.tables import column_names, read_columns
from pathopipe.viewer.document import Room
from pathopipe.viewer.packing import scripts

ReportJob = Job[ReportSettings]
_OF_PAGE: Final = 0.1
"""Share of the page that rows of statistics may take."""
Manifests = Mapping[str, Manifest]


def run(job: ReportJob) -> Outcome:
    """Write the page of a slide, whatever its state."""
    manifests = _manifests(job)
    rejected = reported.rejection(manifests)
    page = None
    if rejected is None:
        try:
            page = _page(job, manifests)
        except SlideRejectedError as error:
            rejected = Rejection(reported.stage_title("report"), text.sentence(str(error)))
    if page is None:
        assert rejected is not None  # noqa: S101 - one of the two is there
        return _write_rejected(job, manifests, rejected)
    content = render_slide(page)
    seen = viewed(job, _shown(page), len(content) + page.other_rows.size)
    job.output("report.html").write_bytes(with_data(content, scripts((*seen.blocks, *page.other_rows.blocks))))
    shown = sum(len(gallery.crops) for gallery in page.galleries)
    return Outcome({"fields": len(page.fields), "gallery": shown, "outlines": seen.outlined})


def _shown(page: SlidePage) -> Shown:
    """What the page shows of the slide: fields that drive the grade come first in the viewer."""
    assert page.overview is not None  # noqa: S101 - every slide that was analyzed has one
    order = ("raises", "lowers", "largest", "typical", "densest", "worst", "whole", "further")
    windows = sorted((field.window for field in page.fields), key=lambda window: order.index(window.kind))
    places = [(one.x_px, one.y_px, one.x_px + one.width_px, one.y_px + one.height_px) for one in windows]
    return Shown(page.overview, places)


def write_empty(job: ReportJob) -> None:
    """Write the page of a rejected slide."""
    manifests = _manifests(job)
    rejected = reported.rejection(manifests) or Rejection(reported.stage_title("report"), "The slide was rejected.")
    _write_rejected(job, manifests, rejected)


def describe(job: ReportJob) -> None:
    """Write the RO-Crate of the slide's folder, from the finished draft of this stage."""
    manifests = _manifests(job) | {job.stage: read_manifest(job.draft / MANIFEST, job.stage)}
    write_slide_crate(job.results / job.slide, job.draft, manifests)


def _manifests(job: ReportJob) -> dict[str, Manifest]:
    return {stage: job.manifest(stage) for stage in STAGES[job.stage].upstream}


def _write_rejected(job: ReportJob, manifests: Manifests, rejected: Rejection) -> Outcome:
    page = SlidePage(
        slide=job.slide,
        facts=reported.slide_facts(manifests["tissue"]),
        rejection=rejected,
        warnings=reported.warnings(manifests),
        overview=bare_overview(job, manifests["tissue"]),
        records=reported.stage_records(
            {name: told_by for name, told_by in manifests.items() if told_by["state"] == "done"}
        ),
        versions=reported.version_facts(manifests),
        identity=reported.identity_facts(manifests["tissue"]),
    )
    job.output("report.html").write_bytes(render_slide(page))
    reason = next((entry["reason"] for entry in manifests.values() if entry["state"] == "rejected"), rejected.reason)
    return Outcome({}, details={"state": "rejected", "reason": reason})


def _page(job: ReportJob, manifests: Manifests) -> SlidePage:
    tissue = manifests["tissue"]
    path = job.input("statistics/statistics.parquet")
    row, grade = read_statistics(path), read_grade(job.input("grade/grade.json"))
    parts = read_parts(path, [*dict.fromkeys([*measures.PART_COLUMNS, *measures.median_columns(column_names(path))])])
    with open_slide_of(job) as slide:
        found = survey(job, slide)
        windows = fields(slide, found, job.settings.fields)
        chosen = chosen_nuclei(job, row, grade)
        nuclei = gather_nuclei(job, windows, chosen)
        views = tuple(field_of_view(slide, window, nuclei, doubts(found, window)) for window in windows)
        galleries, crop_um = show_galleries(slide, nuclei, chosen)
        small = overview(job, slide, found, windows)
    return SlidePage(
        slide=job.slide,
        facts=reported.slide_facts(tissue),
        methods=(
            *reported.mpp_facts(manifests["features"]),
            *reported.stain_facts(manifests["features"]),
            *reported.nuclei_facts(manifests["detect"], manifests["segment"]),
            *reported.type_facts(manifests["types"], manifests["segment"]),
        ),
        warnings=reported.warnings(manifests),
        grade=grade_of(grade),
        key_figures=measures.key_figures(row),
        overview=small,
        fields=views,
        galleries=galleries,
        crop_um=crop_um,
        histograms=tuple(_histograms(job)),
        **_tables(job, row, parts),
        records=reported.stage_records(manifests),
        versions=reported.version_facts(manifests),
        identity=reported.identity_facts(tissue),
        viewer=True,
    )


def _tables(job: ReportJob, row: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the tables of statistics; those of other rows than the first take a tenth of the page at most."""
    path, compared, there = job.input("statistics/statistics.parquet"), measures.compared_rows(parts), len(parts) - 1
    names, places = [name for name in column_names(path) if name in KINDS], measures.shown_parts(parts)[1:]
    values = read_values(path, names, places)
    known = {name for name, column in zip(names, values.T, strict=True) if np.isfinite(column).any()}
    groups, singles = measures.statistics_groups(row, compared, known), measures.single_groups(row, known)
    at = {name: place for place, name in enumerate(names)}
    values = np.column_stack([values, np.full(len(values), np.nan)])  # last: what the table does not have
    order = [at.get(name, -1) for name in measures.page_columns(groups, singles)]
    room = Room(_OF_PAGE * 1e6 * job.settings.max_mb)
    return {
        "statistics_columns": measures.statistics_columns(),
        "statistics": groups,
        "singles": singles,
        "other_rows": pack_rows(measures.other_rows(parts, places), values[:, order], room, there),
        "parts_columns": measures.parts_columns(),
        "parts": measures.parts_rows(parts),
        "compared": measures.compared_columns(compared),
    }


def _histograms(job: ReportJob) -> Iterator[Histogram]:
    """Read one measure at a time: a million nuclei are eight megabytes."""
    path = job.input("features/features.parquet")
    for name in measures.SHOWN_AS_HISTOGRAM:
        if name in CUT_OFF:
            found = read_columns(path, [name, AT_BORDER.name], FEATURES)
            column = found[name][found[AT_BORDER.name] == 0]
        else:
            column = read_columns(path, [name], FEATURES)[name]
        data = distribution(column, overwrite=True)
        if data is not None:
            yield Histogram(term_of(name), data)
