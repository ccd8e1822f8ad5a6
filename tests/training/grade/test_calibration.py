import numpy as np
import pytest

from pathopipe.grading.link import grades_by_limits, nominal_probabilities, ordinal_probabilities
from pathopipe.training.grade.calibration import link, mix, nonconformity


def drawn(slope, thresholds, count=6000, seed=0):
    """Scores, and grades drawn with the probabilities of proportional odds."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=count)
    upto = ordinal_probabilities(slope * scores, thresholds).cumsum(axis=1)
    return scores, (rng.random(count)[:, None] > upto).sum(axis=1)


def test_slope_and_thresholds_are_found_again():
    scores, truth = drawn(1.7, (-1.0, 0.8))
    found = link(scores, truth, 3)
    assert found.scale == pytest.approx(1.7, abs=0.12)
    assert found.thresholds == pytest.approx((-1.0, 0.8), abs=0.1)


def test_limits_give_each_grade_as_often_as_it_is_there():
    scores, truth = drawn(1.0, (-2.5, 0.5))
    found = link(scores, truth, 3)
    said = grades_by_limits(found.scale * scores, found.limits)
    assert np.bincount(said, minlength=3) == pytest.approx(np.bincount(truth, minlength=3), abs=2)


def test_scores_without_a_mistake_are_not_stretched_forever():
    truth = np.repeat([0, 1, 2], 10)
    found = link(truth.astype(float), truth, 3)
    assert 1 < found.scale < 100
    assert list(found.thresholds) == sorted(found.thresholds)


def test_limits_of_other_scores_are_in_the_same_scale():
    scores, truth = drawn(1.5, (0.0,))
    plain, other = link(scores, truth, 2), link(scores, truth, 2, 2 * scores)
    assert other.scale == plain.scale
    assert other.limits == pytest.approx([2 * limit for limit in plain.limits])


def test_the_mix_of_nominal_scores_is_calibrated_also_for_two_grades_and_for_one_that_is_missing():
    rng = np.random.default_rng(0)
    for grades, known in ((3, 3), (2, 2), (4, 3)):
        truth = rng.integers(0, known, 3000)
        values = rng.normal(size=(3000, grades)) + 1.5 * np.eye(grades)[truth]
        found = mix(values, truth, grades)
        shares = nominal_probabilities(values, found)
        assert shares.mean(axis=0) == pytest.approx(np.bincount(truth, minlength=grades) / 3000, abs=0.01)
        assert (shares.argmax(axis=1) == truth).mean() > 0.7


def test_weights_of_slides_add_up_to_one_in_each_patient():
    found = nonconformity(np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]]), np.array([0, 1, 1]), np.array([0, 0, 1]))
    assert found == pytest.approx(np.array([[0.1, 0, 0.5], [0.3, 1, 0.5], [0.5, 1, 1.0]]))


def test_of_one_grade_alone_the_mix_says_that_one():
    found = mix(np.random.default_rng(0).normal(size=(6, 3)), np.full(6, 1), 3)
    assert nominal_probabilities(np.ones((1, 3)), found)[0] == pytest.approx([0, 1, 0])
