"""The nuclei that a page shows close up: which ones, and their outlines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathopipe.jobs.job import Job
from pathopipe.jobs.nuclei import check_nuclei
from pathopipe.pipeline import ReportSettings
from pathopipe.reporting.bins import Window
from pathopipe.reporting.gallery import TYPICAL_BY, Chosen, choose, driving
from pathopipe.reporting.views import Nuclei, near
from pathopipe.results.contents import GradeFile
from pathopipe.results.documents import damaged
from pathopipe.results.outlines import unpack_outlines
from pathopipe.results.schemas.features import AT_BORDER
from pathopipe.results.schemas.features import TABLE as FEATURES
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.schemas.types import PROBABILITIES, TYPE
from pathopipe.results.schemas.types import TABLE as TYPES
from pathopipe.results.tables import numbers, read_batches
from pathopipe.units import Grid


def chosen_nuclei(job: Job[ReportSettings], row: Mapping[str, Any], grade: GradeFile) -> tuple[Chosen, ...]:
    """Choose the nuclei of the galleries: first those that drive the grade, then by what they are like.

    Parameters
    ----------
    row
        Statistics of the whole slide, by column.

    Raises
    ------
    ArtifactError
        When a table is damaged or of another number of nuclei, or the grade names a nucleus that there is not.
    """
    drivers, wanted = grade.get("drivers"), job.settings.gallery
    strongest = drivers["nuclei"] if drivers else []
    if any(not 0 <= entry["nucleus_id"] < job.manifest("segment")["counts"]["nuclei"] for entry in strongest):
        raise damaged(job.input("grade/grade.json"))
    found = {name: tuple(row.get(f"{name}_{at}") for at in ("p25", "p50", "p75")) for name in TYPICAL_BY}
    quartiles = {name: values for name, values in found.items() if None not in values}
    return (*driving(strongest, wanted), *choose(_compared(job, TYPICAL_BY[1:]), quartiles, wanted))


def _compared(job: Job[ReportSettings], measures: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
    """Read number, area, score, measures and how sure the type is (``p_<type>``) of all nuclei, some at a time.

    ``typed`` is whether the type is said.
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


def gather_nuclei(job: Job[ReportSettings], windows: Sequence[Window], galleries: Sequence[Chosen]) -> Nuclei:
    """Read the nuclei of the windows and of the galleries, one row group of the table at a time.

    Raises
    ------
    ArtifactError
        When the table is damaged.
    """
    names = ("nucleus_id", "x_px", "y_px", "area_um2")
    shown = np.array([number for gallery in galleries for number in gallery.ids], np.int64)
    parts: list[tuple[NDArray[Any], ...]] = []
    path, grid = job.input("segment/nuclei.parquet"), Grid(**job.manifest("segment")["grid"])
    for batch in read_batches(path, [*names, "geometry"], NUCLEI):
        ids, x, y, area = (numbers(batch.column(name)) for name in names)
        wanted = np.isin(ids, shown)
        for window in windows:
            wanted |= near(window, x, y)
        rows = np.flatnonzero(wanted)
        stored = batch.column("geometry")
        geometry = np.array([stored[row].as_py() for row in rows.tolist()], dtype=object)
        unpack_outlines(path, geometry, grid)  # only to know that they are sound
        parts.append((ids[rows], x[rows], y[rows], area[rows], geometry))
    return Nuclei(*(np.concatenate(column) for column in zip(*parts, strict=True)))
