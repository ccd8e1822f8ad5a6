"""The rule that tells types from descriptions: penalized multinomial regression, checked on patients kept apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.models.types.model import softmax

PENALTIES: Final = (0.3, 3.0, 30.0, 300.0)
"""Weights of the penalty that are tried, per square of the distance from the rule to start from."""
_FOLDS: Final = 5
_TEMPERATURES: Final = np.exp(np.linspace(np.log(0.3), np.log(5), 57))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """A linear rule: values of K types are descriptions (N, D) times ``weight`` (K, D), plus ``bias`` (K,)."""

    weight: Floats
    bias: Floats

    def values(self, described: Floats) -> Floats:
        """Values (N, K), of which a softmax makes probabilities."""
        return np.asarray(described @ self.weight.T + self.bias)


@dataclass(frozen=True)
class Sample:
    """Nuclei whose type is known.

    Attributes
    ----------
    described
        float64 (N, V, D): each nucleus as it is described in V orientations of the image, the first as it is.
    types
        int (N,): the place of its type among the classes.
    groups
        int (N,): which nuclei must stay on one side of a split, those of a patient.
    """

    described: Floats
    types: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.types)

    def as_it_is(self) -> "Sample":
        """The nuclei in the first orientation alone: for many fits, of which none is kept."""
        return Sample(self.described[:, :1], self.types, self.groups)

    def part(self, chosen: NDArray[np.bool_]) -> "Sample":
        """Some of the nuclei."""
        return Sample(self.described[chosen], self.types[chosen], self.groups[chosen])


def fit(sample: Sample, start: Rule, penalty: float) -> Rule:
    """Fit a rule, penalized by how far it is from the one to start from, so that a few labels change it a little.

    Each type counts as the square root of its number, so that a rare one is not overlooked.
    """
    from scipy.optimize import minimize

    views = sample.described.shape[1]
    x = sample.described.reshape(-1, sample.described.shape[2])
    shift, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    x = (x - shift) / scale
    y = np.repeat(sample.types, views)
    number = np.bincount(y, minlength=len(start.bias))
    each = 1 / np.sqrt(np.maximum(number, 1))[y]
    each *= len(sample) / each.sum()
    # The rule to start from, in the same scale.
    origin = np.column_stack([start.weight * scale, start.bias + start.weight @ shift])
    wanted = np.eye(len(start.bias))[y]
    free = np.r_[np.ones(x.shape[1]), 0.0]  # a bias costs nothing

    def loss(flat: Floats) -> tuple[float, Floats]:
        apart = flat.reshape(origin.shape)
        shares = softmax(x @ (origin + apart)[:, :-1].T + (origin + apart)[:, -1]).astype(np.float64)
        off = (shares - wanted) * each[:, None]
        value = -(each * np.log(np.maximum(shares[np.arange(len(y)), y], 1e-12))).sum()
        slope = np.column_stack([off.T @ x, off.sum(axis=0)])
        return value + penalty * ((apart * free) ** 2).sum() / 2, (slope + penalty * apart * free).ravel()

    found = minimize(loss, np.zeros(origin.size), jac=True, method="L-BFGS-B", options={"maxiter": 100})
    rule = origin + found.x.reshape(origin.shape)
    weight = rule[:, :-1] / scale
    return Rule(weight, rule[:, -1] - weight @ shift)


def kept_apart(sample: Sample, start: Rule, penalty: float) -> Floats:
    """Values (N, K) of each nucleus by a rule that was fitted without its patient."""
    values = np.empty((len(sample), len(start.bias)))
    for tested in _folds(sample.groups):
        values[tested] = fit(sample.part(~tested).as_it_is(), start, penalty).values(sample.described[tested, 0])
    return values


def choose_penalty(sample: Sample, start: Rule) -> float:
    """Return the penalty under which patients kept apart are told best, by the mean log-likelihood over types."""
    return max(PENALTIES, key=lambda penalty: likelihood(kept_apart(sample, start, penalty), sample.types))


def nested(sample: Sample, start: Rule) -> Floats:
    """Values (N, K) as `kept_apart` gives, with a penalty that was chosen without the patient, too."""
    values = np.empty((len(sample), len(start.bias)))
    for tested in _folds(sample.groups):
        rest = sample.part(~tested)
        penalty = choose_penalty(rest, start) if len(np.unique(rest.groups)) > 1 else PENALTIES[len(PENALTIES) // 2]
        values[tested] = fit(rest.as_it_is(), start, penalty).values(sample.described[tested, 0])
    return values


def likelihood(values: Floats, types: NDArray[np.int64]) -> float:
    """Mean over the types of the mean log-probability that their nuclei have of being what they are."""
    shares = softmax(values)[np.arange(len(types)), types].astype(np.float64)
    known = np.unique(types)
    return float(np.mean([np.log(np.maximum(shares[types == kind], 1e-6)).mean() for kind in known]))


def choose_temperature(values: Floats, types: NDArray[np.int64]) -> float:
    """Return what values are to be divided by so that probabilities say how often they are right (Guo et al. 2017)."""

    def cost(temperature: float) -> float:
        shares = softmax(values / temperature)[np.arange(len(types)), types].astype(np.float64)
        return float(-np.log(np.maximum(shares, 1e-12)).mean())

    return float(min(_TEMPERATURES, key=cost))


def f1_by_type(values: Floats, types: NDArray[np.int64]) -> list[float]:
    """F1 of each type, where every nucleus gets the one of the largest value."""
    said, count = values.argmax(axis=1), values.shape[1]
    right = np.bincount(types[said == types], minlength=count)
    both = np.bincount(said, minlength=count) + np.bincount(types, minlength=count)
    return [float(2 * hit / total) if total else 0.0 for hit, total in zip(right, both, strict=True)]


def _folds(groups: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    """Which nuclei are tested in each of up to five folds; a patient is in one of them."""
    names = np.unique(groups)
    folds = min(_FOLDS, len(names))
    for number in range(folds):
        yield np.isin(groups, names[number::folds])
