"""Ours beside what other libraries compute: `recipes/spatial_references.py` says how."""

import importlib.util
import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pathopipe.ops.spatial.autocorrelation import autocorrelation, hot_spot_scores, local_moran, weights_of
from pathopipe.ops.spatial.clusters import dense_clusters
from pathopipe.ops.spatial.graph import neighbor_graph
from pathopipe.ops.spatial.mixing import co_occurrence, enrichment_scores, interaction_shares, neighbor_counts
from pathopipe.ops.spatial.pairs import pair_histogram, sums_within
from pathopipe.ops.spatial.ripley import k_function, l_minus_r, reduced_sample

REFERENCES = json.loads(Path(__file__).with_name("references.json").read_text(encoding="utf-8"))
POINTS = np.array(REFERENCES["points_um"])
COUNT = len(POINTS)
MODULES = {
    "esda": ("esda", "libpysal"),
    "pointpats": ("pointpats",),
    "sklearn": ("sklearn",),
    "squidpy": ("squidpy", "anndata"),
}
LIBRARIES = tuple(MODULES)


def recipe() -> ModuleType:
    path = Path(__file__).parents[3] / "recipes" / "spatial_references.py"
    spec = importlib.util.spec_from_file_location("spatial_references", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def same(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=1e-6, atol=1e-9)


def compare_esda(theirs: dict[str, Any]) -> None:
    values, graph = np.array(REFERENCES["values"]), neighbor_graph(POINTS)
    weights = weights_of(values, graph)
    ours = autocorrelation(values, weights)
    same(
        (ours.moran_i, ours.moran_z, ours.geary_c, ours.geary_z),
        [theirs[name] for name in ("moran_i", "moran_z", "geary_c", "geary_z")],
    )
    assert len(weights.chosen) == COUNT
    local, scores = local_moran(values, weights)
    # esda's I has n - 1 where ours has n, and its score compares that I with the moments of ours.
    same(local * (COUNT - 1) / COUNT, theirs["local_moran"])
    z = (values - values.mean()) / values.std()
    spread = (local + z**2 * weights.degree / (COUNT - 1)) / scores
    same(scores - local / COUNT / spread, theirs["local_moran_z"])
    high, near_high = z > 0, (local > 0) == (z > 0)
    quadrants = np.select([high & near_high, ~high & near_high, ~high & ~near_high], [1, 2, 3], 4)
    np.testing.assert_array_equal(quadrants, theirs["quadrants"])
    same(hot_spot_scores(POINTS, values), theirs["hot_spot_z"])


def compare_pointpats(theirs: dict[str, Any]) -> None:
    at = np.array([5, 10, 20, 30, 50, 100])
    box = float(np.prod(POINTS.max(0) - POINTS.min(0)))
    histogram = pair_histogram(POINTS, np.zeros(COUNT, np.int8), 1)[0, 0]
    k = k_function(histogram, COUNT, np.full(101, box)) * (COUNT - 1) / COUNT  # theirs counts a point with itself
    same(k[at - 1], theirs["k"])
    same(l_minus_r(k)[at - 1], theirs["l_minus_r"])
    distances = np.sqrt(((POINTS[:, None] - POINTS[None]) ** 2).sum(-1))
    np.fill_diagonal(distances, np.inf)
    same(reduced_sample(distances.min(1), np.full(COUNT, 1e9), at), theirs["g"])


def compare_sklearn(theirs: dict[str, Any]) -> None:
    ours, labels = dense_clusters(POINTS, 25.0, 6), np.array(theirs["labels"])
    cores = np.array(theirs["cores"])
    np.testing.assert_array_equal(ours >= 0, labels >= 0)
    np.testing.assert_array_equal(np.flatnonzero(sums_within(POINTS, np.empty((COUNT, 0)), 25.0)[1] >= 6), cores)
    assert len(set(zip(ours[cores], labels[cores], strict=True))) == len(set(labels[cores])) == len(set(ours[cores]))
    assert len(set(ours[cores])) > 3


def compare_squidpy(theirs: dict[str, Any]) -> None:
    types, graph = np.array(REFERENCES["types"], np.int8), neighbor_graph(POINTS)
    same(interaction_shares(types, graph), theirs["interaction"])
    np.testing.assert_array_equal(neighbor_counts(types, graph), theirs["counts"])
    # Theirs is by 20,000 permutations: its noise is below 1% of a score, and below 0.01.
    np.testing.assert_allclose(enrichment_scores(types, graph), theirs["enrichment_z"], rtol=0.02, atol=0.03)
    histogram = pair_histogram(POINTS, types, 4)
    same([co_occurrence(histogram, types, within) for within in (25, 50, 100)], theirs["co_occurrence"])


COMPARE = dict(zip(LIBRARIES, (compare_esda, compare_pointpats, compare_sklearn, compare_squidpy), strict=True))


@pytest.mark.parametrize("library", LIBRARIES)
def test_ours_are_the_stored_values(library):
    COMPARE[library](REFERENCES[library])


def test_the_stored_data_are_those_of_the_recipe():
    made = recipe().made_data()
    for name, values in made.items():
        np.testing.assert_allclose(REFERENCES[name], values, rtol=1e-12)
    np.testing.assert_array_equal(neighbor_graph(POINTS).edges, recipe().edges(POINTS))


@pytest.mark.parametrize("library", LIBRARIES)
def test_ours_are_what_the_libraries_compute(library):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in MODULES[library]:
            pytest.importorskip(name, reason=f"{name} is not installed: no test needs it")
        theirs = recipe().LIBRARIES[library](REFERENCES)
    COMPARE[library](theirs)
