import numpy as np
import pytest

from pathopipe.evaluation.point_metrics import (
    PointCounts,
    Said,
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


def said(*types: str, share: float = 0.75) -> Said:
    """Types of nuclei, as a model gives them; "" where it is not sure."""
    return Said(types, types, np.full(len(types), share))


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
    counts = compare_points(um(0, 1, 2, 9), um(0, 1, 2, 3), said("t", "l", "t", "l"), ["t", "t", "l", "l"])
    assert counts.found == 3
    assert counts.types == {"l": TypeCounts(2, 1, 0, 2), "t": TypeCounts(2, 2, 1, 2)}
    assert (type_recall(counts.types["t"]), type_f1(counts.types["t"])) == (1, 0.5)
    assert (type_recall(counts.types["l"]), type_f1(counts.types["l"])) == (0.5, 0)


def test_a_type_that_only_results_have_was_said_in_vain():
    counts = compare_points(um(0), um(0), said("x"), ["t"])
    assert counts.types == {"t": TypeCounts(1, 1, 0, 0), "x": TypeCounts(0, 0, 0, 1)}


def test_what_lies_at_a_point_of_no_type_is_neither_right_nor_wrong():
    counts = compare_points(um(0, 1), um(0, 1), said("t", "t"), ["", "t"])
    assert counts.types == {"t": TypeCounts(1, 1, 1, 1)}


def test_without_types_of_nuclei_there_is_recall_alone():
    counts = compare_points(um(0), um(0, 1), None, ["t", "t"])
    assert not counts.typed
    assert type_recall(counts.types["t"]) == 0.5
    assert compare_points(um(0), um(0), said("t"), None).types == {}


def test_a_type_is_looked_for_farther_than_a_detection():
    counts = compare_points(um(0.5), um(0), said("t"), ["t"])
    assert (counts.found, counts.types) == (0, {"t": TypeCounts(1, 0, 1, 1)})
    assert compare_points(um(0.61), um(0), said("t"), ["t"]).types == {"t": TypeCounts(1, 0, 0, 1)}


def test_what_types_were_taken_for_is_counted_and_added_up():
    one = compare_points(um(0, 1, 2), um(0, 1, 2), said("t", "", "t"), ["t", "t", "l"])
    assert one.agreement.pairs == {("t", "t"): 1, ("t", ""): 1, ("l", "t"): 1}
    both = one + compare_points(um(0, 1), um(0, 1), said("l", "l"), ["l", ""])
    assert both.agreement.pairs == {("t", "t"): 1, ("t", ""): 1, ("l", "t"): 1, ("l", "l"): 1}


def test_the_calibration_error_is_how_far_probabilities_are_from_the_truth():
    right = compare_points(um(0, 1, 2, 3), um(0, 1, 2, 3), said("t", "t", "t", "t"), ["t", "t", "t", "l"])
    assert right.agreement.calibration_error == pytest.approx(0)
    wrong = compare_points(um(0, 1), um(0, 1), said("t", "t", share=0.95), ["l", "t"])
    assert wrong.agreement.calibration_error == pytest.approx(0.45)
    # Errors of different bins do not cancel out.
    low = compare_points(um(0), um(0), said("t", share=0.5), ["t"])
    assert (wrong + low).agreement.calibration_error == pytest.approx((0.9 + 0.5) / 3)
    unsaid = Said([""], [""], np.array([np.nan]))
    assert compare_points(um(0), um(0), unsaid, ["t"]).agreement.calibration_error is None


def test_counts_of_images_add_up_by_type():
    one = compare_points(um(0, 1), um(0, 1), said("t", "l"), ["t", "l"])
    other = compare_points(um(0), um(0, 4), said("t"), ["t", "s"])
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
