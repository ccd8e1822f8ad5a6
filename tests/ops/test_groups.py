import numpy as np
import pytest

from pathopipe.ops.groups import FEWEST_SLIDES, find_groups, first_components, scaled

MEASURES = 14
LEAST = np.full(MEASURES, 0.01)


def one_kind(count: int, seed: int, kind: str = "normal") -> np.ndarray:
    """Slides of one scanner: independent, skewed, varying together, or drifting with time."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, MEASURES))
    if kind == "skewed":
        return np.exp(0.7 * noise)
    if kind == "together":
        return noise + 3 * rng.normal(size=(count, 1))
    if kind == "drift":
        return noise + np.linspace(-8, 8, count)[:, None] * (np.arange(MEASURES) < 3)
    return noise


def two_kinds(sizes: tuple[int, ...], seed: int, apart: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Slides of several scanners, in mixed order, that differ in four measures each; and which each is of."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    values = rng.normal(size=(len(truth), MEASURES))
    for kind in range(len(sizes)):
        values[truth == kind, 4 * kind : 4 * kind + 4] += apart
    return values, truth


def same_partition(found: np.ndarray, truth: np.ndarray) -> bool:
    pairs = {*zip(found.tolist(), truth.tolist(), strict=True)}
    return len(pairs) == len(set(truth.tolist())) == len(set(found.tolist()))


@pytest.mark.parametrize("kind", ["normal", "skewed", "together", "drift"])
@pytest.mark.parametrize("count", [10, 15, 40, 200])
def test_slides_of_one_kind_are_not_split(kind: str, count: int):
    split = [find_groups(scaled(one_kind(count, seed, kind), LEAST)).any() for seed in range(100)]
    assert sum(split) <= 4, "the chance is 1%, and a little more of the smallest cohorts"


@pytest.mark.parametrize("sizes", [(8, 8), (20, 20), (30, 10), (25, 20, 15), (300, 200)])
def test_scanners_that_differ_clearly_are_told_apart(sizes: tuple[int, ...]):
    found = [(find_groups(scaled(values, LEAST)), truth) for values, truth in (two_kinds(sizes, s) for s in range(20))]
    assert sum(same_partition(*pair) for pair in found) >= 18
    groups, _ = found[0]
    sizes_found = np.bincount(groups)
    assert sizes_found.tolist() == sorted(sizes_found, reverse=True), "group 0 is the largest"


def test_an_outlier_is_no_group():
    values = one_kind(40, 1)
    values[:2] += 100
    assert not find_groups(scaled(values, LEAST)).any()


def test_of_few_slides_there_are_no_groups():
    values, _ = two_kinds((5, 4), 0, apart=50)
    assert len(values) < FEWEST_SLIDES
    assert not find_groups(values).any()
    assert not find_groups(np.zeros((30, 3))).any()


def test_the_same_slides_are_grouped_alike_in_any_order():
    values, _ = two_kinds((12, 9), 5)
    comparable = scaled(values, LEAST)
    order = np.random.default_rng(1).permutation(len(values))
    assert np.array_equal(find_groups(comparable), find_groups(comparable))
    assert np.array_equal(find_groups(comparable)[order], find_groups(comparable[order]))


def test_the_scale_is_the_spread_within_groups():
    values, truth = two_kinds((20, 20), 2, apart=12)
    comparable = scaled(values, LEAST)
    within = comparable[truth == 0][:, 0].std()
    assert 0.5 < within < 2, "12 apart would be a spread of 6"
    assert np.abs(scaled(values * (1, *[1000] * 13), LEAST)).max() <= 8


def test_a_difference_too_small_to_matter_makes_no_groups():
    values, _ = two_kinds((20, 20), 2)
    assert find_groups(scaled(values, LEAST)).any()
    assert np.abs(scaled(values * 1e-6, LEAST)).max() < 0.01


def test_the_first_component_holds_most_of_the_variation():
    values, truth = two_kinds((20, 20), 3, apart=20)
    places, shares = first_components(values)
    assert shares[0] > 0.9 > shares[1]
    assert abs(np.corrcoef(places[:, 0], truth)[0, 1]) > 0.99
