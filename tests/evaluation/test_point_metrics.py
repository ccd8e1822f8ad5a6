import numpy as np
import pytest

from pathopipe.evaluation.point_metrics import (
    PointCounts,
    TypeCounts,
    compare_points,
    point_intervals,
    point_scores,
    type_f1,
    type_recall,
)


def um(*places: float) -> np.ndarray:
    """Points along a line, 10 um per unit."""
    return np.array([(10 * place, 5.0) for place in places]).reshape(-1, 2)


def test_two_of_three_points_are_found_and_one_nucleus_is_none():
    counts = compare_points(um(0, 1.2, 5), um(0, 1, 2))
    assert counts == PointCounts(found=2, predicted=3, labelled=3)
    result = point_scores(counts)
    assert result.detection_f1 == result.precision == result.recall == pytest.approx(2 / 3)


def test_the_nearest_pair_is_matched_first():
    # The nucleus at 0.2 is nearer to the point at 0.3 than the one at 0.6: greedily, 0 and 0.6 stay alone.
    counts = compare_points(um(0.2, 0.6), um(0, 0.3))
    assert counts.found == 1
    assert compare_points(um(0.1, 0.59), um(0, 0.3)).found == 2


def test_types_are_right_where_a_pair_agrees():
    counts = compare_points(um(0, 1, 2, 9), um(0, 1, 2, 3), ["t", "l", "t", "l"], ["t", "t", "l", "l"])
    assert counts.found == 3
    assert counts.types == {"l": TypeCounts(2, 1, 0, 2), "t": TypeCounts(2, 2, 1, 2)}
    assert (type_recall(counts.types["t"]), type_f1(counts.types["t"])) == (1, 0.5)
    assert (type_recall(counts.types["l"]), type_f1(counts.types["l"])) == (0.5, 0)


def test_a_type_that_only_results_have_was_said_in_vain():
    counts = compare_points(um(0), um(0), ["x"], ["t"])
    assert counts.types == {"t": TypeCounts(1, 1, 0, 0), "x": TypeCounts(0, 0, 0, 1)}


def test_what_lies_at_a_point_of_no_type_is_neither_right_nor_wrong():
    counts = compare_points(um(0, 1), um(0, 1), ["t", "t"], ["", "t"])
    assert counts.types == {"t": TypeCounts(1, 1, 1, 1)}


def test_without_types_of_nuclei_there_is_recall_alone():
    counts = compare_points(um(0), um(0, 1), None, ["t", "t"])
    assert not counts.typed
    assert type_recall(counts.types["t"]) == 0.5
    assert compare_points(um(0), um(0), ["t"], None).types == {}


def test_counts_of_images_add_up_by_type():
    one = compare_points(um(0, 1), um(0, 1), ["t", "l"], ["t", "l"])
    other = compare_points(um(0), um(0, 4), ["t"], ["t", "s"])
    both = one + other + compare_points(um(), um(0))
    assert (both.found, both.predicted, both.labelled, both.typed) == (3, 3, 5, True)
    assert both.types == {"l": TypeCounts(1, 1, 1, 1), "s": TypeCounts(1, 0, 0, 0), "t": TypeCounts(2, 2, 2, 2)}


def test_nothing_found_where_nothing_is():
    assert point_scores(compare_points(um(), um())).detection_f1 == 0
    assert type_f1(TypeCounts()) == type_recall(TypeCounts()) == 0


def test_intervals_hold_the_pooled_scores():
    images = [PointCounts(found, 10, 12) for found in (9, 5, 7, 10, 8)]
    low, high = point_intervals(images) or pytest.fail("five images have an interval")
    pooled = point_scores(sum(images, PointCounts()))
    assert low.detection_f1 < pooled.detection_f1 < high.detection_f1
    assert low.recall < pooled.recall < high.recall
    assert point_intervals(images[:1]) is None
