"""The card of a grader that follows published criteria: the numbers that its grades rest on, and their source."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from pathopipe.errors import RefusalError, cause
from pathopipe.models.architecture import CHECKED
from pathopipe.ops.nucleus_types import TYPES

_MOST_BYTES: Final = 1 << 20
_ABOUT: Final = {"tissue", "stain"}

Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Figures = Mapping[Text, float]


@dataclass(frozen=True, config=CHECKED)
class Statistic:
    """A column of ``statistics.parquet``, of nuclei of one type.

    Attributes
    ----------
    type, column
        The row and the column; the latter is a measure of nuclei and ``mean``, ``sd`` or ``cv`` of it.
    group
        The group of measures (setting ``features.groups``) that it takes; empty for one that is always measured.
    whole
        Whether nuclei that the border cuts off are left out of it.
    """

    type: Text
    column: Annotated[str, Field(pattern=r"^[a-z0-9_]+_(mean|sd|cv)$")]
    group: str = ""
    whole: bool = False

    @property
    def measure(self) -> str:
        """The measure of nuclei."""
        return self.column.rpartition("_")[0]

    @property
    def kind(self) -> str:
        """What is taken of it: ``mean``, ``sd`` or ``cv``."""
        return self.column.rpartition("_")[2]


@dataclass(frozen=True, config=CHECKED)
class Limit:
    """Where one grade becomes the next, and the interval in which the limit lies when other cases are drawn."""

    value: float
    low: float
    high: float

    @model_validator(mode="after")
    def _in_its_interval(self) -> "Limit":
        if not self.low <= self.value <= self.high:
            raise ValueError("should lie in its interval")
        return self


Limits = Annotated[tuple[Limit, ...], Field(min_length=1, max_length=20)]


@dataclass(frozen=True, config=CHECKED)
class Item:
    """One thing that the criteria name, as a number.

    Attributes
    ----------
    of, over
        Its value is the statistic ``of``, divided by ``over`` where one is named.
    center, scale
        It counts as (value - center) / scale; a higher one speaks for a worse grade.
    limits
        Where the number by itself speaks for another grade, ascending.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")]
    meaning: Text
    unit: str
    of: Statistic
    over: Statistic | None
    center: float
    scale: Annotated[float, Field(gt=0)]
    limits: Limits


@dataclass(frozen=True, config=CHECKED)
class CriteriaCard:
    """What a grader by criteria is, and the numbers that it needs.

    Attributes
    ----------
    criteria
        Whose criteria they are, with source.
    grades
        From best to worst; every tuple of limits has one between two grades.
    scope, made_for
        As of `grading.base.Grader`.
    items
        The score is the mean of them, standardized; in order of importance.
    limits
        Of the score.
    fewest_compared
        Fewest nuclei of a type that is divided by.
    fitted, data, licence
        How, with which recipe, and on what the numbers were fitted; terms of use.
    figures
        Agreement with the pathologists' grades, by what was compared; intervals are ``_low`` and ``_high``.
    not_assessed
        What else a protocol asks for, and why this grader doesn't say it.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")]
    criteria: Text
    grades: Annotated[tuple[Text, ...], Field(min_length=2, max_length=20)]
    scope: Text
    made_for: Mapping[str, Annotated[tuple[Text, ...], Field(min_length=1)]]
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=20)]
    limits: Limits
    fewest_compared: Annotated[int, Field(ge=2)]
    fitted: Text
    data: tuple[Text, ...]
    licence: Text
    figures: Mapping[Text, Figures]
    not_assessed: Mapping[Text, Text]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "CriteriaCard":
        for called, limits in (("the score", self.limits), *((item.name, item.limits) for item in self.items)):
            values = [limit.value for limit in limits]
            if len(values) != len(self.grades) - 1 or values != sorted(values):
                raise ValueError(f"limits of {called}: should be {len(self.grades) - 1}, ascending")
        for called, names in (("grades", self.grades), ("items", [item.name for item in self.items])):
            if len(set(names)) < len(names):
                raise ValueError(f"{called}: should differ")
        if unknown := {statistic.type for statistic in self.statistics} - {*TYPES}:
            raise ValueError(f"there is no type '{min(unknown)}' of nuclei")
        if not self.made_for.keys() <= _ABOUT:
            raise ValueError(f"made_for: should be about {' and '.join(sorted(_ABOUT))}")
        if len({item.of.type for item in self.items}) > 1:
            raise ValueError("items: should be of nuclei of one type")
        return self

    @cached_property
    def statistics(self) -> tuple[Statistic, ...]:
        """All that the items are made of, each once."""
        return tuple(dict.fromkeys(part for item in self.items for part in (item.of, item.over) if part))

    @property
    def score_limits(self) -> tuple[float, ...]:
        """Limits of the score, without their intervals."""
        return tuple(limit.value for limit in self.limits)

    @property
    def graded_type(self) -> str:
        """The type of nuclei that is graded."""
        return self.items[0].of.type


_CARD: Final = TypeAdapter(CriteriaCard)


def read_card(path: Path, sha256: str) -> CriteriaCard:
    """Read a card of this package.

    Raises
    ------
    RefusalError
        If it is not there, is not the one with this digest, or is no sound card.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refusal(path, f"cannot be read ({cause(error)})") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _refusal(path, "was changed since pathopipe was installed")
    return parse_card(content, path)


def parse_card(content: bytes, path: Path) -> CriteriaCard:
    """Check the content of a card; ``path`` is for messages.

    Raises
    ------
    RefusalError
        If it is not a card, or its parts don't agree with each other.
    """
    try:
        return _CARD.validate_json(content[:_MOST_BYTES])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        raise _refusal(path, f"is no sound card of a grader ({f'{where}: ' if where else ''}{what})") from error


def to_json(card: CriteriaCard) -> bytes:
    """Return the content of its file."""
    return _CARD.dump_json(card, indent=2) + b"\n"


def _refusal(path: Path, what: str) -> RefusalError:
    return RefusalError(f"{what}: install pathopipe again", path=path, called="the grader's card")
