"""What single files of the results hold, beside manifests and tables."""

from pathlib import Path
from typing import Any, Final, NotRequired

from typing_extensions import TypedDict  # pydantic wants this one up to Python 3.11

from pathopipe.results.documents import damaged, read_as, reading
from pathopipe.results.schemas.counts import ALL, REGION, TYPE, WHOLE_SLIDE
from pathopipe.results.schemas.statistics import TABLE
from pathopipe.results.tables import read_table

_THUMBNAIL_SIDE: Final = 4096
_THUMBNAIL_BYTES: Final = 2**25


class EvidenceEntry(TypedDict):
    """A number that led to a grade."""

    name: str
    value: Any
    unit: NotRequired[str]
    meaning: NotRequired[str]


class GradeFile(TypedDict):
    """Content of ``grade.json``, as `grading.base.GradeResult` writes it."""

    grader: str
    grade: str | None
    grades: list[str]
    scope: NotRequired[str]
    outside_scope: str | None
    stability: float | None
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
    return row_of_slide(path, read_statistics_rows(path))


def read_statistics_rows(path: Path) -> list[dict[str, Any]]:
    """Return all rows of ``statistics.parquet``, by column.

    Raises
    ------
    ArtifactError
        When it is missing or damaged.
    """
    rows: list[dict[str, Any]] = read_table(path, table=TABLE).to_pylist()
    return rows


def row_of_slide(path: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the row about all nuclei of the slide among all rows of a file; empty where there is none at all.

    Raises
    ------
    ArtifactError
        When there are rows, but not this one.
    """
    found = [row for row in rows if (row.get(REGION.name), row.get(TYPE.name)) == (WHOLE_SLIDE, ALL)]
    if rows and not found:
        raise damaged(path)
    return found[0] if found else {}


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
