"""Depths of pixels in nuclei, against scipy's distance transform."""

import numpy as np
import pytest
from scipy import ndimage

from pathopipe.ops.depths import depths
from tests.ops.measured_field import MeasuredField, field, made

KIDNEY = np.zeros((14, 30), bool)
KIDNEY[2:12, 3:27] = True
KIDNEY[2:9, 12:19] = False


def expected(inside: np.ndarray, mpp: tuple[float, float]) -> np.ndarray:
    """Half a pixel less than to the nearest pixel outside, which what is beyond the image is."""
    far = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=mpp[::-1])[1:-1, 1:-1]
    return far[inside] - min(mpp) / 2


@pytest.mark.parametrize("mpp", [(0.25, 0.25), (0.4984, 0.4984), (0.5, 0.4), (0.2, 0.7)])
def test_depths_are_exact(mpp: tuple[float, float]) -> None:
    nuclei: MeasuredField = field()
    found, ends = depths(nuclei.runs, *mpp)
    assert len(ends) == nuclei.count + 1
    for number in range(nuclei.count):
        wanted = expected(nuclei.labels == number + 1, mpp)
        assert found[ends[number] : ends[number + 1]] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("mpp", [(0.25, 0.25), (0.2, 0.7), (0.7, 0.2)])
@pytest.mark.parametrize(
    "inside", [KIDNEY, KIDNEY.T, np.ones((1, 9), bool), np.ones((9, 1), bool), np.ones((9, 9), bool)]
)
def test_depths_of_odd_forms_are_exact(inside: np.ndarray, mpp: tuple[float, float]) -> None:
    one = made(np.ascontiguousarray(inside, np.int32), np.zeros((*inside.shape, 3), np.uint8))
    assert depths(one.runs, *mpp)[0] == pytest.approx(expected(inside, mpp), abs=1e-12)
