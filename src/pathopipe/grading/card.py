"""The card of a trained grader: what it holds, which is checked, and the seal that shows whether it was edited."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from pathopipe.grading import attention
from pathopipe.models.architecture import CHECKED
from pathopipe.models.card import Entry, Name, Text
from pathopipe.models.weights import Tensors

Kind = Literal["linear", "nominal", "trees", "fields"]
CALIBRATION: Final = 3
"""Numbers of each slide that prediction sets rest on: nonconformity, place of the true grade, weight."""
REFERENCE_LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles that a card has of a group of slides."""
NODES: Final = ("column", "limit", "left", "right", "value")
"""Tensors of trees, see `grading.trees`."""
_MOST: Final = 200_000
_Count = Annotated[int, Field(ge=0, le=_MOST)]


@dataclass(frozen=True, config=CHECKED)
class GraderShape:
    """What a grader computes with, and how large its tensors are.

    Attributes
    ----------
    kind
        ``linear``: one score, a weighted sum of statistics; ``trees``: one score, a sum of regression trees;
        ``nominal``: a weighted sum for each grade; ``fields``: one score, by attention over fields of the slide.
    families
        The columns of statistics that it reads, in the order of its tensors, by the row of the table
        (`grading.predictors`) and group of measures, such as ``epithelial size``. Pairs, since JSON keeps no order of
        names.
    levels
        Quantiles that are kept of each column.
    grades, slides
        Number of grades, and of slides that prediction sets are calibrated on.
    splits
        Inner nodes and leaves of all trees.
    hidden, side_um
        Of ``fields``: numbers that a field is described by inside, and the side of a field.
    """

    kind: Kind
    families: Annotated[tuple[tuple[Text, tuple[Text, ...]], ...], Field(min_length=1, max_length=1000)]
    levels: Annotated[int, Field(ge=2, le=1001)]
    grades: Annotated[int, Field(ge=2, le=20)]
    slides: _Count
    splits: _Count = 0
    hidden: Annotated[int, Field(ge=0, le=1024)] = 0
    side_um: Annotated[float, Field(ge=0, le=10_000)] = 0.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.columns) <= _MOST:
            raise ValueError(f"should have 1 to {_MOST:,} columns")
        if (self.kind == "trees") != (self.splits > 0):
            raise ValueError("should have splits if, and only if, it is of trees")
        if {self.hidden > 1, self.side_um > 0} != {self.kind == "fields"}:
            raise ValueError("should have hidden numbers and a side if, and only if, it is of fields")

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Row and column of the table of statistics for each predictor, in order."""
        return tuple((name.partition(" ")[0], column) for name, columns in self.families for column in columns)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all tensors."""
        count = len(self.columns)
        by_kind: dict[str, dict[str, tuple[int, ...]]] = {
            "linear": {"weight": (1, count)},
            "nominal": {"weight": (self.grades, count), "mix": (self.grades, self.grades + 1)},
            "trees": dict.fromkeys(NODES, (self.splits,)),
            "fields": attention.shapes(count, self.hidden),
        }
        return {
            "quantiles": (self.levels, count),
            "calibration": (self.slides, CALIBRATION),
            **by_kind[self.kind],
        }


@dataclass(frozen=True, config=CHECKED)
class Reference:
    """A statistic of the slides learned from: row and column of the table, and `REFERENCE_LEVELS` of it by group."""

    row: Text
    column: Text
    quantiles: Annotated[
        tuple[Annotated[tuple[float, ...], Field(min_length=5, max_length=5)], ...], Field(max_length=20)
    ]

    def __post_init__(self) -> None:
        if any(list(values) != sorted(values) for values in self.quantiles):
            raise ValueError("should have ascending quantiles")


@dataclass(frozen=True, config=CHECKED)
class References:
    """Some statistics of the slides learned from, by grade: grades with their numbers of slides, and quantiles."""

    groups: Annotated[tuple[tuple[Text, _Count], ...], Field(max_length=20)] = ()
    statistics: Annotated[tuple[Reference, ...], Field(max_length=100)] = ()

    def __post_init__(self) -> None:
        if any(len(one.quantiles) != len(self.groups) for one in self.statistics):
            raise ValueError("should have quantiles of each group")


