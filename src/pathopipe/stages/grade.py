"""Stage grade: the nuclei's measurements -> a grade with probabilities, evidence and abstention."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pathopipe.artifacts import numbers, read_batches, write_json
from pathopipe.config import GradeSettings
from pathopipe.models.graders import Columns, Grader, GradeResult, make_grader
from pathopipe.stages.base import Job, Outcome


def run(job: Job[GradeSettings]) -> Outcome:
    """Grade a slide."""
    grader, features = _grader(job), job.manifest("features")
    quality = (*job.manifest("tissue")["quality"], *(features.get("quality") or ()))
    messages = {warning["code"]: warning["message"] for warning in quality}
    result = grader.grade(lambda names: _parts(job, names), messages)
    write_json(job.output("grade.json"), result.to_dict())
    return Outcome(counts={"nuclei": features["counts"]["nuclei"]}, model={"name": grader.name, "sha256": None})


def write_empty(job: Job[GradeSettings]) -> None:
    """Write an abstention for a slide that was rejected, with the reason why."""
    grader, reason = _grader(job), job.manifest("features")["reason"]
    result = GradeResult(grader.name, None, grader.grades, grader.scope, reason=f"The slide was rejected: {reason}")
    write_json(job.output("grade.json"), result.to_dict())


def _parts(job: Job[GradeSettings], names: Sequence[str]) -> Iterator[Columns]:
    """Columns of all nuclei, one row group at a time; places, which lie in another table, in micrometers."""
    tissue = job.manifest("tissue")
    places = {"x_um": ("x_px", tissue["mpp_x"]), "y_um": ("y_px", tissue["mpp_y"])}
    asked = {name: places[name] for name in names if name in places}
    measured = {name: (name, 1.0) for name in names if name not in places}
    sources = (("features/features.parquet", measured), ("segment/nuclei.parquet", asked))
    streams = [_columns(job.input(file), wanted) for file, wanted in sources if wanted]
    for parts in zip(*streams, strict=True):
        yield {name: values for part in parts for name, values in part.items()}


def _columns(path: Path, wanted: Mapping[str, tuple[str, float]]) -> Iterator[Columns]:
    """Columns under other names and in other units: from what they are stored as, by a factor."""
    for batch in read_batches(path, [name for name, _ in wanted.values()]):
        yield {name: numbers(batch.column(stored)) * unit for name, (stored, unit) in wanted.items()}


def _grader(job: Job[GradeSettings]) -> Grader:
    return make_grader(
        job.settings.grader,
        min_nuclei=job.settings.min_nuclei,
        min_share=job.settings.min_share,
        reference=job.settings.reference,
        reference_area_um2=job.settings.reference_area_um2,
    )
