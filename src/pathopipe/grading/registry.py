"""The graders, by the name that the settings know them by."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pathopipe.errors import RefusalError
from pathopipe.grading.base import Grader
from pathopipe.pipeline import GradeSettings


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
    from pathopipe.grading.nottingham import NottinghamPleomorphism

    own = settings.nottingham
    return NottinghamPleomorphism(
        min_nuclei=own.min_nuclei,
        min_share=own.min_share,
        reference=own.reference,
        reference_area_um2=own.reference_area_um2,
    )


_GRADERS: Final[Mapping[str, Callable[[GradeSettings], Grader]]] = MappingProxyType(
    {"nottingham-pleomorphism": _nottingham}
)
