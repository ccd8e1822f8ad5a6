"""A grader made by hand, whose score is a weighted sum of statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pathopipe.grading.base import NOTHING_DESCRIBED, Described, Evidence, GradeResult, Parts

WEIGHTS = {
    ("all", "area_um2_mean"): 0.02,
    ("all", "area_um2_sd"): 0.05,
    ("all", "area_um2_p90"): 0.01,
    ("all", "circularity_iqr"): 2.0,
    ("all", "hematoxylin_mean_cv"): -1.0,
    ("all", "area_um2_skew"): 0.1,
}


@dataclass(frozen=True)
class LinearGrader:
    """Grade 2 above the limit, 1 below; None where a statistic is missing."""

    weights: Mapping[tuple[str, str], float] = field(default_factory=lambda: dict(WEIGHTS))
    limit: float = 2.0
    name: str = "linear"
    grades: tuple[str, ...] = ("1", "2")
    scope: str = "Made for tests."
    made_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    stains: tuple[str, ...] = ("native",)
    model: tuple[str | None, str | None] = (None, None)

    def score(self, described: Described) -> float | None:
        values = [described.get(group, {}).get(column) for group, column in self.weights]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        return sum(weight * value for weight, value in zip(self.weights.values(), known, strict=True))

    def grade(self, nuclei: Parts | None, described: Described = NOTHING_DESCRIBED) -> GradeResult:
        score = self.score(described)
        if score is None:
            return GradeResult(self.name, None, self.grades, self.scope, reason="A statistic is missing.")
        grade = self.grades[score > self.limit]
        return GradeResult(
            self.name,
            grade,
            self.grades,
            self.scope,
            {name: 0.8 if name == grade else 0.2 for name in self.grades},
            evidence=(Evidence("score", score, "", "weighted sum", (self.limit,)),),
            shares_of="Made up.",
            calibrated=True,
            score=score,
            limits=(self.limit,),
            prediction_set=(grade,),
            coverage=0.9,
            figures={"quadratic_kappa": (0.5, 0.4, None)},
            card="Made by hand.",
        )

    def slope(self, described: Described) -> Mapping[tuple[str, str], float]:
        return self.weights
