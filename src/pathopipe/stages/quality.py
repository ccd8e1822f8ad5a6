"""Stage quality: a map of the tissue that cannot be trusted, and the tissue that is left.

It never rejects a slide: where nothing is left, `tiles` does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.caveats import warning
from pathopipe.inspection.compression import SIDE, strongly_compressed
from pathopipe.inspection.quality_rules import Rules
from pathopipe.inspection.quality_survey import IN_CELL, survey
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.pixels import open_slide_of
from pathopipe.jobs.regions import tissue_polygons
from pathopipe.models.quality.shipped import load
from pathopipe.models.weights import Tensors
from pathopipe.ops.quality.areas import ARTIFACTS, BLUR_STEP_UM, NUMBERS, sound_bins, tidy
from pathopipe.ops.regions import Bins, origin_of, polygons_to_mask, to_geojson
from pathopipe.pipeline import QualitySettings
from pathopipe.results.documents import write_json
from pathopipe.results.quality import Map, areas_of, picture_of
from pathopipe.results.tissue import outline_tissue
from pathopipe.slide import Slide
from pathopipe.units import Grid

_CELL_UM: Final = 8.0
_LEAST_SIDE_UM: Final = 200.0
"""Smaller fields get no map: a bin is judged by 100 µm around it."""
_COARSEST_UM: Final = 1.1
"""Coarser pixels don't tell whether tissue is in focus."""
_WORTH_SAYING: Final = 0.05

