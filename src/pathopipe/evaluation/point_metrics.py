"""Scores of nuclei against points that mark them; counts add up over images."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from pathopipe.evaluation.metrics import MATCH_UM, match, ratio
from pathopipe.evaluation.type_metrics import Agreement, agreement
from pathopipe.ops.resampling import interval

TYPE_MATCH_UM = 6.0
"""Largest distance of a nucleus from the point that says of what type it is."""


@dataclass(frozen=True)
class TypeCounts:
    """Counts of one type of nuclei.

    Attributes
    ----------
    labelled, found
        Points of this type; those of them that have a nucleus of any type within 3 um.
    right, predicted
        Points of this type whose nucleus, within 6 um, was said to be of it; nuclei said to be of this type.
    """

    labelled: int = 0
    found: int = 0
    right: int = 0
    predicted: int = 0

    def __add__(self, other: "TypeCounts") -> "TypeCounts":
        return TypeCounts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True)
class PointCounts:
    """What the scores are made of. Counts of several images are added, and the sum scored: that is pooling.

    Attributes
    ----------
    found, predicted, labelled
        Points with a nucleus within 3 um, nuclei, points.
    types
        Counts by type, where points have one.
    typed
        Whether nuclei have types, too.
    agreement
        What nuclei at points with a type were said to be.
    """

    found: int = 0
    predicted: int = 0
    labelled: int = 0
    types: Mapping[str, TypeCounts] = field(default_factory=dict)
    typed: bool = False
    agreement: Agreement = field(default_factory=Agreement)

    def __add__(self, other: "PointCounts") -> "PointCounts":
        names = sorted({*self.types, *other.types})
        none = TypeCounts()
        return PointCounts(
            self.found + other.found,
            self.predicted + other.predicted,
            self.labelled + other.labelled,
            {name: self.types.get(name, none) + other.types.get(name, none) for name in names},
            self.typed or other.typed,
            self.agreement + other.agreement,
        )


@dataclass(frozen=True)
class PointScores:
    """Scores between 0 and 1; a ratio without a denominator is 0."""

    detection_f1: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Said:
    """What nuclei were said to be.

    Attributes
    ----------
    types
        Type of each, "" where it has none.
    likeliest, shares
        The type of the highest probability, "" for none, and this probability, nan for none.
    """

    types: Sequence[str]
    likeliest: Sequence[str]
    shares: NDArray[np.floating]


def compare_points(
    predicted: NDArray[np.float64],
    truth: NDArray[np.float64],
    said: Said | None = None,
    types: Sequence[str] | None = None,
) -> PointCounts:
    """Count how nuclei and points agree, nearest pairs first and whatever their types.

    Parameters
    ----------
    predicted, truth
        Centroids (n, 2) and points (m, 2), in micrometers.
    said
        What the nuclei were said to be; None where nobody did.
    types
        Type of each point, "" where it has none; None where no type is known at all.
    """
    pairs = match(predicted, truth, MATCH_UM)
    counts = PointCounts(len(pairs), len(predicted), len(truth))
    if types is None:
        return counts
    true = np.array(types, object)
    found = Counter(true[pairs[:, 1]].tolist())
    labelled = Counter(types)
    if said is None:
        return counts + PointCounts(types={name: TypeCounts(labelled[name], found[name]) for name in labelled if name})
    wide = match(predicted, truth, TYPE_MATCH_UM)
    by_type = _count_types(wide, said.types, true, found)
    own = wide[:, 0]
    agreed = agreement(
        true[wide[:, 1]].tolist(),
        np.array(said.types, object)[own].tolist(),
        np.array(said.likeliest, object)[own].tolist(),
        np.asarray(said.shares)[own],
    )
    return counts + PointCounts(types=by_type, typed=True, agreement=agreed)


def point_scores(counts: PointCounts) -> PointScores:
    """Score the detection of points."""
    return PointScores(*_score(_totals([counts])[0]).tolist())


def point_intervals(counts: Sequence[PointCounts]) -> tuple[PointScores, PointScores] | None:
    """Lower and upper ends of 95% intervals of the pooled scores, over images; None for fewer than two images."""
    ends = interval(_totals(counts), _score)
    return None if ends is None else (PointScores(*ends[0].tolist()), PointScores(*ends[1].tolist()))


def type_recall(counts: TypeCounts) -> float:
    """Share of the points of a type that were found as nuclei of any type."""
    return counts.found / counts.labelled if counts.labelled else 0.0


def type_f1(counts: TypeCounts) -> float:
    """F1 of a type: pairs count where both are of this type (Graham et al. 2019, without their weights)."""
    both = counts.predicted + counts.labelled
    return 2 * counts.right / both if both else 0.0


def _count_types(
    pairs: NDArray[np.intp], predicted: Sequence[str], true: NDArray[np.object_], found: Mapping[str, int]
) -> dict[str, TypeCounts]:
    said = np.array(predicted, object)
    # What was found at a point of no type is neither right nor wrong.
    judged = np.ones(len(said), bool)
    judged[pairs[true[pairs[:, 1]] == "", 0]] = False
    at, as_said = true[pairs[:, 1]], said[pairs[:, 0]]
    return {
        name: TypeCounts(
            int((true == name).sum()),
            found.get(name, 0),
            int(((at == name) & (as_said == name)).sum()),
            int((said[judged] == name).sum()),
        )
        for name in sorted({*true.tolist(), *predicted} - {""})
    }


def _totals(counts: Sequence[PointCounts]) -> NDArray[np.float64]:
    return np.array([(one.found, one.predicted, one.labelled) for one in counts], np.float64)


def _score(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores (..., 3) of found, predicted and labelled (..., 3)."""
    found, predicted, labelled = np.moveaxis(totals, -1, 0)
    return np.stack([ratio(2 * found, predicted + labelled), ratio(found, predicted), ratio(found, labelled)], axis=-1)