@dataclass(frozen=True, config=CHECKED)
class GraderCard:
    """What a user must know of a trained grader (Mitchell et al. 2019), and what it takes to grade with it.

    Attributes
    ----------
    name, licence, data, training, figures
        As in `models.card.Card`; figures are of slides that it was not fitted on, with the ends of their intervals.
    grades
        From best to worst.
    scope, not_for
        What it was fitted on, and what it must not be used for; pages show both.
    made_for
        Tissue and stain of the slides that it was fitted on, in the sheet's words; empty where the sheet said nothing.
    label
        What was predicted: the name of the sheet's column.
    contract
        Version of the statistics that it was fitted on.
    scale, offset
        A score is the weighted sum times ``scale``, plus ``offset``.
    thresholds
        Of the score, between the grades, of the proportional-odds model (McCullagh 1980); empty for ``nominal``.
    limits
        Of the score, from which a slide gets the next grade; empty for ``nominal``.
    foreign
        Largest share of columns outside the range of the slides learned from at which a slide is graded.
    mpp
        Smallest and largest resolution of these slides.
    stain
        Whether their measures were made on pixels as they are, or with normalized stain.
    reported
        What a reader should know of the labels: a column that foretells them, few patients.
    references
        What a page shows a slide beside; empty in cards of earlier versions.
    seal
        Digest of the rest of the card and of the tensors.

    Raises
    ------
    ValueError
        When a value is of another type, out of range, or holds what is not to be shown: a grader comes from anybody.
    """

    KIND: ClassVar[str] = "grade"

    name: Name
    licence: Text
    architecture: GraderShape
    grades: Annotated[tuple[Text, ...], Field(min_length=2, max_length=20)]
    label: Text
    contract: Annotated[int, Field(ge=1)]
    scope: Text
    not_for: Text
    made_for: Mapping[Text, tuple[Text, ...]] = Field(default_factory=dict)
    scale: float = 1.0
    offset: float = 0.0
    thresholds: Annotated[tuple[float, ...], Field(max_length=19)] = ()
    limits: Annotated[tuple[float, ...], Field(max_length=19)] = ()
    foreign: Annotated[float, Field(ge=0, le=1)] = 1.0
    mpp: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.1, 2.0)
    stain: Literal["native", "normalized"] = "native"
    data: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    training: Mapping[Text, Entry] = Field(default_factory=dict)
    figures: Mapping[Text, Mapping[Text, float]] = Field(default_factory=dict)
    reported: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    references: References = References()
    seal: Text = "-"

    def __post_init__(self) -> None:
        between = 0 if self.architecture.kind == "nominal" else len(self.grades) - 1
        if len(set(self.grades)) < len(self.grades) or len(self.grades) != self.architecture.grades:
            raise ValueError("should have as many grades as the tensors are for, each once")
        for name, values in (("thresholds", self.thresholds), ("limits", self.limits)):
            if len(values) != between or list(values) != sorted(values):
                raise ValueError(f"should have {between} {name}, ascending")
        if not {grade for grade, _ in self.references.groups} <= {*self.grades}:
            raise ValueError("should have references of its grades only")


def sealed(card: GraderCard, tensors: Tensors) -> GraderCard:
    """Return the card with the seal of what it says and of the tensors, as they are stored (float32)."""
    return replace(card, seal=_digest(card, tensors))


def is_sealed(card: GraderCard, tensors: Tensors) -> bool:
    """Whether card and tensors are as they were when the grader was made."""
    return card.seal == _digest(card, tensors)


def _digest(card: GraderCard, tensors: Tensors) -> str:
    told = asdict(replace(card, seal="-"))
    if not card.references.groups:
        del told["references"]  # which cards of earlier versions did not have
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(np.ascontiguousarray(tensors[name], np.float32).tobytes())
    return digest.hexdigest()
