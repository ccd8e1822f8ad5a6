import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathopipe.ops.metrics import Counts, compare, scores


def image(*boxes: tuple[int, int, int, int], size: int = 20) -> np.ndarray:
    """Label image of boxes (y, x, height, width), numbered from 1."""
    labels = np.zeros((size, size), np.int32)
    for label, (y, x, height, width) in enumerate(boxes, 1):
        labels[y : y + height, x : x + width] = label
    return labels


def test_equal_images_score_one() -> None:
    labels = image((0, 0, 4, 4), (10, 10, 3, 5))
    result = scores(compare(labels, labels, mpp=0.5))
    assert (result.f1, result.precision, result.recall, result.sq, result.pq) == (1, 1, 1, 1, 1)
    assert (result.aji, result.detection_f1) == (1, 1)


def test_one_shifted_one_missed_one_invented() -> None:
    truth = image((0, 0, 4, 4), (10, 0, 4, 4))
    predicted = image((0, 1, 4, 4), (0, 12, 2, 2))
    counts = compare(predicted, truth, mpp=0.5)
    # The shifted pair shares 12 of 20 pixels.
    assert (counts.tp, counts.fp, counts.fn) == (1, 1, 1)
    assert counts.iou_sum == pytest.approx(12 / 20)
    assert (counts.intersection, counts.union) == (12, 20 + 16 + 4)
    assert (counts.found, counts.predicted, counts.labelled) == (1, 2, 2)
    result = scores(counts)
    assert result.f1 == result.precision == result.recall == 0.5
    assert result.pq == pytest.approx(0.5 * 0.6)
    assert result.aji == pytest.approx(12 / 40)


def test_half_is_not_a_match_at_half() -> None:
    counts = compare(image((0, 0, 4, 2)), image((0, 0, 4, 4)), mpp=0.5)
    assert (counts.tp, counts.fp, counts.fn) == (0, 1, 1)
    assert counts.found == 1


def test_a_merge_counts_once_for_every_nucleus_that_it_covers() -> None:
    # Kumar 2017: each true nucleus takes its best prediction, even one that another took too.
    truth = image((0, 0, 4, 4), (0, 4, 4, 4))
    counts = compare(image((0, 0, 4, 8)), truth, mpp=0.5)
    assert (counts.intersection, counts.union) == (32, 64)
    assert (counts.tp, counts.fp, counts.fn) == (0, 1, 2)


def test_detection_reaches_three_micrometers() -> None:
    truth, shifted = image((0, 0, 3, 3)), image((0, 6, 3, 3))
    assert compare(shifted, truth, mpp=0.5).found == 1
    assert compare(shifted, truth, mpp=0.51).found == 0


def test_detection_gives_a_prediction_to_one_nucleus_only() -> None:
    truth = image((0, 0, 3, 3), (0, 4, 3, 3))
    assert compare(image((0, 1, 3, 3)), truth, mpp=0.5).found == 1


def test_nothing_to_find_and_nothing_found() -> None:
    empty, one = image(), image((0, 0, 3, 3))
    assert compare(empty, empty, mpp=0.5) == Counts()
    assert scores(Counts()).f1 == 0
    assert compare(empty, one, mpp=0.5) == Counts(fn=1, union=9, labelled=1)
    assert compare(one, empty, mpp=0.5) == Counts(fp=1, union=9, predicted=1)


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        compare(image(size=20), image(size=21), mpp=0.5)


labels = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 5, (6, 6)))


@given(labels, labels, labels, labels)
def test_counts_add_up_over_images(p1: np.ndarray, t1: np.ndarray, p2: np.ndarray, t2: np.ndarray) -> None:
    far = np.zeros((6, 40), int)
    both = compare(
        np.hstack([p1, far, np.where(p2, p2 + 10, 0)]), np.hstack([t1, far, np.where(t2, t2 + 10, 0)]), mpp=0.5
    )
    total = compare(p1, t1, mpp=0.5) + compare(p2, t2, mpp=0.5)
    assert both.iou_sum == pytest.approx(total.iou_sum)
    assert (both.tp, both.fp, both.fn, both.found) == (total.tp, total.fp, total.fn, total.found)
    assert (both.intersection, both.union) == (total.intersection, total.union)


@given(labels, labels, st.permutations(range(1, 5)))
def test_the_numbering_does_not_matter(predicted: np.ndarray, truth: np.ndarray, numbers: list[int]) -> None:
    renumbered = np.array([0, *numbers])[predicted]
    before, after = compare(predicted, truth, mpp=0.5), compare(renumbered, truth, mpp=0.5)
    assert (before.tp, before.fp, before.fn) == (after.tp, after.fp, after.fn)
    assert before.iou_sum == pytest.approx(after.iou_sum)
