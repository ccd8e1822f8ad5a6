"""From slides with known grades to a grader, without a look at how good it is: that is `nested`'s."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pathopipe.config import reported
from pathopipe.errors import RefusalError
from pathopipe.grading.card import GraderCard, GraderShape, Kind
from pathopipe.grading.field_grader import FieldGrader
from pathopipe.grading.fields import SIDE_UM
from pathopipe.grading.link import nominal_probabilities, ordinal_probabilities
from pathopipe.grading.predictors import Places, quantiles_of, range_of
from pathopipe.grading.trained import Judgment, TrainedGrader
from pathopipe.models.weights import Loaded
from pathopipe.pipeline import STATISTICS
from pathopipe.training.grade.boosting import boost
from pathopipe.training.grade.calibration import Link, link, mix, nonconformity
from pathopipe.training.grade.cohort import Cohort
from pathopipe.training.grade.field_cohort import foreign_share
from pathopipe.training.grade.folds import folds_of
from pathopipe.training.grade.ridge import see, stack

LEVELS: Final = 41
"""Quantiles that are kept of each column, at most."""
_FOLDS: Final = 5
_MOST_FOREIGN: Final = 0.99
"""Share of the slides learned from, each without itself, that count as like the others."""
NOT_FOR: Final = "For research use only; not for diagnosis, prognosis or the choice of a treatment."

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """What a card says of a grader beside what was learned."""

    name: str
    licence: str
    scope: str
    data: tuple[str, ...] = ()


PLAIN: Final = Terms("unnamed", "not stated", "Fitted on a part of the slides.")


@dataclass(frozen=True)
class Learned:
    """A grader, and the weight of each family of columns in its score (empty for trees)."""

    grader: TrainedGrader
    shares: Mapping[str, float]


@dataclass(frozen=True)
class _Scores:
    """What was fitted.

    Attributes
    ----------
    unseen
        Scores (n,) or (n, K) of slides of which nothing was seen, for probabilities and prediction sets.
    offset
        The constant to add to a weighted sum.
    spread
        Scores (n,) as widely spread as those of new slides, for the limits between grades; None for ``unseen``.
    """

    tensors: dict[str, Floats]
    unseen: Floats
    offset: float
    shares: Mapping[str, float]
    spread: Floats | None = None


def learn(cohort: Cohort, kind: Kind, seed: int = 0, terms: Terms = PLAIN) -> Learned:
    """Fit a grader to all slides of a cohort."""
    values = np.concatenate(cohort.fields) if kind == "fields" else cohort.values
    quantiles = quantiles_of(values, min(LEVELS, len(values)))
    places = Places(quantiles).scores(values)
    patients = np.unique(cohort.patients, return_inverse=True)[1]
    learners = {"linear": _linear, "nominal": _nominal, "trees": _trees, "fields": _fields}
    found = learners[kind](cohort, places, patients, seed)
    tensors = found.tensors | {"quantiles": quantiles}
    count = len(cohort.grades)
    if kind == "nominal":
        tensors["mix"] = mix(found.unseen, cohort.truth, count)
        linked = Link(1.0, (), ())
        unseen = _mixed_unseen(cohort, found.unseen)
    else:
        linked = link(found.unseen, cohort.truth, count, found.spread)
        unseen = ordinal_probabilities(linked.scale * found.unseen, linked.thresholds)
    tensors["calibration"] = nonconformity(unseen, cohort.truth, patients)
    stored = {name: np.ascontiguousarray(values, np.float32) for name, values in tensors.items()}
    card = _card(cohort, kind, tensors, terms, linked, linked.scale * found.offset)
    maker = FieldGrader if kind == "fields" else TrainedGrader
    return Learned(maker(Loaded(card, "", stored)), found.shares)


def look(grader: TrainedGrader, cohort: Cohort) -> tuple[Judgment, NDArray[np.bool_]]:
    """What a grader makes of the slides of a cohort, and which (n,) are unlike those that it learned from."""
    if isinstance(grader, FieldGrader):
        return grader.judge_fields(cohort.fields), grader.are_foreign(cohort.fields)
    return grader.judge(cohort.values), grader.is_foreign(cohort.values)


def _linear(cohort: Cohort, places: Floats, patients: NDArray[np.int64], _: int) -> _Scores:
    """Fit the linear score, and once more without each fifth of the patients: for these, nothing was chosen either.

    Fitted to four fifths, scores are a little closer together, so that limits are those of the closed form.
    """
    truth, families = cohort.truth.astype(np.float64), see(places, cohort.parts)
    found, unseen = stack(families, patients, truth), np.empty(len(truth))
    for tested in folds_of(cohort, 0, _FOLDS):
        unseen[tested] = stack(families, patients, truth, ~tested).scores(np.flatnonzero(tested))
    weight, offset = found.weights(cohort.parts)
    return _Scores({"weight": weight[None]}, unseen, offset, _named(cohort, found.shares), found.unseen)


def _nominal(cohort: Cohort, places: Floats, patients: NDArray[np.int64], _: int) -> _Scores:
    families = see(places, cohort.parts)
    stacks = [
        stack(families, patients, (cohort.truth == grade).astype(np.float64)) for grade in range(len(cohort.grades))
    ]
    weights, offsets = zip(*(one.weights(cohort.parts) for one in stacks), strict=True)
    # The constants are left to the mix, which is fitted to scores as a grader computes them.
    unseen = np.column_stack([one.unseen - offset for one, offset in zip(stacks, offsets, strict=True)])
    shares = np.mean([one.shares for one in stacks], axis=0)
    return _Scores({"weight": np.stack(weights)}, unseen, 0.0, _named(cohort, shares))


def _mixed_unseen(cohort: Cohort, values: Floats) -> Floats:
    """Probabilities (n, K), by a mix that was fitted without each fifth of the patients: it has many numbers."""
    found = np.empty_like(values)
    for tested in folds_of(cohort, 0, _FOLDS):
        fitted = mix(values[~tested], cohort.truth[~tested], len(cohort.grades))
        found[tested] = nominal_probabilities(values[tested], fitted)
    return found


def _named(cohort: Cohort, shares: Floats) -> dict[str, float]:
    return dict(zip(cohort.families, shares.tolist(), strict=True))


def _trees(cohort: Cohort, places: Floats, _: NDArray[np.int64], seed: int) -> _Scores:
    grades, unseen = len(cohort.grades), np.empty(len(cohort.slides))
    for tested in folds_of(cohort, 0, _FOLDS):
        unseen[tested] = boost(places[~tested], cohort.truth[~tested], grades, seed).scores(places[tested])
    return _Scores(dict(boost(places, cohort.truth, grades, seed).nodes), unseen, 0.0, {})


def _fields(cohort: Cohort, places: Floats, _: NDArray[np.int64], seed: int) -> _Scores:
    # It imports torch, which no other kind needs.
    from pathopipe.training.grade.attention import Bags, learn_all, learn_unseen

    grades = len(cohort.grades)
    bags = Bags(places, np.array([len(values) for values in cohort.fields]), cohort.truth)
    steps, unseen = learn_unseen(bags, folds_of(cohort, 0, _FOLDS), grades, seed)
    return _Scores(learn_all(bags, grades, steps, seed), unseen, 0.0, {})


def check_card(cohort: Cohort, terms: Terms) -> None:
    """See now that the card can be made, which is written after the tests.

    Raises
    ------
    RefusalError
        When a text is none that a card can hold, or there are too many grades.
    """
    try:
        card = _card(cohort, "nominal", {"quantiles": np.empty((2, 0))}, terms, Link(1.0, (), ()), 0.0)
        replace(card, reported=tuple(cohort.about))
    except ValidationError as error:
        raise RefusalError(f"the card of the grader cannot be written: {reported(error.errors()[0])}") from None


def _card(
    cohort: Cohort, kind: Kind, tensors: Mapping[str, Floats], terms: Terms, linked: Link, offset: float
) -> GraderCard:
    count = len(cohort.grades)
    return GraderCard(
        name=terms.name,
        licence=terms.licence,
        architecture=GraderShape(
            kind=kind,
            families=tuple((cohort.field_families if kind == "fields" else cohort.families).items()),
            levels=len(tensors["quantiles"]),
            grades=count,
            slides=len(cohort.slides),
            splits=len(tensors.get("value", ())),
            hidden=len(tensors.get("head", ())),
            side_um=SIDE_UM if kind == "fields" else 0.0,
        ),
        grades=cohort.grades,
        label=cohort.label,
        contract=STATISTICS.contract,
        scope=terms.scope,
        not_for=NOT_FOR,
        made_for=cohort.made_for,
        scale=linked.scale,
        offset=offset,
        thresholds=linked.thresholds,
        limits=linked.limits,
        foreign=foreign_share(cohort.fields, _MOST_FOREIGN) if kind == "fields" else _foreign(cohort.values),
        mpp=(min(cohort.mpp), max(cohort.mpp)),
        stain=cohort.stain,
        data=terms.data,
    )


def _foreign(values: Floats) -> float:
    """Share of the columns that may lie outside of the range: as of the slides learned from, each without itself."""
    alone = [(values == end) & ((values == end).sum(axis=0) == 1) for end in range_of(values)]
    shares = np.mean(alone[0] | alone[1], axis=1)
    return float(np.float32(np.quantile(shares, _MOST_FOREIGN, method="higher")))
