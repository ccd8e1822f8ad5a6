"""Warnings about a slide, as the manifests' ``quality`` holds them, and which of them leave it without a grade."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

STOPS_GRADE: Final[Mapping[str, float | None]] = MappingProxyType(
    {
        "implausible_mpp": None,
        "implausible_color": None,
        "not_he": None,
        "out_of_scope": None,
        "out_of_focus": None,
        "mostly_unfit": None,
        "stain_not_normalized": None,
        "other_stain": None,
        "damaged": 0.05,
    }
)
"""Codes of the warnings under which no grade is given, the first to be named first, and the value that a warning must
exceed to count, where not every one does. Why 5% of damaged tissue: docs/guards.md."""

ABOUT_SCOPE: Final = frozenset({"not_he", "out_of_scope"})
"""Codes that stop no grade where ``grade.out_of_scope`` is set: the image may still be sound."""


def warning(code: str, message: str, value: float, threshold: float) -> dict[str, Any]:
    """Make an entry of ``quality``.

    Parameters
    ----------
    message
        A sentence without its period.
    value, threshold
        What was measured, and where the warning begins; in the same unit.
    """
    return {"code": code, "message": message, "value": round(value, 6), "threshold": threshold}


def stops_grade(entry: Mapping[str, Any], *, out_of_scope: bool = False) -> bool:
    """Whether no grade is given under a warning; ``out_of_scope`` is the setting that asks for grades anyway."""
    if entry["code"] not in STOPS_GRADE or (out_of_scope and entry["code"] in ABOUT_SCOPE):
        return False
    least = STOPS_GRADE[entry["code"]]
    return least is None or entry["value"] > least


def stopping(warnings: Iterable[Mapping[str, Any]], *, out_of_scope: bool = False) -> Mapping[str, Any] | None:
    """Return the warning that leaves a slide without a grade, the first of `STOPS_GRADE`; None where none does."""
    order = list(STOPS_GRADE)
    found = (entry for entry in warnings if stops_grade(entry, out_of_scope=out_of_scope))
    return min(found, key=lambda entry: order.index(entry["code"]), default=None)
