import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathopipe.grading.link import (
    grades_by_limits,
    nominal_probabilities,
    ordinal_probabilities,
    prediction_sets,
)


def test_proportional_odds_in_closed_form():
    found = ordinal_probabilities(np.array([0.0, 1.0]), (-1.0, 2.0))
    below = 1 / (1 + np.exp(-np.array([[-1.0, 2.0], [-2.0, 1.0]])))
    assert found == pytest.approx(np.column_stack([below[:, 0], below[:, 1] - below[:, 0], 1 - below[:, 1]]))


@given(score=st.floats(-1e6, 1e6), limits=st.lists(st.floats(-50, 50), min_size=1, max_size=5).map(sorted))
def test_probabilities_add_up_and_are_none_below_zero(score, limits):
    found = ordinal_probabilities(np.array([score]), limits)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


def test_a_higher_score_is_never_a_better_grade():
    scores = np.linspace(-9, 9, 50)
    upto = ordinal_probabilities(scores, (-1.0, 0.5)).cumsum(axis=1)
    assert (np.diff(upto, axis=0) <= 1e-12).all()
    assert (np.diff(grades_by_limits(scores, (-1.0, 0.5))) >= 0).all()
    assert grades_by_limits(np.array([-1.0, 0.4999, 0.5]), (-1.0, 0.5)).tolist() == [1, 1, 2]


def test_softmax_of_large_values_is_finite():
    same = np.column_stack([np.eye(2), np.zeros(2)])
    assert nominal_probabilities(np.array([[1e4, 0.0], [0.0, 0.0]]), same).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def calibration(scores, grade=0.0, weight=1.0):
    return np.column_stack([scores, np.full(len(scores), grade), np.full(len(scores), weight)])


def test_the_limit_of_a_grade_is_the_quantile_of_its_own_slides_with_one_more():
    # 19 patients: 0.9 * 20 = 18, so that the 18th smallest is the limit.
    own = calibration(np.arange(1, 20) / 20)
    other = calibration(np.full(19, 0.01), grade=1.0)
    shares = np.array([[0.1, 0.9], [0.101, 0.899], [0.0999, 0.9001]])
    sets = prediction_sets(shares, np.concatenate([own, other]), 0.9)
    assert sets[:, 0].tolist() == [True, True, False]


def test_a_set_is_never_empty():
    strict = np.concatenate([calibration(np.full(19, 0.001)), calibration(np.full(19, 0.001), grade=1.0)])
    assert prediction_sets(np.array([[0.3, 0.7], [0.9, 0.1], [0.9995, 0.0005]]), strict, 0.9).tolist() == [
        [False, True],
        [True, False],
        [True, False],
    ]


def test_grades_of_too_few_patients_go_by_those_of_all_grades():
    few = calibration(np.full(3, 0.9), grade=1.0)
    many = calibration(np.full(40, 0.2))
    shares = np.array([[0.8, 0.2], [0.2, 0.8]])
    # Of 43 and one more, nine tenths are 39.6: the 40th smallest is 0.2.
    assert prediction_sets(shares, np.concatenate([few, many]), 0.9).tolist() == [[True, False], [False, True]]


def test_with_hardly_any_patients_every_grade_is_in_every_set():
    assert prediction_sets(np.array([[0.99, 0.01]]), calibration(np.full(5, 0.1)), 0.9).all()


def test_a_patient_of_many_slides_counts_once():
    """Ninety slides of one patient that all fit well must not hide nine patients that don't."""
    one, nine = calibration(np.full(90, 0.1), weight=1 / 90), calibration(np.full(9, 0.6))
    shares = np.array([[0.4, 0.6]])
    together = np.concatenate([one, nine])
    assert prediction_sets(shares, together, 0.8)[0, 0]
    assert not prediction_sets(shares, calibration(together[:, 0]), 0.8)[0, 0]


@pytest.mark.parametrize("coverage", [0.75, 0.8, 0.9])
def test_sets_hold_the_true_grade_as_often_as_asked_for(coverage):
    """On average over calibrations of exchangeable slides; here of 60 per grade, 2,000 new ones each time.

    A little more often than asked for: of 60 scores the next higher one is taken, and no set is empty.
    """
    rng = np.random.default_rng(5)
    held = []
    for _ in range(100):
        truth = np.repeat([0, 1], 60)
        score = rng.normal(size=120) + 1.2 * truth
        shares = ordinal_probabilities(score, (0.6,))
        known = np.column_stack([1 - shares[np.arange(120), truth], truth, np.ones(120)])
        fresh = rng.integers(0, 2, 2000)
        sets = prediction_sets(ordinal_probabilities(rng.normal(size=2000) + 1.2 * fresh, (0.6,)), known, coverage)
        held.append(sets[np.arange(2000), fresh].mean())
    error = 3 * np.std(held) / np.sqrt(len(held))
    assert coverage - error < np.mean(held) < coverage + 0.03 + error
