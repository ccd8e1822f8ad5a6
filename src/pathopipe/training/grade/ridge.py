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
Whole = NDArray[np.int64]
Mask = NDArray[np.bool_]

PENALTIES: Final = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Penalties that are tried in each family, whose columns share a variance of about 1."""
_PULL: Final = 1.0
"""Penalty of weights in the stack that differ from each other."""
_TINY: Final = 1e-9


class Family:
    """Slides as one family of columns sees them.

    Parameters
    ----------
    columns
        (n, d), each of mean about 0 and variance about 1.
    """

    def __init__(self, columns: Floats) -> None:
        self.columns = columns
        self.kernel = columns @ columns.T / columns.shape[1]

    def on(self, learned: Mask, patients: Whole) -> "Ridge":
        """Regress on some of the slides (n,)."""
        return Ridge(self, np.flatnonzero(learned), patients[learned])


class Ridge:
    """Ridge regressions on some slides: what doesn't depend on what is predicted, nor on the penalty.

    Parameters
    ----------
    family, rows
        All slides, and the places (m,) of those learned from.
    patients
        (m,) numbers.
    """

    def __init__(self, family: Family, rows: NDArray[np.intp], patients: Whole) -> None:
        self._family, self._rows = family, rows
        kernel = family.kernel[np.ix_(rows, rows)]
        self._mean, self._total = kernel.mean(axis=0), float(kernel.mean())
        values, self._vectors = np.linalg.eigh(kernel - self._mean - self._mean[:, None] + self._total)
        self._values = np.maximum(values, 0)
        order = np.argsort(patients, kind="stable")
        blocks = np.split(order, np.flatnonzero(np.diff(patients[order])) + 1)
        self._alone = np.concatenate([block for block in blocks if len(block) == 1] or [np.empty(0, np.intp)])
        self._blocks = [block for block in blocks if len(block) > 1]

    def unseen(self, wanted: Floats, penalty: float) -> Floats:
        """Predictions (m, P) of P things (m, P) by regressions that have not seen the patient.

        The residuals of the slides B of a patient are (I - H)_BB^-1 times those of the fit to all (Cook and Weisberg
        1982), where H makes fitted values of the wanted ones.
        """
        shrink, constant = self._values / (self._values + penalty), 1 / len(wanted)
        residuals = wanted - wanted.mean(axis=0) - self._vectors @ (shrink[:, None] * (self._vectors.T @ wanted))
        found = np.empty_like(wanted)
        own = (self._vectors[self._alone] ** 2) @ shrink + constant
        found[self._alone] = wanted[self._alone] - residuals[self._alone] / (1 - own + _TINY)[:, None]
        for block in self._blocks:
            part = self._vectors[block]
            inner = (1 + _TINY) * np.eye(len(block)) - (part * shrink) @ part.T - constant
            found[block] = wanted[block] - np.linalg.solve(inner, residuals[block])
        return found

    def predict(self, wanted: Floats, penalty: float, others: NDArray[np.intp]) -> Floats:
        """Predictions (k,) for other slides, by their places, of what is wanted (m,) of those learned from."""
        cross = self._family.kernel[np.ix_(others, self._rows)]
        centered = cross - self._mean - cross.mean(axis=1, keepdims=True) + self._total
        return np.asarray(wanted.mean() + centered @ self._dual(wanted, penalty))

    def weights(self, wanted: Floats, penalty: float) -> tuple[Floats, float]:
        """Weights (d,) of the columns and the constant, for one thing (m,)."""
        columns = self._family.columns[self._rows]
        center = columns.mean(axis=0)
        weight = (columns - center).T @ self._dual(wanted, penalty) / columns.shape[1]
        return weight, float(wanted.mean() - center @ weight)

    def _dual(self, wanted: Floats, penalty: float) -> Floats:
        return np.asarray(self._vectors @ (self._vectors.T @ (wanted - wanted.mean()) / (self._values + penalty)))


@dataclass(frozen=True)
class Stack:
    """What was fitted to m slides.

    Attributes
    ----------
    ridges, penalties, shares
        The regression of each family, its penalty, and its weight in the stack.
    wanted
        (m,).
    unseen
        Scores (m,) of the slides learned from, of which each regression had not seen the patient.
    """

    ridges: Mapping[str, Ridge]
    penalties: tuple[float, ...]
    shares: Floats
    wanted: Floats
    unseen: Floats

    def scores(self, others: NDArray[np.intp]) -> Floats:
        """Scores (k,) of other slides, less the mean of what is wanted."""
        middle = self.wanted.mean()
        parts = zip(self.ridges.values(), self.penalties, self.shares.tolist(), strict=True)
        each = [share * (one.predict(self.wanted, by, others) - middle) for one, by, share in parts]
        return np.asarray(np.sum(each, axis=0))

    def weights(self, parts: Mapping[str, slice]) -> tuple[Floats, float]:
        """Weights (D,) of the columns, and what is added to their sum for `scores`."""
        weight, offset = np.zeros(max(part.stop for part in parts.values())), 0.0
        for (name, ridge), penalty, share in zip(
            self.ridges.items(), self.penalties, self.shares.tolist(), strict=True
        ):
            own, constant = ridge.weights(self.wanted, penalty)
            weight[parts[name]] = share * own
            offset += share * (constant - self.wanted.mean())
        return weight, offset


def see(places: Floats, parts: Mapping[str, slice]) -> dict[str, Family]:
    """Look at slides (n, D) by families of columns."""
    return {name: Family(places[:, part]) for name, part in parts.items()}


def stack(families: Mapping[str, Family], patients: Whole, wanted: Floats, learned: Mask | None = None) -> Stack:
    """Fit a linear score to what is wanted of slides (n,), all or some."""
    rows = np.ones(len(wanted), np.bool_) if learned is None else learned
    ridges, wanted = {name: family.on(rows, patients) for name, family in families.items()}, wanted[rows]
    penalties, unseen = best(ridges, wanted)
    shares = shares_of(unseen, wanted)
    return Stack(ridges, penalties, shares, wanted, (unseen - wanted.mean()) @ shares)


def best(ridges: Mapping[str, Ridge], wanted: Floats) -> tuple[tuple[float, ...], Floats]:
    """The penalty of each family that predicts patients best whom it has not seen, and those predictions (m, F)."""
    penalties, unseen = list[float](), list[Floats]()
    for ridge in ridges.values():
        tried = {penalty: ridge.unseen(wanted[:, None], penalty)[:, 0] for penalty in PENALTIES}
        chosen = min(tried, key=lambda penalty: float(((tried[penalty] - wanted) ** 2).sum()))
        penalties.append(chosen)
        unseen.append(tried[chosen])
    return tuple(penalties), np.column_stack(unseen)


def shares_of(unseen: Floats, wanted: Floats) -> Floats:
    """Weights (F,), of at least zero, with which predictions (m, F) are best combined; pulled towards equal ones."""
    from scipy.optimize import nnls

    count = unseen.shape[1]
    equal = np.full(count, 1 / count)
    left = np.vstack([unseen - wanted.mean(), _PULL * np.eye(count)])
    found = np.asarray(nnls(left, np.concatenate([wanted - wanted.mean(), _PULL * equal]))[0])
    return found if found.any() else equal
