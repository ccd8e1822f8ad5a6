"""Stage tissue: what the slide is, where its tissue lies, and whether the image is good enough."""

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import SlideRejectedError
from pathopipe.identity import full_sha256
from pathopipe.inspection.guards import check_background, image_warnings, no_tissue
from pathopipe.inspection.windows import choose_windows, read_windows
from pathopipe.jobs.job import Job, Outcome, damage_warning
from pathopipe.jobs.pixels import open_slide_of
from pathopipe.jobs.regions import drawn_regions
from pathopipe.ops.regions import (
    Bins,
    Region,
    origin_of,
    polygons_cover,
    to_geojson,
)
from pathopipe.ops.scan import blockiness, middle_sharpness, noise
from pathopipe.ops.stain import estimate_stains
from pathopipe.ops.tissue import TissueView, find_tissue, looks_dark, sharpness
from pathopipe.pipeline import TissueSettings
from pathopipe.results.documents import write_json
from pathopipe.results.tissue import outline_tissue
from pathopipe.slide import Slide
from pathopipe.slide.backend import MAX_DAMAGED_SHARE
from pathopipe.units import Grid, Mpp

_CELL_UM = 8.0
_VIEW_WINDOW = 64
_THUMBNAIL_SIDE = 1024
_SAMPLE_MPP = 0.5
_SAMPLE_SIDE = 256
_MAX_SAMPLES = 48
_MAX_NATIVE = 16
_LEAST_UM2 = 100.0
_LEAST_SIDE_UM = 4.0
_MOST_MM2 = 16_000.0  # a whole mount of 6 x 4 inches has 15,500

RGB = NDArray[np.uint8]


def run(job: Job[TissueSettings]) -> Outcome:
    """Find tissue and describe the slide."""
    with open_slide_of(job) as slide:
        known = _slide_details(slide)
        try:
            return _describe(job, slide, known)
        except SlideRejectedError as error:
            error.details |= known
            raise


def _describe(job: Job[TissueSettings], slide: Slide, known: dict[str, Any]) -> Outcome:
    """Find tissue; what is found out on the way is added to ``known``."""
    known |= _mpp_details(slide.mpp)
    _check_extent(slide)
    grid = slide.grid(_CELL_UM, covering=True)
    bins = Bins(grid.width, grid.height, grid.factor_x, grid.factor_y, grid.pixel_um2)
    view = _view(slide, grid, job)
    _damaged_share(slide)
    tissue = _find(view, grid, slide, job)
    size = slide.width_px, slide.height_px
    outlines, tissue_mm2 = outline_tissue(tissue.tissue, bins, size, slide.backend.bounds)
    write_json(job.output("tissue.geojson"), outlines)
    _write_thumbnail(job.output("thumbnail.jpg"), _thumbnail(slide, view, grid))
    del view
    samples = list(read_windows(slide, tissue.tissue, bins, _SAMPLE_MPP, _SAMPLE_SIDE, _MAX_SAMPLES))
    sharp = [sharpness(sample) for sample in samples]
    scan = _scan_details(slide, tissue, bins, sharp)
    damaged = _damaged_share(slide)
    stains = estimate_stains(np.concatenate([sample.reshape(-1, 3)[::7] for sample in samples]))
    found = {
        "tissue_mm2": tissue_mm2,
        "bins": vars(bins),
        "stain": stains.to_dict(),
        "scan": scan,
        "quality": [*image_warnings(slide, samples, sharp, stains, tissue), *damage_warning(damaged, "slide")],
        "sha256": full_sha256(slide.path),
    }
    return Outcome(counts={"samples": len(samples)}, details=known | found)


def _check_extent(slide: Slide) -> None:
    """Reject what is smaller than a nucleus, and what is larger than any slide: its view would take all memory."""
    width_um, height_um = slide.width_px * slide.mpp.x, slide.height_px * slide.mpp.y
    if width_um * height_um < _LEAST_UM2 or min(width_um, height_um) < _LEAST_SIDE_UM:
        raise SlideRejectedError(
            f"the image is {slide.width_px} x {slide.height_px} pixels large, {width_um:.3g} x {height_um:.3g} µm: too "
            "small to show nuclei"
        )
    if width_um * height_um > _MOST_MM2 * 1e6:
        raise SlideRejectedError(
            f"the image would cover {width_um / 1e3:.0f} x {height_um / 1e3:.0f} mm, more than a slide: check "
            "the mpp, and copy or export the file again"
        )


