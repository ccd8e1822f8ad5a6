import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from pathopipe.training.targets import targets

LABELS = arrays.arrays(np.int32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.integers(0, 3))


@settings(deadline=None)  # the first one compiles
@given(LABELS)
def test_the_distance_is_largest_once_per_nucleus_and_falls_to_its_edge(labels: np.ndarray) -> None:
    foreground, distance = np.moveaxis(targets(labels), 2, 0)
    np.testing.assert_array_equal(foreground, np.where(labels > 0, 255, 0))
    assert (distance[labels == 0] == 0).all()
    for label in np.unique(labels[labels > 0]):
        own = distance[labels == label]
        assert own.max() == 255
        assert own.min() > 0


def test_the_distance_is_relative_to_each_nucleus() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[5:16, 5:16] = 1
    labels[20:51, 20:51] = 2
    distance = targets(labels)[..., 1].astype(float)
    for label in (1, 2):
        exact = ndimage.distance_transform_edt(np.pad(labels == label, 1))[1:-1, 1:-1] - 0.5
        np.testing.assert_allclose(distance[labels == label], (255 * exact / exact.max())[labels == label], atol=1)


def test_touching_nuclei_have_a_valley_between_them() -> None:
    labels = np.zeros((30, 60), np.int32)
    labels[5:25, 5:30], labels[5:25, 30:55] = 1, 2
    row = targets(labels)[15, :, 1].astype(int)
    assert row[29] < 30
    assert row[30] < 30
    assert row[17] == row[42] == 255
