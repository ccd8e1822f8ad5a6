"""Stage grade: the nuclei's measurements -> a grade with probabilities, evidence and abstention."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from pathopipe.caveats import ABOUT_SCOPE, stopping, warning
from pathopipe.grading.base import Columns, Grader, GradeResult, out_of_scope
from pathopipe.grading.registry import make_grader
from pathopipe.jobs.job import Job, Outcome
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.pipeline import GradeSettings
from pathopipe.results.documents import damaged, write_json
from pathopipe.results.manifests import WarningEntry, mpp_of
from pathopipe.results.names import weights_folder
from pathopipe.results.schemas.column import Column, Table
from pathopipe.results.schemas.counts import REGION, REGION_CLASS, SLIDE, TYPE, WHOLE_SLIDE
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.tables import column_kinds, column_names, count_rows, numbers, read_batches, read_table
from pathopipe.text import sentence

_TYPE: Final = "type"
_KINDS: Final = {"float": "float32", "int8": "int8"}
"""Other numbers than double precision, by Arrow's name."""
_TYPES: Final = Table((Column(_TYPE, "string", "", "", optional=True),), complete=False)


def run(job: Job[GradeSettings]) -> Outcome:
    """Grade a slide."""
    grader, about = _grader(job), job.require_sample().about
    if job.manifest("features")["counts"]["nuclei"] != job.manifest("segment")["counts"]["nuclei"]:
        raise damaged(job.input("features/manifest.json"))
    own = _scope_warnings(grader, about)
    result = grader.grade(lambda names: _parts(job, names), _described(job.input("statistics/statistics.parquet")))
    result = _withheld(result, [*_upstream_warnings(job), *own], job.settings)
    write_json(job.output("grade.json"), result.to_dict())
    return Outcome(
        counts={"nuclei": job.manifest("features")["counts"]["nuclei"]},
        model={"name": grader.name, "sha256": grader.model[0], "licence": grader.model[1]},
        details={"about": about, "quality": own},
    )


def write_empty(job: Job[GradeSettings]) -> None:
    """Write an abstention for a slide that was rejected, with the reason why."""
    grader, reason = _grader(job), job.manifest("features")["reason"]
    result = GradeResult(grader.name, None, grader.grades, grader.scope, reason=f"The slide was rejected: {reason}")
    write_json(job.output("grade.json"), result.to_dict())


def _grader(job: Job[GradeSettings]) -> Grader:
    tissue = job.manifest("tissue")
    mpp = (tissue["mpp_x"] or 0.0) + (tissue["mpp_y"] or 0.0)
    return make_grader(job.settings, weights_folder(job.results), mpp / 2 or None)


def _upstream_warnings(job: Job[GradeSettings]) -> list[WarningEntry]:
    manifests = (job.manifest(stage) for stage in ("tissue", "detect", "features"))
    return [entry for manifest in manifests for entry in manifest.get("quality") or []]


def _scope_warnings(grader: Grader, about: Mapping[str, str]) -> list[dict[str, Any]]:
    """Warn where the tissue or stain in the sheet is not what the grader is made for: the number of such columns."""
    reason = out_of_scope(grader, about)
    return [warning("out_of_scope", reason, 1, 0)] if reason else []


def _withheld(result: GradeResult, warnings: Sequence[Mapping[str, Any]], settings: GradeSettings) -> GradeResult:
    """Take back a grade that the image does not support, or that lies outside of the grader's scope."""
    outside = next((entry for entry in warnings if entry["code"] in ABOUT_SCOPE), None)
    result = replace(result, outside_scope=sentence(outside["message"]) if outside else None)
    stops = stopping(warnings, out_of_scope=settings.out_of_scope)
    if stops is None:
        return result
    remedy = " (set grade.out_of_scope to get one anyway)" if stops["code"] in ABOUT_SCOPE else ""
    return replace(result, grade=None, probabilities={}, reason=sentence(stops["message"].rstrip(".") + remedy))


def _described(path: Path) -> dict[str, dict[str, Any]]:
    """Statistics of the whole slide, by type of nuclei."""
    # Not the whole schema here either; what is not counted is a number.
    known = {column.name: column for column in (REGION, REGION_CLASS, TYPE, *SLIDE)}
    columns = tuple(known.get(name) or Column(name, "float64", "", "") for name in column_names(path))
    rows = read_table(path, table=Table(columns, complete=False)).slice(0, 1 + len(TYPES)).to_pylist()
    if rows and not known.keys() <= rows[0].keys():
        raise damaged(path)
    return {row[TYPE.name]: row for row in rows if row[REGION.name] == WHOLE_SLIDE}


def _parts(job: Job[GradeSettings], names: Sequence[str]) -> Iterator[Columns]:
    """Columns of all nuclei, one row group at a time; places, which lie in another table, in micrometers."""
    mpp = mpp_of(job.manifest("tissue"))
    places = {"x_um": ("x_px", mpp.x), "y_um": ("y_px", mpp.y)}
    asked = {name: places[name] for name in names if name in places}
    measured = {name: (name, 1.0) for name in names if name not in {*places, _TYPE}}
    # Not the whole schema: a new measure is none that a grade rests on.
    kinds = column_kinds(job.input("features/features.parquet")) if measured else {}
    known = tuple(Column(name, _KINDS.get(kinds.get(name, ""), "float64"), "", "") for name in measured)
    features = Table(known, complete=False)
    sources = (("features", "features.parquet", features, measured), ("segment", "nuclei.parquet", NUCLEI, asked))
    streams = [
        _columns(_input(job, stage, file, table), wanted, table) for stage, file, table, wanted in sources if wanted
    ]
    if _TYPE in names:
        streams.append(_types(_input(job, "types", "types.parquet", _TYPES)))
    for parts in zip(*streams, strict=True):
        yield {name: values for part in parts for name, values in part.items()}


def _input(job: Job[GradeSettings], stage: str, file: str, table: Table) -> Path:
    """Path of a table that has a row for every nucleus."""
    path = job.input(f"{stage}/{file}")
    if count_rows(path, table) != job.manifest(stage)["counts"]["nuclei"]:
        raise damaged(path)
    return path


def _types(path: Path) -> Iterator[Columns]:
    """What nuclei are, as places in `TYPES`; -1 where that is not known."""
    places = {name: place for place, name in enumerate(TYPES)}
    for batch in read_batches(path, ["type"], _TYPES):
        names = batch.column("type").to_pylist()
        if not set(names) <= {*places, None}:
            raise damaged(path)
        yield {_TYPE: np.array([places.get(name, -1) for name in names], np.float64)}


def _columns(path: Path, wanted: Mapping[str, tuple[str, float]], table: Table) -> Iterator[Columns]:
    """Columns under other names and in other units: from what they are stored as, by a factor."""
    for batch in read_batches(path, [name for name, _ in wanted.values()], table):
        yield {name: numbers(batch.column(stored)) * unit for name, (stored, unit) in wanted.items()}
