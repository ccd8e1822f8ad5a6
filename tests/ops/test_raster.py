import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import points_in_poly

from pathopipe.ops.raster import rasterize, runs_of_rings
from tests.ops.strategies import label_images, outlines, runs_of_labels


@settings(deadline=None, max_examples=150)
@given(label_images(), st.sampled_from([1.0, 2.0, 1.987, 0.31]))
def test_rasterized_outlines_are_the_labels(labels, factor):
    """Also after the way to the slide's pixels and back, which rounds."""
    rings = outlines(labels, origin=(5000, 70_000))
    there_and_back = rings.coords * factor / factor
    place = (there_and_back, rings.offsets, labels.shape, (5000, 70_000))
    np.testing.assert_array_equal(rasterize(*place), labels)
    for found, expected in zip(runs_of_rings(*place), runs_of_labels(labels, len(rings.offsets) - 1), strict=True):
        np.testing.assert_array_equal(found, expected)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(3, 9), st.booleans())
def test_any_ring_by_the_even_odd_rule(seed, corners, closed):
    """Rings that cross themselves and lie partly out of sight, compared with scikit-image's test of single points."""
    ring = np.random.default_rng(seed).uniform(-4, 16, (corners, 2))
    rows, columns = np.indices((12, 10))
    inside = points_in_poly(np.stack([columns.ravel(), rows.ravel()], 1) + 0.5, ring)
    coords = np.concatenate([ring, ring[:1]]) if closed else ring
    labels = rasterize(coords, np.array([0, len(coords)]), (12, 10))
    np.testing.assert_array_equal(labels.ravel() == 1, inside)


def test_a_center_on_an_edge_counts_to_one_of_two_neighbors():
    left = [[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]]
    right = [[2.5, 0.5], [4.5, 0.5], [4.5, 2.5], [2.5, 2.5]]
    labels = rasterize(np.array(left + right), np.array([0, 4, 8]), (3, 5))
    assert labels.tolist() == [[1, 1, 2, 2, 0], [1, 1, 2, 2, 0], [0, 0, 0, 0, 0]]


def test_the_first_ring_keeps_the_pixel():
    square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    labels = rasterize(np.concatenate([square, square + 1]), np.array([0, 4, 8]), (3, 3))
    assert labels.tolist() == [[1, 1, 0], [1, 1, 2], [0, 2, 2]]


def test_runs_of_a_ring_are_all_of_its_pixels_whatever_lies_over_it():
    square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    runs = runs_of_rings(np.concatenate([square, square + 1]), np.array([0, 4, 8]), (3, 3))
    assert runs.spans.tolist() == [[0, 0, 2], [1, 0, 2], [1, 1, 3], [2, 1, 3]]
    assert runs.ends.tolist() == [0, 2, 4]


def test_nothing_gives_background():
    assert rasterize(np.empty((0, 2)), np.array([0]), (2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_wrong_input_is_named():
    square = np.array([[0.0, 0], [2, 0], [2, 2]])
    with pytest.raises(ValueError, match="offsets"):
        rasterize(square, np.array([0, 4]), (3, 3))
    with pytest.raises(ValueError, match="finite"):
        rasterize(square * np.nan, np.array([0, 3]), (3, 3))
