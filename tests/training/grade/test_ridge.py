import numpy as np
import pytest
from sklearn.linear_model import Ridge

from pathopipe.training.grade.ridge import Family, best, see, shares_of, stack

RNG = np.random.default_rng(3)
COLUMNS = RNG.normal(size=(40, 90))
WANTED = COLUMNS[:, 0] + 0.3 * RNG.normal(size=40)
ALL = np.ones(40, np.bool_)
PATIENTS = np.repeat(np.arange(16), [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 2, 3, 3, 2])


@pytest.mark.parametrize("penalty", [0.3, 10.0])
def test_the_closed_form_is_a_ridge_that_was_fitted_without_the_patient(penalty):
    found = Family(COLUMNS).on(ALL, PATIENTS).unseen(WANTED[:, None], penalty)[:, 0]
    center = COLUMNS.mean(axis=0)
    for patient in range(16):
        out = patient == PATIENTS
        # Columns are centered once, on all slides; the constant is fitted without the patient.
        model = Ridge(alpha=penalty * COLUMNS.shape[1]).fit((COLUMNS - center)[~out], WANTED[~out])
        assert found[out] == pytest.approx(model.predict((COLUMNS - center)[out]), abs=0.02)


def test_weights_are_those_of_a_ridge_on_all_slides():
    weight, constant = Family(COLUMNS).on(ALL, PATIENTS).weights(WANTED, 3.0)
    model = Ridge(alpha=3.0 * COLUMNS.shape[1]).fit(COLUMNS, WANTED)
    assert weight == pytest.approx(model.coef_, abs=1e-8)
    assert constant == pytest.approx(model.intercept_, abs=1e-8)


def test_the_stack_trusts_the_family_that_tells_and_not_the_larger_one():
    places = np.column_stack([COLUMNS[:, :3], RNG.normal(size=(40, 500))])
    parts = {"telling": slice(0, 3), "noise": slice(3, 503)}
    found = stack(see(places, parts), PATIENTS, WANTED)
    telling, noise = found.shares
    assert telling > 0.7
    assert noise < telling / 2
    assert np.corrcoef(found.unseen, WANTED)[0, 1] > 0.8
    weight, offset = found.weights(parts)
    score = places @ weight + offset
    assert found.scores(np.arange(40)) == pytest.approx(score, abs=1e-9)
    assert np.corrcoef(score, WANTED)[0, 1] > 0.9


def test_shares_are_never_below_zero_and_equal_where_nothing_tells():
    assert (shares_of(-np.column_stack([WANTED, WANTED]), WANTED) >= 0).all()
    assert shares_of(np.zeros((40, 4)), np.zeros(40)) == pytest.approx(np.full(4, 0.25))


def test_noise_gets_the_largest_penalty():
    penalties, _ = best({"noise": Family(RNG.normal(size=(40, 200))).on(ALL, PATIENTS)}, WANTED)
    assert penalties[0] >= 30


def test_a_score_for_others_is_that_of_a_fit_to_the_rest_alone():
    learned = PATIENTS > 3
    parts = {"a": slice(0, 20), "b": slice(20, 90)}
    found = stack(see(COLUMNS, parts), PATIENTS, WANTED, learned).scores(np.flatnonzero(~learned))
    weight, offset = stack(see(COLUMNS[learned], parts), PATIENTS[learned], WANTED[learned]).weights(parts)
    assert found == pytest.approx(COLUMNS[~learned] @ weight + offset, abs=1e-9)
