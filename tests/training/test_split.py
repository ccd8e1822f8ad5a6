from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pathopipe.errors import RefusalError
from pathopipe.training.examples import Example
from pathopipe.training.split import portions, split
from tests.training.fields import example


def test_a_patient_is_on_one_side_only() -> None:
    examples = [example(number, group=f"p{number // 3}") for number in range(30)]
    parts = split(examples, seed=1)
    groups = [{one.group for one in part} for part in (parts.train, parts.validation, parts.test)]
    assert all(groups)
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert sum(map(len, (parts.train, parts.validation, parts.test))) == 30


def test_two_images_are_enough_and_one_patient_is_not() -> None:
    parts = split([example(0), example(1)], seed=0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (1, 0, 1)
    with pytest.raises(RefusalError, match="all annotated images are of one patient, 'p': add images of another"):
        split([example(0, group="p"), example(1, group="p")], seed=0)


def test_points_are_learned_from_and_tested_on_only_where_there_is_nothing_else() -> None:
    mixed = [example(number, points=number % 2 == 0) for number in range(12)]
    parts = split(mixed, seed=0)
    assert all(one.labels is not None for one in (*parts.validation, *parts.test))
    assert sum(one.labels is None for one in parts.train) == 6


def empty(number: int, group: str) -> Example:
    return replace(example(number, group=group), labels=np.zeros((160, 160), np.int32))


def test_images_without_nuclei_make_no_test_and_follow_their_patient() -> None:
    nothing = [empty(number, f"artifact{number}") for number in range(6)]
    parts = split([*(example(number, points=True) for number in range(4)), *nothing], seed=0)
    assert all(one.points is not None for one in parts.test)
    assert all(any(one is other for other in parts.train) for one in nothing)
    with pytest.raises(RefusalError, match="all annotated images are of one patient, 'p'"):
        split([example(0, group="p"), *nothing], seed=0)
    followed = split([*(example(number, group=f"p{number}") for number in range(3)), empty(9, "p0")], seed=0)
    for part in (followed.train, followed.test):
        assert len([one for one in part if one.group == "p0"]) in {0, 2}


def test_a_patient_of_the_test_is_not_learned_from_by_points_either() -> None:
    examples = [example(number, group=f"p{number // 2}", points=number % 2 == 0) for number in range(12)]
    parts = split(examples, seed=0)
    assert not {one.group for one in parts.train} & {one.group for one in (*parts.validation, *parts.test)}


def test_the_portions_of_a_learning_curve_grow_and_hold_each_other() -> None:
    train = [example(number, group=f"p{number // 2}") for number in range(16)]
    parts = portions(train, seed=3)
    assert [len(part) for part in parts] == [4, 8, 16]
    for small, large in pairwise(parts):
        assert {id(one) for one in small} < {id(one) for one in large}
