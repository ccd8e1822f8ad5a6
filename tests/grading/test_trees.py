import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from pathopipe.grading.trees import sum_of_trees
from pathopipe.training.grade.boosting import RATE, _arrays, _joined

LEAF = {"column": -1.0, "limit": 0.0, "left": 0.0, "right": 0.0}


def nodes(*rows):
    return {name: np.array([row[name] for row in rows]) for name in ("column", "limit", "left", "right", "value")}


def test_it_says_what_scikit_learn_says():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).astype(np.float32).astype(np.float64)
    forest = RandomForestRegressor(7, max_depth=4, random_state=0).fit(x, x[:, 0] * x[:, 1])
    ours = _joined([_arrays(tree.tree_) for tree in forest.estimators_])
    assert sum_of_trees(ours, x) == pytest.approx(7 * RATE * forest.predict(x), abs=1e-5)


def test_a_value_at_the_limit_goes_left():
    tree = nodes(
        {"column": 0.0, "limit": 1.0, "left": 1.0, "right": 2.0, "value": 0.0},
        LEAF | {"value": -5.0},
        LEAF | {"value": 7.0},
    )
    assert sum_of_trees(tree, np.array([[1.0], [1.0001]])).tolist() == [-5.0, 7.0]


@pytest.mark.parametrize(
    "bad",
    [
        {"column": 3.0, "limit": 0.0, "left": 1.0, "right": 2.0, "value": 0.0},
        {"column": 0.0, "limit": 0.0, "left": 0.0, "right": 2.0, "value": 0.0},
        {"column": 0.0, "limit": 0.0, "left": 1.0, "right": 9.0, "value": 0.0},
        {"column": 0.0, "limit": 0.0, "left": 2.0, "right": 2.0, "value": 0.0},
    ],
    ids=["no such column", "a way in a circle", "no such node", "two ways to a node"],
)
def test_what_are_no_trees_is_refused_and_not_walked_forever(bad):
    with pytest.raises(ValueError, match="trees"):
        sum_of_trees(nodes(bad, LEAF | {"value": 1.0}, LEAF | {"value": 2.0}), np.zeros((1, 2)))
