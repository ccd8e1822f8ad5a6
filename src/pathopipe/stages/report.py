"""The page of one slide: from the artifacts of all stages, and pixels of the few regions that it shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from pathopipe import text
from pathopipe.errors import SlideRejectedError
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.pixels import open_slide_of
from pathopipe.jobs.regions import sound_polygons, tissue_polygons
from pathopipe.jobs.shown_nuclei import chosen_nuclei, gather_nuclei
from pathopipe.jobs.viewed import Shown, viewed
from pathopipe.pipeline import STAGES, ReportSettings
from pathopipe.record import MANIFEST
from pathopipe.reporting import bins as grids
from pathopipe.reporting import manifests as reported
from pathopipe.reporting import measures, pictures
from pathopipe.reporting.distribution import distribution
from pathopipe.reporting.grade_file import grade_of
from pathopipe.reporting.heat import influence_limit, paint
from pathopipe.reporting.overview import Overview, QualityLayer
from pathopipe.reporting.slide_crate import write_slide_crate
from pathopipe.reporting.slide_page import Histogram, Rejection, SlidePage, render_slide, with_data
from pathopipe.reporting.views import field_of_view, show_galleries
from pathopipe.results.contents import read_grade, read_parts, read_statistics, read_thumbnail
from pathopipe.results.heat_map import Square, read_heat_map
from pathopipe.results.manifests import Manifest, read_manifest
from pathopipe.results.quality import legend_of, read_picture
from pathopipe.results.schemas.features import AT_BORDER, CUT_OFF, term_of
from pathopipe.results.schemas.features import TABLE as FEATURES
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.tables import column_names, numbers, read_batches, read_columns
from pathopipe.viewer.packing import scripts

if TYPE_CHECKING:
    from pathopipe.slide import Slide

FIELD_UM = (320.0, 240.0)
WHOLE = 1.25
"""An image at most this much larger than a field is shown as a whole."""

ReportJob = Job[ReportSettings]
Rings = tuple[NDArray[np.float64], ...]
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
    seen = viewed(job, _shown(page), len(content))
    job.output("report.html").write_bytes(with_data(content, scripts(seen.blocks)))
    shown = sum(len(gallery.crops) for gallery in page.galleries)
    return Outcome({"fields": len(page.fields), "gallery": shown, "outlines": seen.outlined})


def _shown(page: SlidePage) -> Shown:
    """What the page shows of the slide: fields that drive the grade come first in the viewer."""
    assert page.overview is not None  # noqa: S101 - every slide that was analyzed has one
    order = ("raises", "lowers", "largest", "typical", "densest", "whole", "further")
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
        overview=_bare_overview(job, manifests["tissue"]),
        records=reported.stage_records(
            {name: told_by for name, told_by in manifests.items() if told_by["state"] == "done"}
        ),
        versions=reported.version_facts(manifests),
        identity=reported.identity_facts(manifests["tissue"]),
    )
    job.output("report.html").write_bytes(render_slide(page))
    reason = next((entry["reason"] for entry in manifests.values() if entry["state"] == "rejected"), rejected.reason)
    return Outcome({}, details={"state": "rejected", "reason": reason})


def _bare_overview(job: ReportJob, tissue: Manifest) -> Overview | None:
    """Return the thumbnail of a slide that was rejected after it could be looked at."""
    info, mpp = tissue.get("slide_info"), tissue["mpp_x"]
    thumbnail = pictures.existing_jpeg(read_thumbnail(job.input("tissue/thumbnail.jpg")))
    if not info or not mpp or max(thumbnail.width, thumbnail.height) <= 1:
        return None
    rings = _rings(tissue_polygons(job))
    return Overview(thumbnail, info["width"], info["height"], mpp, rings, quality=_quality(job))


def _page(job: ReportJob, manifests: Manifests) -> SlidePage:
    tissue = manifests["tissue"]
    path = job.input("statistics/statistics.parquet")
    row, grade = read_statistics(path), read_grade(job.input("grade/grade.json"))
    parts = read_parts(path, [*dict.fromkeys([*measures.PART_COLUMNS, *measures.median_columns(column_names(path))])])
    compared = measures.compared_rows(parts)
    with open_slide_of(job) as slide:
        survey, rings = _survey(job, slide), _rings(sound_polygons(job))
        windows = _windows(survey, slide, rings, job.settings.fields)
        squares = read_heat_map(job.input("grade/heatmap.geojson"), tissue)
        windows += _driving(squares, slide) if windows and windows[0].kind != "whole" else []
        chosen = chosen_nuclei(job, row, grade)
        nuclei = gather_nuclei(job, windows, chosen)
        fields = tuple(field_of_view(slide, window, nuclei) for window in windows)
        galleries, crop_um = show_galleries(slide, nuclei, chosen)
        overview = _overview(job, slide, survey, rings, windows, squares)
    return SlidePage(
        slide=job.slide,
        facts=reported.slide_facts(tissue),
        methods=(
            *reported.mpp_facts(manifests["features"]),
            *reported.nuclei_facts(manifests["detect"], manifests["segment"]),
            *reported.type_facts(manifests["types"], manifests["segment"]),
        ),
        warnings=reported.warnings(manifests),
        grade=grade_of(grade),
        key_figures=measures.key_figures(row),
        overview=overview,
        fields=fields,
        galleries=galleries,
        crop_um=crop_um,
        histograms=tuple(_histograms(job)),
        statistics_columns=measures.statistics_columns(),
        statistics=measures.statistics_groups(row, compared),
        spatial=measures.spatial_rows(row),
        parts_columns=measures.parts_columns(),
        parts=measures.parts_rows(parts),
        compared=measures.compared_columns(compared),
        records=reported.stage_records(manifests),
        versions=reported.version_facts(manifests),
        identity=reported.identity_facts(tissue),
        viewer=True,
    )


@dataclass(frozen=True)
class _Survey:
    """What one pass over all nuclei gives: a fine grid for the density map, and one of half fields."""

    fine: grids.BinCounts
    coarse: grids.BinCounts
    scale: grids.DensityScale


def _survey(job: ReportJob, slide: "Slide") -> _Survey:
    mpp, size = slide.mpp, (slide.width_px, slide.height_px)
    scale = grids.density_scale(max(size[0] * mpp.x, size[1] * mpp.y))
    fine = grids.BinCounts(*size, scale.bin_um / mpp.x, scale.bin_um / mpp.y)
    coarse = grids.BinCounts(*size, FIELD_UM[0] / 2 / mpp.x, FIELD_UM[1] / 2 / mpp.y)
    for batch in read_batches(job.input("segment/nuclei.parquet"), ["x_px", "y_px", "area_um2"], NUCLEI):
        x, y, area = (numbers(batch.column(name)) for name in ("x_px", "y_px", "area_um2"))
        fine.add(x, y, area)
        coarse.add(x, y, area)
    return _Survey(fine, coarse, scale)


def _windows(survey: _Survey, slide: "Slide", rings: Rings, wanted: int) -> list[grids.Window]:
    size = (float(slide.width_px), float(slide.height_px))
    if size[0] <= WHOLE * FIELD_UM[0] / slide.mpp.x and size[1] <= WHOLE * FIELD_UM[1] / slide.mpp.y:
        return [grids.Window("whole", 0.0, 0.0, *size)][:wanted]
    return grids.choose_windows(survey.coarse, grids.tissue_share(list(rings), survey.coarse), size, wanted)


def _driving(squares: Sequence[Square], slide: "Slide") -> list[grids.Window]:
    """Return the squares that raise and that lower the score most."""
    sized = [square for square in squares if square.width_px * slide.mpp.x <= FIELD_UM[0]]
    ends = (("raises", max), ("lowers", min))
    chosen = ((kind, end(sized, key=lambda square: square.influence)) for kind, end in ends if sized)
    return [
        grids.Window(kind, square.x_px, square.y_px, square.width_px, square.height_px)
        for kind, square in chosen
        if (square.influence > 0) == (kind == "raises")
    ]


def _overview(
    job: ReportJob,
    slide: "Slide",
    survey: _Survey,
    rings: Rings,
    windows: list[grids.Window],
    squares: Sequence[Square],
) -> Overview:
    fine, scale = survey.fine, survey.scale
    share = grids.tissue_share(list(rings), fine)
    density = grids.density(fine.counts, share, (scale.bin_um / 1000) ** 2, scale.sigma_um / scale.bin_um)
    maximum = float(np.nanmax(density)) if np.isfinite(density).any() else 0.0
    thumbnail = pictures.existing_jpeg(read_thumbnail(job.input("tissue/thumbnail.jpg")))
    limit = influence_limit(squares)
    size, whole = (thumbnail.width, thumbnail.height), (slide.width_px, slide.height_px)
    return Overview(
        thumbnail=thumbnail,
        width_px=slide.width_px,
        height_px=slide.height_px,
        mpp=slide.mpp.x,
        tissue_px=rings,
        windows=tuple(windows),
        density=pictures.png(pictures.heat(density, maximum)) if maximum > 0 else None,
        density_extent_px=(fine.columns * fine.bin_x_px, fine.rows * fine.bin_y_px),
        density_maximum=maximum,
        influence=paint(squares, size, whole, limit) if limit else None,
        influence_limit=limit,
        quality=_quality(job),
    )


def _quality(job: ReportJob) -> QualityLayer | None:
    """Return the quality map, where something was found; and the shares of the tissue."""
    shares = {name: share for name, share in job.manifest("quality").get("shares", {}).items() if share > 0}
    if not shares:
        return None
    data, width, height = read_picture(job.input("quality/quality.png"))
    return QualityLayer(pictures.Picture(data, "image/png", width, height), legend_of(shares))


def _rings(polygons: Sequence[shapely.Polygon]) -> Rings:
    rings = (ring for polygon in polygons for ring in (polygon.exterior, *polygon.interiors))
    return tuple(np.asarray(ring.coords, np.float64) for ring in rings)


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
