"""Which examples to learn from, to stop by, and to test on: a patient is on one side only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pathopipe.errors import RefusalError
from pathopipe.training.examples import Example

_TEST_SHARE: Final = 0.25
_VALIDATION_SHARE: Final = 0.15
_LEAST_TO_VALIDATE: Final = 5


@dataclass(frozen=True)
class Split:
    """Examples by what they are for; ``validation`` may be empty."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def split(examples: Sequence[Example], seed: int) -> Split:
    """Set a quarter of the groups apart for the test and, where enough are left, a few to validate on.

    Images with points only are learned from, as long as there are outlines to test on. Images without nuclei make no
    patient fit for a test, and are on the side of their patient's others.

    Raises
    ------
    RefusalError
        When all images are of one patient.
    """
    marked = [example for example in examples if example.nuclei]
    outlined = any(example.labels is not None for example in marked)
    measured = [example for example in examples if example.labels is not None or not outlined]
    groups = sorted({example.group for example in measured if example.nuclei})
    if len(groups) < 2:
        raise RefusalError(
            f"all annotated images are of one patient, '{groups[0]}': add images of another patient to test on"
        )
    order = [groups[index] for index in np.random.default_rng(seed).permutation(len(groups))]
    tested = max(1, round(_TEST_SHARE * len(groups)))
    left = len(groups) - tested
    validated = max(1, round(_VALIDATION_SHARE * left)) if left >= _LEAST_TO_VALIDATE else 0
    test, validation = set(order[:tested]), set(order[tested : tested + validated])
    return Split(
        [example for example in examples if example.group not in test | validation],
        [example for example in measured if example.group in validation],
        [example for example in measured if example.group in test],
    )


def portions(train: Sequence[Example], seed: int) -> list[list[Example]]:
    """Growing parts of the training examples, for a learning curve: a quarter, a half, and all; whole groups."""
    groups = sorted({example.group for example in train})
    order = [groups[index] for index in np.random.default_rng([seed, 1]).permutation(len(groups))]
    sizes = sorted({max(1, round(share * len(groups))) for share in (0.25, 0.5, 1)})
    return [[example for example in train if example.group in set(order[:size])] for size in sizes]
