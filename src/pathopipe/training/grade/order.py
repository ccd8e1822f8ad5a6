"""From best to worst: the order of grades."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from pathopipe.errors import RefusalError

_ROMAN: Final = {"i": 1.0, "ii": 2.0, "iii": 3.0, "iv": 4.0, "v": 5.0}
_WORDS: Final = (
    "normal healthy negative",
    "benign",
    "hyperplasia adenoma adenomatous",
    "low mild",
    "well",
    "well-to-moderately",
    "moderate moderately intermediate",
    "moderately-to-poorly",
    "high severe poorly poor",
    "undifferentiated anaplastic",
    "malignant positive",
)
"""First words of grades, from best to worst."""


def in_order(found: Collection[str], asked: Sequence[str], label: str, *, needed: bool = True) -> tuple[str, ...]:
    """Grades from best to worst: as asked for, by their numbers, or by the words that pathologists use.

    Where none is needed, and none is known, they go by the alphabet.

    Raises
    ------
    RefusalError
        When the order asked for is of other grades, or when nothing is asked for and none is known.
    """
    if asked:
        if set(asked) != set(found) or len(set(asked)) < len(asked):
            raise RefusalError(
                f"--order {','.join(asked)}: the grades in column '{label}' are {', '.join(sorted(found))}: name each "
                "once, from best to worst"
            )
        return tuple(asked)
    if not is_known(found):
        if not needed:
            return tuple(sorted(found))
        raise RefusalError(
            f"the order of the grades {', '.join(sorted(found))} in column '{label}' is not known: give it as --order, "
            "from best to worst, separated by commas"
        )
    return tuple(sorted(found, key=lambda name: _rank(name) or 0.0))


def is_known(found: Collection[str]) -> bool:
    """Whether the names of grades tell their order."""
    ranks = [_rank(name) for name in found]
    return None not in ranks and len(set(ranks)) == len(ranks)


def _rank(name: str) -> float | None:
    text = name.strip().casefold()
    if match := re.fullmatch(r"(?:(?:grade|g|stage|score)\s*)?(?:(-?\d+(?:\.\d+)?)|(i{1,3}|iv|v))", text):
        return float(match[1]) if match[1] else _ROMAN[match[2]]
    first = text.split(" ")[0]
    ranks = [place for place, words in enumerate(_WORDS) if first in words.split()]
    return float(ranks[0]) if ranks else None
