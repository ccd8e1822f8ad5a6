"""Stage grade: the nuclei's measurements -> a grade with probabilities, evidence and abstention."""

from pathopipe.artifacts import read_columns, write_json
from pathopipe.config import GradeSettings
from pathopipe.models.graders import Grader, GradeResult, make_grader
from pathopipe.stages.base import Job, Outcome


def run(job: Job[GradeSettings]) -> Outcome:
    """Grade a slide."""
    grader, tissue = _grader(job), job.manifest("tissue")
    quality = (*tissue["quality"], *(job.manifest("features").get("quality") or ()))
    nuclei = read_columns(job.input("features/features.parquet"), grader.columns)
    places = read_columns(job.input("segment/nuclei.parquet"), ["x_px", "y_px"])
    result = grader.grade(
        nuclei,
        places.pop("x_px") * tissue["mpp_x"],
        places.pop("y_px") * tissue["mpp_y"],
        {warning["code"]: warning["message"] for warning in quality},
    )
    write_json(job.output("grade.json"), result.to_dict())
    return Outcome(counts={"nuclei": len(nuclei[grader.columns[0]])}, model={"name": grader.name, "sha256": None})


def write_empty(job: Job[GradeSettings]) -> None:
    """Write an abstention for a slide that was rejected, with the reason why."""
    grader, reason = _grader(job), job.manifest("features")["reason"]
    result = GradeResult(grader.name, None, grader.grades, grader.scope, reason=f"The slide was rejected: {reason}")
    write_json(job.output("grade.json"), result.to_dict())


def _grader(job: Job[GradeSettings]) -> Grader:
    return make_grader(
        job.settings.grader,
        min_nuclei=job.settings.min_nuclei,
        min_share=job.settings.min_share,
        reference=job.settings.reference,
        reference_area_um2=job.settings.reference_area_um2,
    )
