"""The whole slide in small, and the fields that its page shows, read by the job that writes the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from pathopipe.jobs.job import Job
from pathopipe.jobs.regions import doubtful_areas, sound_polygons, tissue_polygons
from pathopipe.pipeline import ReportSettings
from pathopipe.reporting import bins as grids
from pathopipe.reporting import pictures
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.heat import influence_limit, paint
from pathopipe.reporting.overview import Overview, QualityLayer
from pathopipe.results.contents import read_thumbnail
from pathopipe.results.heat_map import Square, read_heat_map
from pathopipe.results.manifests import Manifest
from pathopipe.results.quality import legend_of, read_picture
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.tables import numbers, read_batches
from pathopipe.text import percent

if TYPE_CHECKING:
    from pathopipe.slide import Slide

FIELD_UM = (320.0, 240.0)
WHOLE = 1.25
"""An image at most this much larger than a field is shown as a whole."""

ReportJob = Job[ReportSettings]
Rings = tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class Survey:
    """What one pass over all nuclei gives: a fine grid for the density map, and one of half fields; and the tissue.

    ``rings`` are those of the analyzed tissue in level-0 pixels, ``squares`` the heat map of the grade, ``doubtful``
    the areas of the quality map with their kinds.
    """

    fine: grids.BinCounts
    coarse: grids.BinCounts
    scale: grids.DensityScale
    rings: Rings
    squares: Sequence[Square]
    doubtful: Sequence[tuple[str, shapely.Polygon]] = ()


def survey(job: ReportJob, slide: "Slide") -> Survey:
    """Count the nuclei of a slide by place, and read where tissue is and what drives the grade.

    Raises
    ------
    ArtifactError
        When a file is damaged.
    """
    mpp, size = slide.mpp, (slide.width_px, slide.height_px)
    scale = grids.density_scale(max(size[0] * mpp.x, size[1] * mpp.y))
    fine = grids.BinCounts(*size, scale.bin_um / mpp.x, scale.bin_um / mpp.y)
    coarse = grids.BinCounts(*size, FIELD_UM[0] / 2 / mpp.x, FIELD_UM[1] / 2 / mpp.y)
    for batch in read_batches(job.input("segment/nuclei.parquet"), ["x_px", "y_px", "area_um2"], NUCLEI):
        x, y, area = (numbers(batch.column(name)) for name in ("x_px", "y_px", "area_um2"))
        fine.add(x, y, area)
        coarse.add(x, y, area)
    squares = read_heat_map(job.input("grade/heatmap.geojson"), job.manifest("tissue"))
    return Survey(fine, coarse, scale, _rings(sound_polygons(job)), squares, doubtful_areas(job))


def fields(slide: "Slide", found: Survey, wanted: int) -> list[grids.Window]:
    """Choose ``wanted`` fields of view, those that drive the grade, and that of the worst quality.

    A small image is one field.
    """
    size = (float(slide.width_px), float(slide.height_px))
    if size[0] <= WHOLE * FIELD_UM[0] / slide.mpp.x and size[1] <= WHOLE * FIELD_UM[1] / slide.mpp.y:
        return [grids.Window("whole", 0.0, 0.0, *size)][:wanted]
    share = grids.tissue_share(list(found.rings), found.coarse)
    chosen = grids.choose_windows(found.coarse, share, size, wanted)
    return [*chosen, *_driving(found.squares, slide), *_worst(found, size)] if chosen else []


def doubts(found: Survey, window: grids.Window) -> list[Fact]:
    """Say how much of a field cannot be trusted, by kind; nothing where all of it can be."""
    x, y = window.x_px, window.y_px
    box = shapely.box(x, y, x + window.width_px, y + window.height_px)
    shares = dict[str, float]()
    for kind, area in found.doubtful:
        shares[kind] = shares.get(kind, 0.0) + float(area.intersection(box).area / box.area)
    words = ", ".join(f"{kind} {percent(share)}" for kind, share in shares.items() if share > 0)
    return [Fact("Not to be trusted", words)] if words else []


def _driving(squares: Sequence[Square], slide: "Slide") -> list[grids.Window]:
    """Return the squares that raise and that lower the score most."""
    sized = [square for square in squares if square.width_px * slide.mpp.x <= FIELD_UM[0]]
    ends = (("raises", 1), ("lowers", -1))
    chosen = ((kind, sign, max(sized, key=lambda square: sign * square.influence)) for kind, sign in ends if sized)
    return [
        grids.Window(kind, square.x_px, square.y_px, square.width_px, square.height_px)
        for kind, sign, square in chosen
        if sign * square.influence > 0
    ]


def _worst(found: Survey, size: tuple[float, float]) -> list[grids.Window]:
    """Return the field of the worst quality; none where nothing was found."""
    share = grids.tissue_share(list(_rings([area for _, area in found.doubtful])), found.coarse)
    window = grids.worst_window(found.coarse, share, size)
    return [window] if window else []


def overview(job: ReportJob, slide: "Slide", found: Survey, windows: Sequence[grids.Window]) -> Overview:
    """Make the slide in small, with what is drawn over it; ``windows`` are marked."""
    fine, scale = found.fine, found.scale
    share = grids.tissue_share(list(found.rings), fine)
    density = grids.density(fine.counts, share, (scale.bin_um / 1000) ** 2, scale.sigma_um / scale.bin_um)
    maximum = float(np.nanmax(density)) if np.isfinite(density).any() else 0.0
    thumbnail = pictures.existing_jpeg(read_thumbnail(job.input("tissue/thumbnail.jpg")))
    limit = influence_limit(found.squares)
    size, whole = (thumbnail.width, thumbnail.height), (slide.width_px, slide.height_px)
    return Overview(
        thumbnail=thumbnail,
        width_px=slide.width_px,
        height_px=slide.height_px,
        mpp=slide.mpp.x,
        tissue_px=found.rings,
        windows=tuple(windows),
        density=pictures.png(pictures.heat(density, maximum)) if maximum > 0 else None,
        density_extent_px=(fine.columns * fine.bin_x_px, fine.rows * fine.bin_y_px),
        density_maximum=maximum,
        influence=paint(found.squares, size, whole, limit) if limit else None,
        influence_limit=limit,
        quality=_quality(job),
    )


def bare_overview(job: ReportJob, tissue: Manifest) -> Overview | None:
    """Return the thumbnail of a slide that was rejected after it could be looked at."""
    info, mpp = tissue.get("slide_info"), tissue["mpp_x"]
    thumbnail = pictures.existing_jpeg(read_thumbnail(job.input("tissue/thumbnail.jpg")))
    if not info or not mpp or max(thumbnail.width, thumbnail.height) <= 1:
        return None
    rings = _rings(tissue_polygons(job))
    return Overview(thumbnail, info["width"], info["height"], mpp, rings, quality=_quality(job))


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
