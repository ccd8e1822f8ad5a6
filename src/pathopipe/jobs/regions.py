"""Regions that a job reads from the results of earlier stages."""

from typing import Any

import shapely

from pathopipe.jobs.job import Job
from pathopipe.ops.regions import from_geojson, origin_of
from pathopipe.results.documents import read_json


def tissue_polygons(job: Job[Any]) -> list[shapely.Polygon]:
    """The tissue that `tissue` found, in level-0 pixels."""
    bounds = job.manifest("tissue")["slide_info"]["bounds"]
    return from_geojson(read_json(job.input("tissue/tissue.geojson")), origin_of(bounds))
