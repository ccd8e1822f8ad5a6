"""What the nuclei that a page shows one by one are chosen by."""

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from pathopipe.jobs.job import Job
from pathopipe.jobs.nuclei import check_nuclei
from pathopipe.results.schemas.features import AT_BORDER
from pathopipe.results.schemas.features import TABLE as FEATURES
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.schemas.types import PROBABILITIES, TYPE
from pathopipe.results.schemas.types import TABLE as TYPES
from pathopipe.results.tables import numbers, read_batches


def shown_nuclei(job: Job[Any], measures: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
    """Read number, area, score, measures and how sure the type is (``p_<type>``) of all nuclei, some at a time.

    ``typed`` is whether the type is said.

    Raises
    ------
    ArtifactError
        When a table is damaged, or of another number of nuclei.
    """
    check_nuclei(job)
    outlined, measured = ["nucleus_id", "area_um2", "score"], [AT_BORDER.name, *measures]
    chances = [column.name for column in PROBABILITIES]
    tables = (
        read_batches(job.input("segment/nuclei.parquet"), outlined, NUCLEI),
        read_batches(job.input("features/features.parquet"), measured, FEATURES),
        read_batches(job.input("types/types.parquet"), [TYPE.name, *chances], TYPES),
    )
    for outlines, features, types in zip(*tables, strict=True):
        yield {
            **{name: numbers(features.column(name)) for name in measured},
            **{name: numbers(outlines.column(name)) for name in outlined},
            **{name: numbers(types.column(name)) for name in chances},
            "typed": numbers(types.column(TYPE.name).is_valid().cast("uint8")) == 1,
        }
