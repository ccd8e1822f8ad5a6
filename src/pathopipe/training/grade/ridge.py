"""Ridge regression in families of columns, and their stack: the linear score.

Each family has a ridge regression of its own on its columns, so that the few columns on how nuclei lie are not drowned
by the many on texture. What these predict of patients that they did not see is combined by weights of at least zero
(stacked regressions, Breiman 1996). All of it is in closed form: leaving out a patient takes no other fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PENALTIES: Final = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Penalties that are tried in each family, whose columns share a variance of about 1."""
_PULL: Final = 1.0
"""Penalty of weights in the stack that differ from each other."""


@dataclass(frozen=True)
class Stack:
    """A linear score.

    Attributes
    ----------
    weight
        (D,) of the columns; the score is their weighted sum plus ``offset``.
    unseen
        Scores (n,) of the slides learned from, of which each regression had not seen the patient.
    shares
        Weight of each family in the stack.
    """

    weight: Floats
    offset: float
    unseen: Floats
    shares: Mapping[str, float]


class Family:
    """Slides as one family of columns sees them: what doesn't depend on what is predicted.

    Parameters
    ----------
    columns
        (n, d), each of mean about 0 and variance about 1.
    patients
        (n,) numbers.
    """

    def __init__(self, columns: Floats, patients: NDArray[np.int64]) -> None:
        self._center = columns.mean(axis=0)
        self._columns = columns - self._center
        kernel = self._columns @ self._columns.T / columns.shape[1]
        values, self._vectors = np.linalg.eigh(kernel)
        self._values = np.maximum(values, 0)
        self._blocks = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]

    def unseen(self, wanted: Floats, penalty: float) -> Floats:
        """Predictions (n, P) of P things (n, P) by regressions that have not seen the patient.

        The residuals of the slides B of a patient are (I - H)_BB^-1 times those of the fit to all (Cook and Weisberg
        1982), where H makes fitted values of the wanted ones.
        """
        count, shrink = len(wanted), self._values / (self._values + penalty)
        hat = (self._vectors * shrink) @ self._vectors.T + 1 / count
        residuals, found = wanted - hat @ wanted, np.empty_like(wanted)
        for block in self._blocks:
            inner = np.eye(len(block)) - hat[np.ix_(block, block)] + 1e-9 * np.eye(len(block))
            found[block] = wanted[block] - np.linalg.solve(inner, residuals[block])
        return found

    def weights(self, wanted: Floats, penalty: float) -> tuple[Floats, float]:
        """Weights (d,) of the columns and the constant, for one thing (n,), fitted to all slides."""
        dual = self._vectors @ (self._vectors.T @ (wanted - wanted.mean()) / (self._values + penalty))
        weight = self._columns.T @ dual / self._columns.shape[1]
        return weight, float(wanted.mean() - self._center @ weight)


def see(places: Floats, parts: Mapping[str, slice], patients: NDArray[np.int64]) -> dict[str, Family]:
    """Look at slides (n, D) by families of columns."""
    return {name: Family(places[:, part], patients) for name, part in parts.items()}


def stack(families: Mapping[str, Family], parts: Mapping[str, slice], wanted: Floats) -> Stack:
    """Fit a linear score to what is wanted (n,)."""
    penalties, unseen = best(families, wanted)
    shares = shares_of(unseen, wanted)
    weight, offset = np.zeros(max(part.stop for part in parts.values())), float(wanted.mean())
    for place, (name, family) in enumerate(families.items()):
        own, constant = family.weights(wanted, penalties[place])
        weight[parts[name]] = shares[place] * own
        offset += shares[place] * (constant - wanted.mean())
    named = dict(zip(families, shares.tolist(), strict=True))
    return Stack(weight, offset, wanted.mean() + (unseen - wanted.mean()) @ shares, named)


def best(families: Mapping[str, Family], wanted: Floats) -> tuple[list[float], Floats]:
    """The penalty of each family that predicts patients best whom it has not seen, and those predictions (n, F)."""
    penalties, unseen = list[float](), list[Floats]()
    for family in families.values():
        tried = {penalty: family.unseen(wanted[:, None], penalty)[:, 0] for penalty in PENALTIES}
        chosen = min(tried, key=lambda penalty: float(((tried[penalty] - wanted) ** 2).sum()))
        penalties.append(chosen)
        unseen.append(tried[chosen])
    return penalties, np.column_stack(unseen)


def shares_of(unseen: Floats, wanted: Floats) -> Floats:
    """Weights (F,), of at least zero, with which predictions (n, F) are best combined; pulled towards equal ones."""
    from scipy.optimize import nnls

    count = unseen.shape[1]
    equal = np.full(count, 1 / count)
    left = np.vstack([unseen - wanted.mean(), _PULL * np.eye(count)])
    found = np.asarray(nnls(left, np.concatenate([wanted - wanted.mean(), _PULL * equal]))[0])
    return found if found.any() else equal
