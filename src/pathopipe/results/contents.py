"""What single files of the results hold, beside manifests and tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NotRequired

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic wants this one up to Python 3.11

from pathopipe.results.documents import damaged, read_as, reading
from pathopipe.results.grade_parts import DriversEntry, ReferencesEntry, RegionEntry
from pathopipe.results.schemas.counts import ALL, REGION, TYPE, WHOLE_SLIDE
from pathopipe.results.schemas.statistics import TABLE
from pathopipe.results.tables import numbers, read_batches, read_table

Floats = NDArray[np.float64]
_THUMBNAIL_SIDE: Final = 4096
_THUMBNAIL_BYTES: Final = 2**25


class EvidenceEntry(TypedDict):
    """A number that led to a grade."""

    name: str
    value: Any
    unit: NotRequired[str]
    meaning: NotRequired[str]
    limits: NotRequired[list[float]]
    to_limit: NotRequired[float | None]


class NotAssessedEntry(TypedDict):
    """An item of a grading protocol that was not looked at, and why."""

    item: str
    reason: str


class FigureEntry(TypedDict):
    """How well a grader does, by its card: a figure and its interval."""

    value: float
    low: float | None
    high: float | None


class GradeFile(TypedDict):
    """Content of ``grade.json``: what `grading.base.GradeResult` writes, and what the stage adds to it."""

    grader: str
    grade: str | None
    grades: list[str]
    scope: NotRequired[str]
    outside_scope: str | None
    stability: float | None
    score: NotRequired[float | None]
    limits: NotRequired[list[float]]
    prediction_set: NotRequired[list[str] | None]
    coverage: NotRequired[float | None]
    not_assessed: NotRequired[list[NotAssessedEntry]]
    figures: NotRequired[dict[str, FigureEntry]]
    card: NotRequired[str]
    references: NotRequired[ReferencesEntry | None]
    regions: NotRequired[dict[str, RegionEntry]]
    drivers: NotRequired[DriversEntry]
    probabilities: dict[str, float]
    probabilities_are: str
    probabilities_calibrated: bool
    abstained: bool
    reason: str | None
    evidence: list[EvidenceEntry]
    research_use_only: bool


def read_grade(path: Path) -> GradeFile:
    """Read ``grade.json``.

    Raises
    ------
    ArtifactError
        When it is missing or damaged.
    """
    return read_as(path, GradeFile)


def read_statistics(path: Path) -> dict[str, Any]:
    """Return the row of ``statistics.parquet`` about all nuclei of the slide, by column; empty for a rejected slide.

    Raises
    ------
    ArtifactError
        When it is missing or damaged.
    """
    first = read_table(path, table=TABLE).slice(0, 1).to_pylist()
    if first and (first[0].get(REGION.name), first[0].get(TYPE.name)) != (WHOLE_SLIDE, ALL):
        raise damaged(path)
    return first[0] if first else {}


def read_parts(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return some columns of all rows of ``statistics.parquet``, with region and type.

    Raises
    ------
    ArtifactError
        When it is missing or damaged.
    """
    rows: list[dict[str, Any]] = read_table(path, [REGION.name, TYPE.name, *columns], TABLE).to_pylist()
    return rows


def read_values(path: Path, columns: Sequence[str], rows: Sequence[int]) -> Floats:
    """Return numbers (rows, columns) of some rows of ``statistics.parquet``, nan where there is none.

    Rows are named by their places, in ascending order.

    Raises
    ------
    ArtifactError
        When it is missing or damaged.
    """
    found, start = list[Floats](), 0
    for batch in read_batches(path, [*columns], TABLE):
        here = [row - start for row in rows if start <= row < start + len(batch)]
        parts = [np.asarray(numbers(batch.column(name)), np.float64)[here] for name in columns]
        found.append(np.reshape(parts, (len(columns), len(here))).T)
        start += len(batch)
    return np.concatenate(found)


def read_thumbnail(path: Path) -> bytes:
    """Return the picture in ``thumbnail.jpg``, which can be decoded.

    Raises
    ------
    ArtifactError
        When it is missing or damaged, or much larger than any that `tissue` writes.
    """
    import simplejpeg

    with reading(path), path.open("rb") as stream:
        data = stream.read(_THUMBNAIL_BYTES)
        if max(simplejpeg.decode_jpeg_header(data)[:2]) > _THUMBNAIL_SIDE:
            raise ValueError("too large")
        simplejpeg.decode_jpeg(data)
    return data
