"""A trained grader that looks at the fields of a slide, and says which of them it went by."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.attention import attention_score
from pathopipe.grading.base import NOTHING_DESCRIBED, Described, Evidence, GradeResult, Parts
from pathopipe.grading.fields import LEAST_NUCLEI, Fields, fields_of
from pathopipe.grading.link import Floats
from pathopipe.grading.trained import Judgment, TrainedGrader

_SHOWN = 3
"""Fields whose attention is shown."""


class FieldGrader(TrainedGrader):
    """Grades by attention over fields; of a slide it takes a matrix (M, D), where others take a row of statistics."""

    def grade(self, nuclei: Parts | None, described: Described = NOTHING_DESCRIBED) -> GradeResult:  # noqa: ARG002
        """Grade a slide by its fields."""
        if nuclei is None:
            return self._result(reason="This grader looks at the fields of a whole slide, and does not grade a region.")
        shape = self.card.architecture
        fields = fields_of(nuclei, shape.side_um)
        values = fields.columns(shape.columns)
        if not len(values):
            return self._result(reason=self._no_field())
        if reason := self._too_little(np.where(np.isfinite(values).any(axis=0), 0.0, np.nan)):
            return self._result(reason=reason)
        judged = self.judge_fields([values])
        outside = self.places.outside(values).mean(axis=0)
        evidence = (*self._standing(judged, float(outside.mean())), *self._looked_at(fields, values))
        return self._said(judged, self._foreign(outside), evidence)

    def judge_fields(self, slides: Sequence[Floats]) -> Judgment:
        """Grade n slides by their fields (M, D) each, whatever speaks against it."""
        return self._by_score(np.array([self.attend(values)[0] for values in slides]))

    def attend(self, values: Floats) -> tuple[float, Floats]:
        """Raw score of a slide with these fields (M, D), and the share of the attention that each gets (M,)."""
        return attention_score(self.weights.tensors, self.places.scores(values))

    def are_foreign(self, slides: Sequence[Floats]) -> NDArray[np.bool_]:
        """Which of n slides, by their fields (M, D) each, are unlike those learned from."""
        return np.array([self.places.outside(values).mean() for values in slides]) > self.card.foreign

    def _no_field(self) -> str:
        return (
            f"No square of {self.card.architecture.side_um:g} µm has at least {LEAST_NUCLEI} nuclei: the slide shows "
            "too little to be graded by fields."
        )

    def _looked_at(self, fields: Fields, values: Floats) -> Iterator[Evidence]:
        """The fields that count most, and where they lie."""
        shares, side = self.attend(values)[1], self.card.architecture.side_um
        for number, place in enumerate(np.argsort(-shares, kind="stable")[:_SHOWN].tolist(), 1):
            x, y = float(fields.x_um[place]), float(fields.y_um[place])
            meaning = (
                f"share of the attention that the field at x {x:g} to {x + side:g} µm, y {y:g} to {y + side:g} µm gets "
                f"(from the slide's upper left corner); {1 / len(shares):.4g} if all {len(shares)} fields counted alike"
            )
            yield Evidence(f"field_{number}_attention", round(float(shares[place]), 4), "", meaning)
