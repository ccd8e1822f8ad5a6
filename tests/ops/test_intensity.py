import numpy as np
import pytest
from scipy import ndimage

from pathopipe.ops.intensity import measure_intensities


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Two separate squares and two that touch, on a background of 0.1."""
    labels = np.zeros((20, 40), np.int32)
    labels[3:9, 3:9], labels[10:16, 3:10], labels[3:9, 20:26], labels[3:9, 26:32] = 1, 2, 3, 4
    density = np.where(labels > 0, 0.7, 0.1).astype(np.float32)
    return labels, density


def test_mean_and_sd_are_those_of_the_pixels():
    labels, _ = scene()
    density = np.random.default_rng(3).random(labels.shape, np.float32)
    result = measure_intensities(labels, 4, density)
    for i in range(4):
        inside = density[labels == i + 1].astype(np.float64)
        assert result["mean"][i] == pytest.approx(inside.mean(), rel=1e-12)
        assert result["sd"][i] == pytest.approx(inside.std(), rel=1e-9)


def test_the_edge_of_a_flat_nucleus_is_its_contrast():
    labels, density = scene()
    assert measure_intensities(labels, 2, density)["edge"] == pytest.approx([0.6] * 2, abs=1e-6)


def test_a_side_shared_with_a_nucleus_alike_has_no_contrast():
    labels, density = scene()
    assert measure_intensities(labels, 4, density)["edge"][2:] == pytest.approx([0.6 * 18 / 24] * 2, abs=1e-6)


def test_other_nuclei_may_be_missing_from_the_label_image():
    labels, _ = scene()
    density = np.random.default_rng(8).random(labels.shape, np.float32)
    alone = np.where(labels == 3, 3, 0).astype(np.int32)
    together, apart = measure_intensities(labels, 4, density), measure_intensities(alone, 4, density)
    assert all(together[name][2] == apart[name][2] for name in together)


def test_blur_lowers_the_edge_but_hardly_the_mean():
    labels, density = scene()
    sharp, soft = (measure_intensities(labels, 4, image) for image in (density, ndimage.gaussian_filter(density, 1.2)))
    assert np.all(soft["edge"] < 0.5 * sharp["edge"])
    assert np.all(soft["mean"] > 0.7 * sharp["mean"])


def test_an_absent_nucleus_is_nan():
    result = measure_intensities(np.zeros((4, 4), np.int32), 1, np.ones((4, 4), np.float32))
    assert all(np.isnan(column[0]) for column in result.values())


def test_where_a_nucleus_lies_changes_no_bit():
    labels, _ = scene()
    density = np.random.default_rng(5).random(labels.shape, np.float32)
    shifted = tuple(np.pad(image, ((7, 0), (3, 9))) for image in (labels, density))
    here, there = measure_intensities(labels, 4, density), measure_intensities(shifted[0], 4, shifted[1])
    for name in here:
        assert here[name].tobytes() == there[name].tobytes()
