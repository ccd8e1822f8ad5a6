import numpy as np
import pytest
from scipy.stats import spearmanr

from pathopipe.grading.card import is_sealed
from pathopipe.training.grade.learning import learn
from tests.training.grade.graded_slides import GRADES, cohort

KINDS = ("linear", "trees", "nominal")
COUNT = 300
FRESH = cohort(COUNT, seed=5)


@pytest.fixture(scope="module", params=KINDS)
def grader(request):
    return learn(cohort(150), request.param).grader


def test_new_slides_get_their_grades(grader):
    judged = grader.judge(FRESH.values)
    assert (judged.said == FRESH.truth).mean() > 0.8
    assert judged.probabilities.sum(axis=1) == pytest.approx(np.ones(COUNT))
    if grader.card.architecture.kind != "nominal":
        assert spearmanr(judged.scores, FRESH.truth)[0] > 0.85


def test_probabilities_say_how_often_grades_are_right(grader):
    judged = grader.judge(FRESH.values)
    sure = judged.probabilities.max(axis=1)
    right = judged.probabilities.argmax(axis=1) == FRESH.truth
    assert sure.mean() == pytest.approx(right.mean(), abs=0.12)


def test_sets_hold_the_true_grade_about_as_often_as_asked_for(grader):
    judged = grader.judge(FRESH.values)
    held = grader.sets(judged)[np.arange(COUNT), FRESH.truth]
    assert 0.82 <= held.mean() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_slides_give_the_same_grader_and_its_card_is_sealed_when_it_is_written(kind):
    first, again = (learn(cohort(30), kind, seed=3).grader.weights for _ in range(2))
    assert first.card == again.card
    assert all(np.array_equal(first.tensors[name], again.tensors[name]) for name in first.tensors)
    assert not is_sealed(first.card, first.tensors)
    assert {name: tensor.shape for name, tensor in first.tensors.items()} == first.card.architecture.shapes()


def test_it_goes_by_what_tells_and_a_gap_is_typical():
    learned = learn(cohort(60), "linear")
    assert learned.shares["all size"] > 2 * max(learned.shares[name] for name in learned.shares if name != "all size")
    values = FRESH.values.copy()
    values[:, 2:] = np.nan
    assert (learned.grader.judge(values).said == FRESH.truth).mean() > 0.75


def test_slides_unlike_all_others_are_foreign_and_those_learned_from_hardly_ever():
    slides = cohort(60)
    grader = learn(slides, "linear").grader
    assert grader.is_foreign(slides.values).mean() == 0
    assert grader.is_foreign(FRESH.values).mean() < 0.1
    assert grader.is_foreign(FRESH.values + 1000).all()
    assert 0 < grader.card.foreign < 0.9


def test_two_grades_are_enough():
    slides = cohort(40, noise=2.0)
    two = slides.part(slides.truth < 2)
    two = type(two)(**(vars(two) | {"grades": GRADES[:2]}))
    for kind in KINDS:
        assert (learn(two, kind).grader.judge(two.values).said == two.truth).mean() > 0.9


def test_sets_of_many_grades_without_an_order_hold_the_true_one_too():
    names, held = tuple("abcde"), []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        truth = np.arange(260) % len(names)
        values = rng.normal(size=(260, 7)) + 0.6 * truth[:, None] * (np.arange(7) < 2)
        slides = cohort(260, values=values, truth=truth, grades=names)
        grader, others = learn(slides.part(np.arange(260) < 60), "nominal").grader, slides.part(np.arange(260) >= 60)
        held.append(grader.sets(grader.judge(others.values))[np.arange(200), others.truth].mean())
    assert np.mean(held) > 0.88
