"""A sum of regression trees, as arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sum_of_trees(nodes: Mapping[str, NDArray[Any]], values: Floats) -> Floats:
    """Evaluate trees.

    Parameters
    ----------
    nodes
        ``column``, ``limit``, ``left``, ``right``, ``value``, (N,) each, of all trees one after the other. At a node
        the way leads to ``left`` where the value of the column is at most the limit, else to ``right``: places of
        nodes. A leaf has the column -1 and adds its value. Node 0, and each node that no other leads to, begins a tree.
    values
        (n, D).

    Returns
    -------
    (n,)

    Raises
    ------
    ValueError
        When the nodes are no trees of these columns.
    """
    column, left, right = (np.asarray(nodes[name]).astype(np.int64) for name in ("column", "left", "right"))
    inner = np.flatnonzero(column >= 0)
    below = np.concatenate([left[inner], right[inner]])
    parents = np.concatenate([inner, inner])
    if column.max(initial=-1) >= values.shape[1] or (below <= parents).any() or (below >= len(column)).any():
        raise ValueError("should hold trees whose nodes come before those below them")
    if len(np.unique(below)) < len(below):
        raise ValueError("should hold trees in which one way leads to each node")
    total = np.zeros(len(values))
    for root in np.setdiff1d(np.arange(len(column)), below).tolist():
        at = np.full(len(values), root)
        while (moving := np.flatnonzero(column[at] >= 0)).size:
            here = at[moving]
            low = values[moving, column[here]] <= nodes["limit"][here]
            at[moving] = np.where(low, left[here], right[here])
        total += np.asarray(nodes["value"], np.float64)[at]
    return total
