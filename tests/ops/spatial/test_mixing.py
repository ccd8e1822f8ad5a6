import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.spatial.graph import dual_lengths, edge_lengths, neighbor_graph
from pathopipe.ops.spatial.mixing import (
    co_occurrence,
    diversity,
    enrichment_scores,
    infiltration,
    interaction_shares,
    interface_lengths,
    nearest_distances,
    neighbor_counts,
)
from pathopipe.ops.spatial.pairs import pair_histogram

POINTS = np.random.default_rng(0).random((900, 2)) * 480
GRAPH = neighbor_graph(POINTS)


def random_types(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1, 0, 1, 2, 3], 900, p=[0.1, 0.4, 0.25, 0.15, 0.1]).astype(np.int8)


def halves() -> np.ndarray:
    """Epithelium to the left, stroma to the right."""
    return np.where(POINTS[:, 0] < 240, 0, 2).astype(np.int8)


def histogram(types: np.ndarray) -> np.ndarray:
    return pair_histogram(POINTS, np.where(types < 0, len(TYPES), types), len(TYPES) + 1)


def test_interaction_is_the_share_of_edges():
    types = random_types()
    ends = np.vstack([GRAPH.edges, GRAPH.edges[:, ::-1]])
    shares = interaction_shares(types, GRAPH)
    for a in range(4):
        of = [types[j] for i, j in ends if types[i] == a and types[j] >= 0]
        np.testing.assert_allclose(shares[a], np.bincount(of, minlength=4) / len(of), rtol=1e-12)
    np.testing.assert_allclose(shares.sum(1), 1.0)


def test_enrichment_is_that_of_shuffled_types():
    types = random_types()
    types[POINTS[:, 0] < 100] = 1
    known, rng = np.flatnonzero(types >= 0), np.random.default_rng(2)
    draws = []
    for _ in range(2500):
        shuffled = types.copy()
        shuffled[known] = rng.permutation(types[known])
        draws.append(neighbor_counts(shuffled, GRAPH))
    expected = (neighbor_counts(types, GRAPH) - np.mean(draws, axis=0)) / np.std(draws, axis=0)
    found = enrichment_scores(types, GRAPH)
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.1)
    np.testing.assert_array_equal(found, found.T)
    assert found[1, 1] > 5


def test_nearest_of_each_other_type():
    types = random_types()
    found = nearest_distances(POINTS, types)
    assert len(found) == 12
    for (a, b), distances in found.items():
        expected = cKDTree(POINTS[types == b]).query(POINTS[types == a])[0]
        np.testing.assert_allclose(distances, expected, rtol=1e-12)
    two = nearest_distances(POINTS, types, workers=2)
    assert all(two[key].tobytes() == values.tobytes() for key, values in found.items())


def test_co_occurrence_is_the_ratio_of_its_shares():
    types = random_types()
    for within in (25, 50, 100):
        found = co_occurrence(histogram(types), types, within)
        pairs = cKDTree(POINTS).query_pairs(within, output_type="ndarray")
        first, second = types[np.vstack([pairs, pairs[:, ::-1]])].T
        known = (first >= 0) & (second >= 0)
        for a in range(4):
            for b in range(4):
                ratio = (second[known & (first == a)] == b).mean() / (second[known] == b).mean()
                assert found[a, b] == pytest.approx(ratio, rel=1e-12)
        np.testing.assert_allclose(found, 1.0, atol=0.6)


def test_separate_types_do_not_mix():
    types = halves()
    shares, scores = interaction_shares(types, GRAPH), enrichment_scores(types, GRAPH)
    assert shares[0, 0] > 0.9
    assert scores[0, 2] < -20
    assert scores[0, 0] > 10
    assert co_occurrence(histogram(types), types, 25)[0, 2] < 0.2
    assert np.all(np.isnan(shares[1]))
    assert np.all(np.isnan(scores[1]))
    types[:19] = 1
    assert np.all(np.isnan(co_occurrence(histogram(types), types, 25)[1]))
    assert np.all(np.isnan(interaction_shares(types, GRAPH)[1]))
    assert np.all(np.isnan(enrichment_scores(types, GRAPH)[1]))


def test_the_interface_is_as_long_as_the_line_between_the_types():
    """Voronoi edges zigzag about a line: by 4 / pi for random points."""
    stromal, others = interface_lengths(halves(), GRAPH, dual_lengths(POINTS, GRAPH))
    assert stromal == others
    assert stromal == pytest.approx(0.48 * 4 / math.pi, rel=0.15)
    types = halves()
    types[(POINTS[:, 0] >= 240) & (POINTS[:, 1] > 240)] = 3
    lower, both = interface_lengths(types, GRAPH, dual_lengths(POINTS, GRAPH))
    assert both == stromal
    assert lower == pytest.approx(stromal / 2, rel=0.3)


def test_diversity_of_squares():
    rng = np.random.default_rng(0)
    points = np.vstack([rng.random((40, 2)) * 250, rng.random((40, 2)) * 250 + [250, 0], rng.random((19, 2)) + 600])
    types = np.repeat([0, 0, 2, 1], [40, 20, 20, 19]).astype(np.int8)
    found = diversity(points - 30.0, types, (-30.0, -30.0))
    assert found["shannon_mean"] == pytest.approx(math.log(2) / 2)
    assert found["shannon_sd"] == pytest.approx(math.log(2) / 2)
    assert found["simpson_mean"] == pytest.approx(0.25)
    assert found["simpson_sd"] == pytest.approx(0.25)
    for none in (np.zeros(0, bool), np.arange(99) >= 80):
        few = diversity(points[: len(none)][none], types[: len(none)][none], (0.0, 0.0))
        assert all(map(math.isnan, few.values()))


def test_infiltration():
    types = random_types()
    found = infiltration(nearest_distances(POINTS, types), types, GRAPH)
    distances = cKDTree(POINTS[types == 0]).query(POINTS[types == 1])[0]
    for d in (25, 50, 100):
        assert found[f"inflammatory_within_{d}um"] == (distances <= d).mean()
    ends = np.vstack([GRAPH.edges, GRAPH.edges[:, ::-1]])
    joins = np.count_nonzero((types[ends[:, 0]] == 0) & (types[ends[:, 1]] == 1))
    assert found["inflammatory_per_epithelial"] == joins / np.count_nonzero(types == 0)


@pytest.mark.parametrize("count", [0, 1, 19, 300])
def test_with_few_of_a_type_nothing_is_said(count):
    """No type, one only, and too few of all."""
    points, types = POINTS[:count], np.zeros(count, np.int8)
    graph = neighbor_graph(points)
    scores, shares = enrichment_scores(types, graph), interaction_shares(types, graph)
    assert np.all(np.isnan(scores))
    assert np.count_nonzero(~np.isnan(shares)) == (4 if count == 300 else 0)
    assert nearest_distances(points, types) == {}
    assert all(map(math.isnan, infiltration({}, types, graph).values()))
    assert all(map(math.isnan, interface_lengths(types, graph, edge_lengths(points, graph))))
    ratio = co_occurrence(pair_histogram(points, types, 5), types, 50)
    assert np.count_nonzero(~np.isnan(ratio)) == (1 if count == 300 else 0)


def test_unknown_types_count_nowhere():
    types = np.full(900, -1, np.int8)
    assert np.all(np.isnan(enrichment_scores(types, GRAPH)))
    assert np.all(np.isnan(interaction_shares(types, GRAPH)))
    assert all(map(math.isnan, diversity(POINTS, types, (0.0, 0.0)).values()))
