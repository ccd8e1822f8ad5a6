"""Regions that a job reads from the results of earlier stages."""

from typing import Any

import shapely

from pathopipe.jobs.job import Job
from pathopipe.results.tissue import read_tissue


def tissue_polygons(job: Job[Any]) -> list[shapely.Polygon]:
    """The tissue that `tissue` found, in level-0 pixels."""
    return read_tissue(job.input("tissue/tissue.geojson"), job.manifest("tissue"))
