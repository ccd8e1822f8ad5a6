"""The rule that tells types: fitted to points of known classes, and checked on groups kept apart."""

import numpy as np
import pytest

from pathopipe.training.type_rule import (
    PENALTIES,
    Rule,
    Sample,
    choose_penalty,
    choose_temperature,
    f1_by_type,
    fit,
    kept_apart,
    nested,
)

SIZE, CLASSES = 6, 3
ZERO = Rule(np.zeros((CLASSES, SIZE)), np.zeros(CLASSES))


def sample(count: int, spread: float = 0.5, groups: int = 4, seed: int = 0) -> Sample:
    """Clusters around unit vectors, in two views each; the second class is three times as frequent as the others."""
    rng = np.random.default_rng(seed)
    types = rng.choice(CLASSES, count, p=[0.2, 0.6, 0.2])
    described = np.eye(CLASSES, SIZE)[types][:, None] + rng.normal(0, spread, (count, 2, SIZE))
    return Sample(described, types, rng.integers(0, groups, count))


def test_clusters_are_told_apart() -> None:
    learned, tested = sample(400), sample(400, seed=1)
    rule = fit(learned, ZERO, 1.0)
    assert min(f1_by_type(rule.values(tested.described[:, 0]), tested.types)) > 0.75


def test_an_endless_penalty_leaves_the_rule_to_start_from() -> None:
    start = Rule(np.arange(CLASSES * SIZE).reshape(CLASSES, SIZE) / 10, np.array([0.3, -0.2, 0.0]))
    known = sample(200)
    rule = fit(known, start, 1e9)
    np.testing.assert_allclose(rule.weight, start.weight, atol=1e-4)
    free = fit(known, start, 1e-3)
    assert np.abs(free.weight - start.weight).max() > 0.5


def test_a_nucleus_is_told_without_its_own_group() -> None:
    """Groups whose descriptions say nothing, but their group: fitted with them, they would be told at once."""
    rng = np.random.default_rng(3)
    types = np.repeat([0, 1, 0, 1], 30)
    groups = np.repeat([0, 1, 2, 3], 30)
    described = np.eye(4, SIZE)[groups][:, None] + rng.normal(0, 0.05, (120, 1, SIZE))
    known = Sample(described, types, groups)
    start = Rule(np.zeros((2, SIZE)), np.zeros(2))
    with_it = fit(known, start, 0.3).values(described[:, 0])
    assert f1_by_type(with_it, types) == [1.0, 1.0]
    apart = kept_apart(known, start, 0.3)
    assert max(f1_by_type(apart, types)) < 0.8


def test_the_penalty_is_strong_where_labels_are_few_and_the_start_is_right() -> None:
    start = Rule(np.eye(CLASSES, SIZE) / 0.7**2, np.zeros(CLASSES))
    assert choose_penalty(sample(30, spread=0.7), start) > choose_penalty(sample(3000, spread=0.7), ZERO)
    assert choose_penalty(sample(100), ZERO) in PENALTIES


def test_a_temperature_makes_probabilities_true() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 2, (20000, CLASSES))
    shares = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    types = (shares.cumsum(axis=1) < rng.random((len(values), 1))).sum(axis=1)
    assert choose_temperature(values, types) == pytest.approx(1, abs=0.06)
    assert choose_temperature(3 * values, types) == pytest.approx(3, abs=0.2)


def test_every_nucleus_is_told_where_there_are_two_groups_only() -> None:
    values = nested(sample(120, groups=2), ZERO)
    assert np.isfinite(values).all()
    assert values.shape == (120, CLASSES)


def test_f1_by_type_counts_each_type() -> None:
    values = np.array([(1.0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 1, 0)])
    assert f1_by_type(values, np.array([0, 1, 1, 1])) == [pytest.approx(2 / 3), pytest.approx(0.8), 0.0]
