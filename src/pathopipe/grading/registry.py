"""The graders, by the name that the settings know them by, or by the path of a trained one's file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pathopipe.errors import RefusalError
from pathopipe.grading.base import Grader
from pathopipe.models.shelf import Shelf
from pathopipe.pipeline import STATISTICS, GradeSettings

if TYPE_CHECKING:
    from pathopipe.grading.card import GraderCard
    from pathopipe.models.weights import Loaded

_SHIPPED: Final = Path(__file__).with_name("shipped")
_NOTTINGHAM: Final = "1edede572863b96910d313b8a0caddb63633a9303d75fd88406207d50d5239da"
"""SHA-256 of its card, so that a new one grades all slides again and an edited one none."""


def make_grader(settings: GradeSettings, folder: Path | None = None, mpp: float | None = None) -> Grader:
    """Make the grader that the settings name, with its own section of them.

    Parameters
    ----------
    settings
        Of the stage.
    folder
        Where adopted graders lie.
    mpp
        Resolution of the slide, for graders that learned from slides of a certain one.

    Raises
    ------
    RefusalError
        When there is none of that name, or its file can't be used.
    """
    if make := _CRITERIA.get(settings.grader):
        return make(settings)
    from pathopipe.grading.field_grader import FieldGrader
    from pathopipe.grading.trained import TrainedGrader

    weights = trained(settings.grader, folder)
    kind = FieldGrader if weights.card.architecture.kind == "fields" else TrainedGrader
    return kind(weights, settings.coverage, mpp)


def trained(grader: str, folder: Path | None = None) -> "Loaded[GraderCard]":
    """Read a trained grader.

    Raises
    ------
    RefusalError
        When there is none of that name, its file is not as it was written, or it is made for other statistics.
    """
    from pathopipe.grading.card import is_sealed

    weights = _SHELF.weights(grader, folder)
    if not is_sealed(weights.card, weights.tensors):
        raise RefusalError(
            f"grade.grader: the card or the weights of the grader '{weights.card.name}' were edited since it was "
            "trained, so that its figures say nothing: train it again, or take the file as it was written"
        )
    if weights.card.contract != STATISTICS.contract:
        raise RefusalError(
            f"grade.grader: the grader '{weights.card.name}' was trained on statistics of contract version "
            f"{weights.card.contract}, and this pathopipe makes version {STATISTICS.contract}: train it again"
        )
    return weights


def _nottingham(settings: GradeSettings) -> Grader:
    from pathopipe.grading.criteria import CriteriaGrader
    from pathopipe.grading.criteria_card import read_card

    card = read_card(_SHIPPED / "nottingham-pleomorphism.json", _NOTTINGHAM)
    own = settings.nottingham
    return CriteriaGrader(card, own.min_nuclei, own.min_share, "grade.nottingham", _NOTTINGHAM)


def _card() -> "type[GraderCard]":
    from pathopipe.grading.card import GraderCard

    return GraderCard


_CRITERIA: Final[Mapping[str, Callable[[GradeSettings], Grader]]] = MappingProxyType(
    {"nottingham-pleomorphism": _nottingham}
)
_SHELF: Final = Shelf("grade.grader", "grader", tuple(_CRITERIA), {}, _card)
adopt = _SHELF.adopt
"""See `Shelf`."""
