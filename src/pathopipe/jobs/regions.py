"""Regions that a job reads: the tissue, what of it cannot be trusted, and what a person drew."""

from typing import Any

import shapely

from pathopipe.errors import RefusalError
from pathopipe.jobs.job import Job
from pathopipe.ops.regions import Origin, Region, from_geojson, origin_of, parse_regions
from pathopipe.results.documents import read_json, reading
from pathopipe.results.tissue import read_tissue


def tissue_polygons(job: Job[Any]) -> list[shapely.Polygon]:
    """The tissue that `tissue` found, in level-0 pixels."""
    return read_tissue(job.input("tissue/tissue.geojson"), job.manifest("tissue"))


def sound_polygons(job: Job[Any]) -> list[shapely.Polygon]:
    """The tissue that `quality` left, in level-0 pixels."""
    return read_tissue(job.input("quality/sound.geojson"), job.manifest("tissue"))


def doubtful_areas(job: Job[Any]) -> list[tuple[str, shapely.Polygon]]:
    """The areas of the quality map in level-0 pixels, each with its kind, whether it was left out or not.

    Raises
    ------
    ArtifactError
        When the map is missing or damaged.
    """
    path, bounds = job.input("quality/quality.geojson"), job.manifest("tissue")["slide_info"]["bounds"]
    content = read_json(path)
    with reading(path):
        return [
            (str(feature["properties"]["classification"]["name"]), polygon)
            for feature in content["features"]
            for polygon in from_geojson(feature, origin_of(bounds))
        ]


def drawn_regions(job: Job[Any], origin: Origin) -> list[Region]:
    """The regions of the column ``roi`` of the sample sheet; none where it is empty.

    Raises
    ------
    RefusalError
        When the file is not GeoJSON of polygons.
    """
    path = job.require_sample().roi
    if path is None:
        return []
    try:
        return parse_regions(path.read_text(encoding="utf-8"), origin)
    except ValueError as error:
        raise RefusalError(str(error), path=path, called="the roi") from None
