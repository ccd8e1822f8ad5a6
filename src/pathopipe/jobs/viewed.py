"""What the viewer of a slide's page shows, read by the job that writes the page."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from pathopipe.jobs.job import Job
from pathopipe.jobs.nuclei import measures_of, nuclei_of
from pathopipe.jobs.pixels import open_slide_of
from pathopipe.jobs.regions import drawn_regions, sound_polygons
from pathopipe.ops.regions import origin_of
from pathopipe.pipeline import ReportSettings
from pathopipe.reporting.heat import influence_limit
from pathopipe.reporting.overview import Overview
from pathopipe.reporting.pictures import color_table, two_sided
from pathopipe.results.documents import read_json, reading
from pathopipe.results.heat_map import Square, read_heat_map
from pathopipe.results.outlines import unpack_outlines
from pathopipe.results.schemas.features import AT_BORDER, MEASURES
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.schemas.tiles import TABLE as TILES
from pathopipe.results.tables import numbers, read_batches, read_columns
from pathopipe.text import count, number
from pathopipe.units import Grid
from pathopipe.viewer.document import Document, Room, View, document
from pathopipe.viewer.layers import Layer, geojson_layer, outline_layer
from pathopipe.viewer.nuclei import Part, gather
from pathopipe.viewer.quadtree import Bounds

ReportJob = Job[ReportSettings]
_RAMP = np.linspace(64, 255, 256).round().astype(int)
"""Of the color table: darker ones could not be seen on nuclei."""
_DRAWN = (
    (False, "regions", "Regions that were drawn", "#ffb000"),
    (True, "ignored", "Areas that were left out by hand", "#fe6100"),
)
"""Colors of lines by the IBM design library, told apart in all kinds of color vision."""


@dataclass(frozen=True)
class Shown:
    """What the page shows beside the viewer: the slide in small, and rectangles in level-0 pixels."""

    overview: Overview
    places: Sequence[Bounds]


def viewed(job: ReportJob, shown: Shown, size: int) -> Document:
    """Pack what the viewer shows; ``size`` is that of the rest of the page, in bytes."""
    settings, tissue = job.settings, sound_polygons(job)
    columns, known = {column.name: column for column in MEASURES}, measures_of(job)
    names = [name for name in dict.fromkeys(settings.measures) if name in columns and name in known]
    grid = Grid(**job.manifest("segment")["grid"])
    nuclei = gather(_parts(job, names, grid), grid, len(names))
    with open_slide_of(job) as slide:
        view = View(
            slide=slide,
            tissue=sum(polygon.area for polygon in tissue) / (slide.width_px * slide.height_px),
            grid=grid,
            nuclei=nuclei,
            measures=tuple(columns[name] for name in names),
            layers=tuple(_layers(job, shown.overview, tissue)),
            places=tuple(shown.places),
            colors=tuple(map(_css, color_table()[_RAMP])),
        )
        return document(view, settings.outlines, Room(1e6 * settings.max_mb - size))


def _parts(job: ReportJob, names: Sequence[str], grid: Grid) -> Iterator[Part]:
    """All nuclei, a row group at a time."""
    path = job.input("segment/nuclei.parquet")
    measured = nuclei_of(job, [*names, AT_BORDER.name, "type"])
    for batch, columns in zip(read_batches(path, ["x_px", "y_px", "geometry"], NUCLEI), measured, strict=True):
        x, y = (numbers(batch.column(name)) for name in ("x_px", "y_px"))
        outlines = unpack_outlines(path, batch.column("geometry"), grid)
        values = np.array([columns[name] for name in names]).reshape(len(names), len(x))
        yield Part(x, y, *outlines, columns["type"], columns[AT_BORDER.name] != 0, values)


def _layers(job: ReportJob, overview: Overview, tissue: Sequence[shapely.Polygon]) -> Iterator[Layer]:
    yield outline_layer("tissue", "Tissue that was analyzed", tissue, shown=True)
    yield from _drawn_layers(job)
    if (quality := _quality_layer(job)).polygons:
        yield quality
    yield outline_layer("tiles", "Tiles of the analysis", _tiles(job), color="#8a93a3")
    if overview.density:
        title = "Nuclear density"
        keys = ((_css(color_table()[0]), "0"), (_css(color_table()[-1]), f"{number(overview.density_maximum)} per mm²"))
        extent = overview.density_extent_px
        yield Layer("density", title, picture=overview.density.data, extent_px=extent, keys=keys)
    squares = read_heat_map(job.input("grade/heatmap.geojson"), job.manifest("tissue"))
    if influence_limit(squares):
        yield _heat_layer(squares)


def _drawn_layers(job: ReportJob) -> Iterator[Layer]:
    """Regions that a person drew, and what they left out."""
    bounds = job.manifest("tissue")["slide_info"]["bounds"]
    regions = drawn_regions(job, origin_of(bounds))
    for ignored, name, title, color in _DRAWN:
        chosen = [region for region in regions if region.ignored == ignored]
        polygons = [polygon for region in chosen for polygon in region.polygons]
        labels = [region.name or region.kind for region in chosen for _ in region.polygons]
        if polygons:
            yield outline_layer(name, title, polygons, labels, color=color, shown=True)


def _quality_layer(job: ReportJob) -> Layer:
    """What of the tissue cannot be trusted."""
    path, bounds = job.input("quality/quality.geojson"), job.manifest("tissue")["slide_info"]["bounds"]
    content = read_json(path)
    with reading(path):
        return geojson_layer("quality", "Quality map", content, origin_of(bounds))


def _tiles(job: ReportJob) -> list[shapely.Polygon]:
    names = ("x_px", "y_px", "width_px", "height_px")
    found = read_columns(job.input("tiles/tiles.parquet"), names, TILES)
    x, y, width, height = (found[name] for name in names)
    return list(shapely.box(x, y, x + width, y + height))


def _heat_layer(squares: Sequence[Square]) -> Layer:
    """What the nuclei of each square contribute to the score of the grade."""
    limit = influence_limit(squares)
    paint = functools.partial(two_sided, limit=limit)
    colors = paint(np.array([square.influence for square in squares]))
    boxes = [shapely.box(one.x_px, one.y_px, one.x_px + one.width_px, one.y_px + one.height_px) for one in squares]
    labels = [_influence(one) for one in squares]
    low, high = (_css(color) for color in paint(np.array([-limit, limit])))
    keys = ((low, "lowers the score"), ("#ffffff", "no influence"), (high, "raises the score"))
    return Layer("heat", "Heat map of the grade", boxes, [*map(_css, colors)], labels, filled=True, keys=keys)


def _influence(square: Square) -> str:
    """What the nuclei of a square do to the score, in words."""
    does = "raises" if square.influence > 0 else "lowers"
    nuclei = "1 nucleus" if square.nuclei == 1 else f"{count(square.nuclei)} nuclei"
    return f"{does} the score by {number(abs(square.influence), 2)}, {nuclei}"


def _css(color: np.ndarray) -> str:
    red, green, blue = color[:3].tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
