"""Stage grade: the nuclei's measurements -> a grade with probabilities, evidence and abstention.

Also the grades of regions, and what drives the grade: a heat map, and the strongest fields and nuclei.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from pathopipe.caveats import ABOUT_SCOPE, stopping, warning
from pathopipe.grading.base import Described, Grader, GradeResult, out_of_scope
from pathopipe.grading.registry import make_grader
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.nuclei import check_nuclei, measures_of, nuclei_of
from pathopipe.ops.heat_map import HeatMap, heat_map
from pathopipe.ops.influence import Coverage, score_influence
from pathopipe.ops.resampling import squares
from pathopipe.pipeline import GradeSettings
from pathopipe.results.described import described_slide
from pathopipe.results.documents import damaged, write_json
from pathopipe.results.grade_parts import DriversEntry, RegionEntry
from pathopipe.results.heat_map import Square, heat_map_of, rounded, squares_of
from pathopipe.results.manifests import Manifest, WarningEntry, mpp_of, nuclei_given
from pathopipe.results.names import weights_folder
from pathopipe.text import sentence

_SQUARE_UM: Final = 250.0
_FIELDS, _NUCLEI, _LEFT_OUT = 5, 20, 20
_NO_DRIVERS: Final = DriversEntry(side_um=None, covered=None, left_out=[], fields=[], nuclei=[])

_GIVEN: Final = (
    "The nuclei of this slide were given in the sample sheet: sizes and shapes of nuclei differ from one detector or "
    "person to another, and the grader may have learned from those of another one."
)

GradeJob = Job[GradeSettings]


def run(job: GradeJob) -> Outcome:
    """Grade a slide and its regions, and say what drives the grade."""
    grader, about = _grader(job), job.require_sample().about
    if job.manifest("features")["counts"]["nuclei"] != job.manifest("segment")["counts"]["nuclei"]:
        raise damaged(job.input("features/manifest.json"))
    check_nuclei(job)
    own = [*_scope_warnings(grader, about), *_stain_warnings(grader, job.manifest("features"))]
    warnings = [*_upstream_warnings(job), *own]
    described, others = described_slide(job.input("statistics/statistics.parquet"), grader.regions)
    result = _withheld(grader.grade(partial(nuclei_of, job), described), warnings, job.settings)
    regions = {name: _region(result) for name, result in _graded_regions(job, grader, others, warnings)}
    found, drivers = _drivers(job, grader.slope(described) if result.grade is not None else {}, described)
    result = replace(result, scope=_scope(grader, about, given=nuclei_given(job.manifest("segment"))))
    write_json(job.output("heatmap.geojson"), heat_map_of(found, job.manifest("tissue")))
    write_json(job.output("grade.json"), result.to_dict() | {"regions": regions, "drivers": drivers})
    return Outcome(
        counts={"nuclei": job.manifest("features")["counts"]["nuclei"]},
        model={"name": grader.name, "sha256": grader.model[0], "licence": grader.model[1]},
        details={"about": about, "quality": own},
    )


def write_empty(job: GradeJob) -> None:
    """Write an abstention for a slide that was rejected, with the reason why."""
    grader, reason = _grader(job), job.manifest("features")["reason"]
    result = GradeResult(grader.name, None, grader.grades, grader.scope, reason=f"The slide was rejected: {reason}")
    write_json(job.output("heatmap.geojson"), heat_map_of([], job.manifest("tissue")))
    write_json(job.output("grade.json"), result.to_dict() | {"regions": {}, "drivers": _NO_DRIVERS})


def _graded_regions(
    job: GradeJob, grader: Grader, regions: Iterable[tuple[str, Described]], warnings: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, GradeResult]]:
    """Grade each region by its statistics; what stops the grade of the slide stops theirs."""
    for name, described in regions:
        yield name, _withheld(grader.grade(None, described), warnings, job.settings)


def _region(result: GradeResult) -> RegionEntry:
    chosen = result.prediction_set
    return RegionEntry(
        grade=result.grade,
        score=result.score,
        probabilities=result.probabilities,
        prediction_set=None if chosen is None else list(chosen),
        reason=result.reason,
    )


def _drivers(
    job: GradeJob, slope: Mapping[tuple[str, str], float], described: Described
) -> tuple[list[Square], DriversEntry]:
    """Return the squares of the heat map, none where the score has no slope, and what stands out of them."""
    if not slope:
        return [], _NO_DRIVERS
    nuclei, whole_only = partial(nuclei_of, job), job.manifest("statistics")["whole_only"]
    influence = score_influence(nuclei, slope, described, measures_of(job), whole_only)
    if not influence.terms:
        return [], _named([], None, influence.coverage)

    def points() -> Iterator[tuple[Any, Any]]:
        return ((part["x_um"], part["y_um"]) for part in nuclei(["x_um", "y_um"]))

    heat = heat_map(influence.parts(), points(), *squares(points, _SQUARE_UM), _NUCLEI)
    found = squares_of(heat, job.manifest("tissue"))
    return found, _named(found, heat, influence.coverage)


def _named(found: Sequence[Square], heat: HeatMap | None, coverage: Coverage) -> DriversEntry:
    """Name the fields and nuclei that contribute most, whatever the sign."""
    strongest = zip(heat.strongest.tolist(), heat.of_strongest.tolist(), strict=True) if heat else ()
    return DriversEntry(
        side_um=heat.side_um if heat else None,
        covered=round(coverage.share, 4),
        left_out=[": ".join(key) for key in coverage.left_out[:_LEFT_OUT]],
        fields=[vars(found[place]) for place in heat.order()[:_FIELDS]] if heat else [],
        nuclei=[{"nucleus_id": number, "influence": rounded(value)} for number, value in strongest],
    )


def _grader(job: GradeJob) -> Grader:
    tissue = job.manifest("tissue")
    mpp = mpp_of(tissue).mean if tissue["state"] == "done" else None
    return make_grader(job.settings, weights_folder(job.results), mpp)


def _scope(grader: Grader, about: Mapping[str, str], *, given: bool) -> str:
    """What the grader is made for, whether that could be checked, and whether it knows such nuclei."""
    parts = [grader.scope]
    if unsaid := [name for name in grader.made_for if name not in about]:
        parts.append(f"The sample sheet states no {' and no '.join(unsaid)}, so that the scope was not checked.")
    return " ".join([*parts, _GIVEN] if given else parts)


def _upstream_warnings(job: GradeJob) -> list[WarningEntry]:
    manifests = (job.manifest(stage) for stage in ("tissue", "quality", "detect", "features"))
    return [entry for manifest in manifests for entry in manifest.get("quality") or []]


def _scope_warnings(grader: Grader, about: Mapping[str, str]) -> list[dict[str, Any]]:
    """Warn where the tissue or stain in the sheet is not what the grader is made for: the number of such columns."""
    reason = out_of_scope(grader, about)
    return [warning("out_of_scope", reason, 1, 0)] if reason else []


def _stain_warnings(grader: Grader, features: Manifest) -> list[dict[str, Any]]:
    """Warn where the grader learned from measures that were made with another setting of ``features.stain``."""
    measured = features["stain"]["measured"]
    if measured in grader.stains:
        return []
    text = (
        f"the measures were made with {measured} stain, but the grader learned from {grader.stains[0]} ones: set "
        f"features.stain={grader.stains[0]}"
    )
    return [warning("other_stain", text, 1, 0)]


def _withheld(result: GradeResult, warnings: Sequence[Mapping[str, Any]], settings: GradeSettings) -> GradeResult:
    """Take back a grade that the image does not support, or that lies outside of the grader's scope."""
    outside = next((entry for entry in warnings if entry["code"] in ABOUT_SCOPE), None)
    result = replace(result, outside_scope=sentence(outside["message"]) if outside else None)
    stops = stopping(warnings, out_of_scope=settings.out_of_scope)
    if stops is None:
        return result
    remedy = " (set grade.out_of_scope to get one anyway)" if stops["code"] in ABOUT_SCOPE else ""
    reason = sentence(stops["message"].rstrip(".") + remedy)
    taken = replace(result, grade=None, probabilities={}, score=None, prediction_set=None, coverage=None)
    return replace(taken, references=None, reason=reason)
