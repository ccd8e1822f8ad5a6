import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.evaluation.metrics import Counts, compare, intervals, match, scores


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


@settings(deadline=None)
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


@settings(deadline=None)
@given(labels, labels, st.permutations(range(1, 5)))
def test_the_numbering_does_not_matter(predicted: np.ndarray, truth: np.ndarray, numbers: list[int]) -> None:
    renumbered = np.array([0, *numbers])[predicted]
    before, after = compare(predicted, truth, mpp=0.5), compare(renumbered, truth, mpp=0.5)
    assert (before.tp, before.fp, before.fn) == (after.tp, after.fp, after.fn)
    assert before.iou_sum == pytest.approx(after.iou_sum)


def images(n: int) -> list[Counts]:
    """Counts of images of ten to twenty nuclei, of which a varying part is found."""
    rng = np.random.default_rng(8)
    result = []
    for nuclei, share in zip(rng.integers(10, 21, n), rng.uniform(0.3, 0.9, n), strict=True):
        tp = round(nuclei * share)
        left = int(nuclei) - tp
        result.append(Counts(tp, left + 1, left, 0.8 * tp, 60 * tp, 100 * int(nuclei), tp, tp + left + 1, int(nuclei)))
    return result


def test_intervals_hold_the_pooled_scores_and_shrink_with_more_images() -> None:
    widths = []
    for n in (6, 60):
        low, high = intervals(images(n)) or pytest.fail("there must be intervals")
        pooled = scores(sum(images(n), Counts()))
        for name in ("f1", "precision", "recall", "pq", "aji", "detection_f1"):
            assert getattr(low, name) < getattr(pooled, name) < getattr(high, name)
        widths.append(high.f1 - low.f1)
    # As the root of the number of images, about.
    assert widths[1] < widths[0] / 2


def test_intervals_are_the_same_every_time_and_whatever_the_images_repeat() -> None:
    assert intervals(images(7)) == intervals(images(7))
    low, high = intervals([images(1)[0]] * 5) or pytest.fail("there must be intervals")
    for end in (low.f1, high.f1):
        assert end == pytest.approx(scores(images(1)[0]).f1)


def test_one_image_has_no_interval() -> None:
    assert intervals(images(1)) is None


def test_pairs_are_matched_nearest_first() -> None:
    predicted, truth = np.array([[0.0, 0.0], [0.0, 5.0]]), np.array([[0.0, 2.0], [0.0, 4.5], [9.0, 9.0]])
    assert match(predicted, truth, 3.0).tolist() == [[1, 1], [0, 0]]
    assert match(predicted, truth[:0], 3.0).shape == (0, 2)