def write_empty(job: Job[TissueSettings]) -> None:
    """No tissue, and a thumbnail of one white pixel."""
    write_json(job.output("tissue.geojson"), to_geojson([], [], origin_of(None)))
    _write_thumbnail(job.output("thumbnail.jpg"), np.full((1, 1, 3), 255, np.uint8))


def _view(slide: Slide, grid: Grid, job: Job[TissueSettings]) -> RGB:
    view = np.empty((grid.height, grid.width, 3), np.uint8)
    total = grid.height * grid.width
    for x, y, pixels in slide.windows(grid, _VIEW_WINDOW):
        view[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
        job.progress.update(y * grid.width + x * pixels.shape[0], total, "bins")
    return view


def _find(view: RGB, grid: Grid, slide: Slide, job: Job[TissueSettings]) -> TissueView:
    if looks_dark(view):
        raise SlideRejectedError("the image is dark as in fluorescence: only brightfield slides can be analyzed")
    check_background(view)
    bin_um = math.sqrt(grid.pixel_um2)
    found = find_tissue(view, bin_um, job.settings.min_area_mm2, job.settings.margin_um)
    if not found.tissue.any():
        raise SlideRejectedError(no_tissue(view, bin_um, job.settings))
    regions = drawn_regions(job, origin_of(slide.backend.bounds))
    bins = Bins(grid.width, grid.height, grid.factor_x, grid.factor_y, grid.pixel_um2)
    inside = found.tissue & _wanted(regions, bins) if regions else found.tissue
    if not inside.any():
        raise SlideRejectedError("there is no tissue within the regions of the column 'roi'")
    return TissueView(inside, found.pen_share, found.glass)


def _wanted(regions: list[Region], bins: Bins) -> NDArray[np.bool_]:
    """Mask of the bins that lie in a region, if any is to be analyzed, and in none that is to be ignored."""
    wanted, ignored = (
        [polygon for region in regions if region.ignored == left_out for polygon in region.polygons]
        for left_out in (False, True)
    )
    mask = polygons_cover(wanted, bins) if wanted else np.ones((bins.height, bins.width), np.bool_)
    return mask & ~polygons_cover(ignored, bins) if ignored else mask


def _thumbnail(slide: Slide, view: RGB, grid: Grid) -> RGB:
    """At most 1024 pixels a side: from the view where that is large enough, else read again."""
    if max(view.shape[:2]) < _THUMBNAIL_SIDE:
        extent_um = max(grid.width * grid.mpp_x, grid.height * grid.mpp_y)
        fine = slide.grid(max(extent_um / _THUMBNAIL_SIDE, slide.mpp.x, slide.mpp.y))
        view = np.empty((fine.height, fine.width, 3), np.uint8)
        for x, y, pixels in slide.windows(fine, 4 * _VIEW_WINDOW):
            view[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    scale = min(1.0, _THUMBNAIL_SIDE / max(view.shape[:2]))
    size = (max(1, round(view.shape[1] * scale)), max(1, round(view.shape[0] * scale)))
    return np.asarray(cv2.resize(view, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write_thumbnail(path: Path, pixels: RGB) -> None:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
    path.write_bytes(data.tobytes())


def _damaged_share(slide: Slide) -> float:
    """Share of the slide that could not be read so far; too much of it is a rejection."""
    share = slide.damaged_px / (slide.width_px * slide.height_px)
    if share > MAX_DAMAGED_SHARE:
        raise SlideRejectedError(str(slide.damage))
    return share


def _scan_details(slide: Slide, tissue: TissueView, bins: Bins, sharp: list[float]) -> dict[str, Any]:
    """What the scanner left in the image; noise and blocks are measured on a few windows at the slide's resolution."""
    stored = slide.stored_grid
    places = choose_windows(stored, tissue.tissue, bins, _SAMPLE_SIDE, _MAX_NATIVE)
    windows = [slide.read(stored, *place) for place in places]
    known = {"noise": noise(windows), "blockiness": blockiness(windows), "sharpness": middle_sharpness(sharp)}
    rounded = {name: None if value is None else round(value, 4) for name, value in known.items()}
    return {"glass": None if tissue.glass is None else list(tissue.glass), **rounded}


def _mpp_details(mpp: Mpp) -> dict[str, Any]:
    return {"mpp_x": mpp.x, "mpp_y": mpp.y, "mpp_source": mpp.source}


def _slide_details(slide: Slide) -> dict[str, Any]:
    return {
        "slide_info": {
            "width": slide.width_px,
            "height": slide.height_px,
            "levels": sum(level.scale == 1 for level in slide.backend.levels),
            "format": slide.backend.format,
            "bounds": list(slide.backend.bounds) if slide.backend.bounds else None,
        }
    }
