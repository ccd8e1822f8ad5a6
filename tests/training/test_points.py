import cv2
import numpy as np

from pathopipe.ops.channels import Channels
from pathopipe.training.points import outline_points, turned
from tests.training.fields import discs


def maps_of(labels: np.ndarray) -> Channels:
    foreground = (labels > 0).astype(np.uint8)
    distance = cv2.distanceTransform(foreground, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return {"foreground": 255 * foreground, "distance": np.minimum(20 * distance, 255).astype(np.uint8)}


def test_each_point_gets_the_foreground_around_it() -> None:
    labels = np.zeros((120, 120), np.int32)
    cv2.circle(labels, (40, 40), 14, 1, -1)
    cv2.circle(labels, (64, 40), 14, 2, -1)
    learned = outline_points(maps_of(labels), np.array([[40.5, 40.5], [64.5, 40.5]]))
    # But for the outermost pixel of a disc here and there, which smoothing takes.
    assert ((learned[..., 0] > 0) != (labels > 0)).sum() <= 8
    distance = learned[40, :, 1].astype(int)
    assert distance[40] > 200
    assert distance[64] > 200
    assert distance[52] < 60
    assert (learned[..., 2] == 255).mean() > 0.999


def test_what_nobody_marked_counts_less() -> None:
    _, labels = discs(1)
    learned = outline_points(maps_of(labels), np.empty((0, 2)))
    assert (learned[..., 0] == 0).all()
    assert (learned[labels > 0, 2] == 64).all()
    assert (learned[labels == 0, 2] == 255).all()


def test_a_point_without_foreground_gets_a_disc_and_doubtful_surroundings() -> None:
    learned = outline_points(maps_of(np.zeros((80, 80), np.int32)), np.array([[40.5, 30.5]]))
    assert learned[30, 40, 0] == 255
    assert 200 < (learned[..., 0] > 0).sum() < 320
    assert learned[30, 40 + 14, 2] == 0
    assert learned[30, 70, 2] == 255


def test_eight_looks_of_an_engine_that_sees_straight_are_one() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)

    def engine(image: np.ndarray) -> np.ndarray:
        return np.repeat(np.repeat(np.moveaxis(image[..., :2], 2, 0), 2, axis=1), 2, axis=2)

    np.testing.assert_array_equal(turned(engine)(rgb), engine(rgb))
