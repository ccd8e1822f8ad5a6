"""What the stage `grade` adds to what a grader says, in ``grade.json``; without the schemas of the measures."""

from typing_extensions import TypedDict  # pydantic wants this one up to Python 3.11


class RegionEntry(TypedDict):
    """The grade of a region, or why it has none."""

    grade: str | None
    score: float | None
    probabilities: dict[str, float]
    prediction_set: list[str] | None
    reason: str | None


class ReferenceGroup(TypedDict):
    """A grade, and how many of the slides that the grader learned from have it."""

    grade: str
    slides: int


class ReferenceStatistic(TypedDict):
    """A statistic by row and column of its table: of this slide, and quantiles (5, 25, 50, 75, 95%) of each group."""

    row: str
    column: str
    value: float
    quantiles: list[list[float]]


class ReferencesEntry(TypedDict):
    """The slide beside slides that the grader learned from, by their grades; ``label`` is the column of these."""

    label: str
    groups: list[ReferenceGroup]
    statistics: list[ReferenceStatistic]


class DrivingField(TypedDict):
    """A field in level-0 pixels, its nuclei, and what they contribute to the score."""

    x_px: float
    y_px: float
    width_px: float
    height_px: float
    nuclei: int
    influence: float


class DrivingNucleus(TypedDict):
    """A nucleus, and what it contributes to the score."""

    nucleus_id: int
    influence: float


class DriversEntry(TypedDict):
    """What drives the score: the strongest fields and nuclei, and how much of its slope they were found by.

    ``side_um`` is that of the squares of the heat map, None where there is none; ``left_out`` are statistics without
    an influence function, ``<type>: <column>``, at most some.
    """

    side_um: float | None
    covered: float | None
    left_out: list[str]
    fields: list[DrivingField]
    nuclei: list[DrivingNucleus]
