"""Addresses of what lies near a slide's page, as long as the page lies in its results folder."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pathopipe.pipeline import COHORT


@dataclass(frozen=True)
class StageFile:
    """A file of the slide's results: its address from the page, its name, and what it holds."""

    name: str
    words: str

    @property
    def href(self) -> str:
        """Its address."""
        return f"../{self.name}"


STAGE_FILES: Final = (
    StageFile("statistics/statistics.parquet", "all statistics, a row per region and type of nuclei"),
    StageFile("features/features.parquet", "all measures, a row per nucleus"),
    StageFile("types/types.parquet", "types of nuclei with their probabilities"),
    StageFile("segment/nuclei.parquet", "outlines and places of nuclei (GeoParquet)"),
    StageFile("tissue/tissue.geojson", "outline of the tissue that was found, for QuPath"),
    StageFile("quality/sound.geojson", "outline of the analyzed tissue, for QuPath"),
    StageFile("quality/quality.geojson", "tissue that cannot be trusted, by kind, for QuPath"),
    StageFile("grade/heatmap.geojson", "squares with their influence on the score, for QuPath"),
    StageFile("grade/grade.json", "the grade with everything behind it"),
)


def cohort_link(slide: str) -> str:
    """Address of the cohort's page, which searches its table for the slide."""
    quoted = quote(f'"{slide}"', safe="")
    return f"../../{COHORT.name}/index.html#q={quoted}"
