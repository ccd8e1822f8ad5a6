"""Measures, places and types of nuclei that a job reads, from the tables of several stages, one row group at a time."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pathopipe.jobs.job import Job
from pathopipe.results.documents import damaged
from pathopipe.results.nuclei import TYPED, Columns, nuclei_columns
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.tables import ANY, column_kinds, count_rows

_TYPED: Final = "types/types.parquet"


def check_nuclei(job: Job[Any]) -> None:
    """Check that all tables of nuclei have as many rows as there are outlines, also those that nobody will read.

    Raises
    ------
    ArtifactError
        When one is damaged, or of another number of nuclei.
    """
    wanted = job.manifest("segment")["counts"]["nuclei"]
    for name, table in (("features/features.parquet", ANY), ("segment/nuclei.parquet", NUCLEI), (_TYPED, TYPED)):
        if count_rows(job.input(name), table) != wanted:
            raise damaged(job.input(name))


def measures_of(job: Job[Any]) -> list[str]:
    """Names of what was measured of the nuclei."""
    return list(column_kinds(job.input("features/features.parquet")))


def nuclei_of(job: Job[Any], names: Sequence[str]) -> Iterator[Columns]:
    """Columns of all nuclei, see `results.nuclei.nuclei_columns`."""
    return nuclei_columns(job.input, job.manifest, names)
