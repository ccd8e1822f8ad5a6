"""Stage grade: the nuclei's measurements -> a grade with probabilities, evidence and abstention."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pathopipe.caveats import ABOUT_SCOPE, stopping, warning
from pathopipe.grading.base import Grader, GradeResult, out_of_scope
from pathopipe.grading.registry import make_grader
from pathopipe.jobs.job import Job, Outcome
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.pipeline import GradeSettings
from pathopipe.results.documents import damaged, write_json
from pathopipe.results.manifests import WarningEntry
from pathopipe.results.names import weights_folder
from pathopipe.results.nuclei import nuclei_columns
from pathopipe.results.schemas.column import Column, Table
from pathopipe.results.schemas.counts import REGION, REGION_CLASS, SLIDE, TYPE, WHOLE_SLIDE
from pathopipe.results.tables import column_names, read_table
from pathopipe.text import sentence


def run(job: Job[GradeSettings]) -> Outcome:
    """Grade a slide."""
    grader, about = _grader(job), job.require_sample().about
    if job.manifest("features")["counts"]["nuclei"] != job.manifest("segment")["counts"]["nuclei"]:
        raise damaged(job.input("features/manifest.json"))
    own = _scope_warnings(grader, about)
    result = grader.grade(
        lambda names: nuclei_columns(job.input, job.manifest, names),
        _described(job.input("statistics/statistics.parquet")),
    )
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
