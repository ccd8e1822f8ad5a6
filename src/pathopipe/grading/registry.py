"""The graders, by the name that the settings know them by."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pathopipe.errors import RefusalError
from pathopipe.grading.base import Grader
from pathopipe.pipeline import GradeSettings

_SHIPPED: Final = Path(__file__).with_name("shipped")
_NOTTINGHAM: Final = "1edede572863b96910d313b8a0caddb63633a9303d75fd88406207d50d5239da"
"""SHA-256 of its card, so that a new one grades all slides again and an edited one none."""


def make_grader(settings: GradeSettings) -> Grader:
    """Make the grader that the settings name, with its own section of them.

    Raises
    ------
    RefusalError
        When there is none of that name.
    """
    if settings.grader not in _GRADERS:
        raise RefusalError(
            f"grade.grader: there is no grader '{settings.grader}'; known graders: {', '.join(_GRADERS)}"
        )
    return _GRADERS[settings.grader](settings)


def _nottingham(settings: GradeSettings) -> Grader:
    from pathopipe.grading.criteria import CriteriaGrader
    from pathopipe.grading.criteria_card import read_card

    card = read_card(_SHIPPED / "nottingham-pleomorphism.json", _NOTTINGHAM)
    own = settings.nottingham
    return CriteriaGrader(card, own.min_nuclei, own.min_share, "grade.nottingham")


_GRADERS: Final[Mapping[str, Callable[[GradeSettings], Grader]]] = MappingProxyType(
    {"nottingham-pleomorphism": _nottingham}
)
