"""Boosted trees with a cumulative link: the score is a sum of small trees, and the loss that of proportional odds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.card import NODES
from pathopipe.grading.trees import sum_of_trees
from pathopipe.training.grade.calibration import link

Floats = NDArray[np.float64]

ROUNDS: Final = 120
RATE: Final = 0.1
DEPTH: Final = 2
_COLUMNS: Final = 0.05
"""Share of the columns that a split is looked for in; of few columns, so many:"""
_FEW: Final = 30
_LEAF: Final = 3
_THRESHOLDS_EVERY: Final = 20


@dataclass(frozen=True)
class Forest:
    """Trees as arrays, see `grading.trees.sum_of_trees`."""

    nodes: dict[str, Floats]

    def scores(self, places: Floats) -> Floats:
        """Scores (n,) of slides (n, D)."""
        return sum_of_trees(self.nodes, places)


def boost(places: Floats, truth: NDArray[np.int64], grades: int, seed: int) -> Forest:
    """Fit trees to the slope of the log likelihood of proportional odds (Friedman 2001; McCullagh 1980).

    Thresholds are fitted again every few rounds. What is stored is float32, and so are the limits that the next rounds
    go by.
    """
    from sklearn.tree import DecisionTreeRegressor

    scores, trees = np.zeros(len(truth)), list[dict[str, Floats]]()
    thresholds = start(truth, grades)
    stored = places.astype(np.float32)
    looked_at = max(round(_COLUMNS * places.shape[1]), min(_FEW, places.shape[1]))
    for number in range(ROUNDS):
        if number and number % _THRESHOLDS_EVERY == 0:
            fitted = link(scores, truth, grades)
            thresholds = np.asarray(fitted.thresholds) / max(fitted.scale, 1e-6)
        tree = DecisionTreeRegressor(
            max_depth=DEPTH, min_samples_leaf=_LEAF, max_features=looked_at, random_state=seed + number
        )
        tree.fit(stored, _slope(scores, truth, thresholds))
        trees.append(_arrays(tree.tree_))
        scores = scores + sum_of_trees(trees[-1], places)
    return Forest(_joined(trees))


def start(truth: NDArray[np.int64], grades: int) -> Floats:
    """Thresholds (K - 1,) of a score that tells nothing: log odds of at most each grade."""
    reached = np.clip(np.cumsum(np.bincount(truth, minlength=grades))[:-1] / len(truth), 0.01, 0.99)
    return np.asarray(np.log(reached / (1 - reached)))


def _slope(scores: Floats, truth: NDArray[np.int64], thresholds: Floats) -> Floats:
    """How much the log likelihood of each slide (n,) rises with its score."""
    ends = np.concatenate([[-np.inf], thresholds, [np.inf]])
    upper, lower = (1 / (1 + np.exp(-np.clip(ends[truth + step] - scores, -500, 500))) for step in (1, 0))
    return np.asarray(upper + lower - 1)


def _arrays(tree: Any) -> dict[str, Floats]:
    inner = tree.children_left >= 0
    return {
        "column": np.where(inner, tree.feature, -1).astype(np.float64),
        # Stored as float32, a limit between two values must not fall on the upper one.
        "limit": np.where(inner, tree.threshold, 0.0).astype(np.float32).astype(np.float64),
        "left": np.where(inner, tree.children_left, 0).astype(np.float64),
        "right": np.where(inner, tree.children_right, 0).astype(np.float64),
        "value": np.where(inner, 0.0, RATE * tree.value[:, 0, 0]).astype(np.float32).astype(np.float64),
    }


def _joined(trees: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
    starts = np.cumsum([0, *(len(tree["column"]) for tree in trees)])[:-1]
    moved = [
        tree | {name: np.where(tree["column"] >= 0, tree[name] + start, 0.0) for name in ("left", "right")}
        for tree, start in zip(trees, starts.tolist(), strict=True)
    ]
    return {name: np.concatenate([tree[name] for tree in moved]) for name in NODES}