QualityJob = Job[QualitySettings]
Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Found:
    """Numbers of artifacts and blur of bins of 4 µm, (H, W) each; colors and tissue on bins twice as wide."""

    labels: Labels
    blur: Labels
    colors: Labels
    tissue: Mask
    grid: Grid

    @property
    def cells(self) -> Bins:
        """The bins of the tissue."""
        return Bins(self.grid.width, self.grid.height, self.grid.factor_x, self.grid.factor_y, self.grid.pixel_um2)

    @property
    def map(self) -> Map:
        """What the areas are made of."""
        fine = self.grid.refined(IN_CELL)
        bins = Bins(fine.width, fine.height, fine.factor_x, fine.factor_y, fine.pixel_um2)
        return Map(self.labels, self.blur, self.colors, bins)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the tissue that each artifact covers."""
        counts = np.bincount(self.labels.ravel(), minlength=len(ARTIFACTS) + 1)
        total = max(1, int(np.count_nonzero(self.tissue))) * IN_CELL**2
        return {name: round(int(counts[NUMBERS[name]]) / total, 6) for name in ARTIFACTS}

    @property
    def blur_um(self) -> float | None:
        """Median blur of the tissue; None where it could not be judged."""
        counts = np.bincount(self.blur.ravel(), minlength=256)[1:]
        if not counts.any():
            return None
        return round((int(np.searchsorted(counts.cumsum(), counts.sum() / 2)) + 1) * BLUR_STEP_UM, 2)


def run(job: QualityJob) -> Outcome:
    """Map a slide."""
    weights, info = load(), job.manifest("tissue")["slide_info"]
    with open_slide_of(job) as slide:
        found = _look(job, slide, weights.tensors)
    exclude, bounds = job.settings.exclude, info["bounds"]
    sound = sound_bins(found.labels, found.tissue, exclude, job.settings.min_area_um2 / found.grid.pixel_um2)
    outlines, sound_mm2 = outline_tissue(sound, found.cells, (info["width"], info["height"]), bounds)
    write_json(job.output("sound.geojson"), outlines)
    write_json(job.output("quality.geojson"), areas_of(found.map, bounds, exclude))
    job.output("quality.png").write_bytes(picture_of(found.labels))
    unfit = 1 - np.count_nonzero(sound) / np.count_nonzero(found.tissue)
    return Outcome(
        counts={"bins": int(np.count_nonzero(found.tissue)) * IN_CELL**2},
        model={"name": weights.card.name, "sha256": weights.sha256, "licence": weights.card.licence},
        details={
            "sound_mm2": sound_mm2,
            "unfit_share": round(unfit, 6),
            "shares": found.shares,
            "blur_um": found.blur_um,
            "quality": list(_warnings(job.settings, found, unfit)),
        },
    )


def write_empty(job: QualityJob) -> None:
    """Write no areas, and a picture of one transparent pixel."""
    for name in ("quality.geojson", "sound.geojson"):
        write_json(job.output(name), to_geojson([], [], origin_of(None)))
    job.output("quality.png").write_bytes(picture_of(np.zeros((1, 1), np.uint8)))


def _look(job: QualityJob, slide: Slide, tensors: Tensors) -> _Found:
    """Look at all tissue, and make areas of what its bins are called."""
    grid = slide.grid(_CELL_UM, covering=True)
    tissue = polygons_to_mask(tissue_polygons(job), Bins(**job.manifest("tissue")["bins"]))
    labels, blur = np.zeros((2, tissue.shape[0] * IN_CELL, tissue.shape[1] * IN_CELL), np.uint8)
    colors = np.zeros((*tissue.shape, 3), np.uint8)
    rules = Rules(tensors, job.settings, max(slide.mpp.x, slide.mpp.y) <= _COARSEST_UM)
    for part in survey(slide, grid, tissue, rules, job.workers):
        _put(labels, part.labels, part.row, part.column)
        _put(blur, part.blur, part.row, part.column)
        _put(colors, part.colors, part.row // IN_CELL, part.column // IN_CELL)
        job.progress.update(part.row, len(labels), "rows")
    if min(slide.width_px * slide.mpp.x, slide.height_px * slide.mpp.y) < _LEAST_SIDE_UM:
        labels[:] = 0
    else:
        _tidy(labels, tissue, job.settings.min_area_um2 / grid.pixel_um2 * IN_CELL**2)
        _add_compressed(labels, tissue, strongly_compressed(slide, grid, tissue, job.workers))
    return _Found(labels, blur, colors, tissue, grid)


def _put(whole: Labels, part: Labels, row: int, column: int) -> None:
    whole[row : row + part.shape[0], column : column + part.shape[1]] = part


def _add_compressed(labels: Labels, tissue: Mask, squares: Mask) -> None:
    """Name the tissue of squares, in place, where it has no other name."""
    for row, column in np.argwhere(squares):
        top, left = (int(index) * SIDE for index in (row, column))
        own = tissue[top : top + SIDE, left : left + SIDE].repeat(IN_CELL, axis=0).repeat(IN_CELL, axis=1)
        part = labels[IN_CELL * top : IN_CELL * top + len(own), IN_CELL * left : IN_CELL * left + own.shape[1]]
        part[own & (part == 0)] = NUMBERS["JPEG blocks"]


def _tidy(labels: Labels, tissue: Mask, least: float) -> None:
    """Make areas, in place, one piece of tissue after the other: arrays are as large as a piece."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(tissue.view(np.uint8), connectivity=8)
    for number, (left, top, width, height) in enumerate(stats[1:, :4].tolist(), 1):
        own = pieces[top : top + height, left : left + width] == number
        own = own.repeat(IN_CELL, axis=0).repeat(IN_CELL, axis=1)
        part = labels[top * IN_CELL : (top + height) * IN_CELL, left * IN_CELL : (left + width) * IN_CELL]
        part[own] = tidy(np.where(own, part, 0).astype(np.uint8), own, least)[own]


def _warnings(settings: QualitySettings, found: _Found, unfit: float) -> Iterator[dict[str, Any]]:
    """Say what is left out, and that there is no grade where it is most of the tissue."""
    parts = {name: share for name, share in found.shares.items() if name in settings.exclude and share >= _WORTH_SAYING}
    named = ", ".join(f"{name} {share:.0%}" for name, share in parts.items())
    if unfit > settings.max_unfit:
        text = f"most of the tissue ({unfit:.0%}) is not fit to be measured and is left out: {named}"
        yield warning("mostly_unfit", text, unfit, settings.max_unfit)
    elif unfit > _WORTH_SAYING:
        text = f"{unfit:.0%} of the tissue is not fit to be measured and is left out{named and ': ' + named}"
        yield warning("unfit", text, unfit, _WORTH_SAYING)
    blur = found.blur_um
    if not found.labels.any() and blur is not None and blur > settings.max_blur_um:
        text = f"the tissue is blurred as by a Gaussian of {blur:.1f} µm"
        yield warning("out_of_focus", text, blur, settings.max_blur_um)
