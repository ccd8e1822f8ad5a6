"""Figures of grades: the same as scikit-learn's and scipy's, per patient, with intervals over patients."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import spearmanr
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    confusion_matrix,
    roc_auc_score,
)

from pathopipe.evaluation import grade_scores as scores
from pathopipe.evaluation.grade_metrics import FIGURES, Judged, agreement, figures

NAMES = ("1", "2", "3", "4", "5")
REPEATED = settings(max_examples=60, deadline=None)


def made(
    true: Sequence[int] | np.ndarray,
    said: Sequence[int] | np.ndarray,
    score: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
    sets: np.ndarray | None = None,
    patients: tuple[str, ...] | None = None,
    grades: int = 3,
) -> Judged:
    count = len(true)
    return Judged(
        NAMES[:grades],
        np.asarray(true, np.int64),
        np.asarray(said, np.int64),
        np.full(count, np.nan) if score is None else np.asarray(score, float),
        np.full((count, grades), np.nan) if probabilities is None else np.asarray(probabilities, float),
        sets,
        ("",) * count if patients is None else patients,
    )


@st.composite
def graded(draw: st.DrawFn) -> tuple[Judged, np.ndarray]:
    """Slides with grades, scores with ties and probabilities, and how often a resample has each of them."""
    count, grades = draw(st.integers(2, 25)), draw(st.integers(2, 5))
    place = st.integers(0, grades - 1)
    true, said = (draw(arrays.arrays(np.int64, count, elements=place)) for _ in range(2))
    score = draw(arrays.arrays(np.int64, count, elements=st.integers(-4, 4))) / 2
    raw = draw(arrays.arrays(np.int64, (count, grades), elements=st.integers(1, 9)))
    weights = draw(arrays.arrays(np.int64, count, elements=st.integers(0, 3)).filter(lambda drawn: drawn.sum() > 1))
    return made(true, said, score, raw / raw.sum(axis=1, keepdims=True), grades=grades), weights


def repeated(judged: Judged, weights: np.ndarray) -> Judged:
    return judged.part(np.repeat(np.arange(len(weights)), weights))


def under(judged: Judged, weights: np.ndarray) -> dict[str, float]:
    """The figures under weights."""
    row, grades = weights[None].astype(float), len(judged.grades)
    counts = scores.confusion(row, judged.true, judged.said, grades)
    found = {
        "kappa": scores.quadratic_kappa(counts),
        "accuracy": scores.accuracy(counts),
        "balanced": scores.balanced_accuracy(counts),
        "spearman": scores.spearman(row, judged.score, judged.true),
        "auc": scores.auc(row, judged.score, judged.true, grades),
        "brier": scores.brier(row, judged.probabilities, judged.true),
    }
    return {name: float(value[0]) for name, value in found.items()}


def reference(judged: Judged) -> dict[str, float]:
    labels = range(len(judged.grades))
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore")  # of what is not defined, and is nan
        found = {
            "kappa": cohen_kappa_score(judged.true, judged.said, weights="quadratic", labels=labels),
            "accuracy": accuracy_score(judged.true, judged.said),
            "balanced": balanced_accuracy_score(judged.true, judged.said),
            "spearman": spearmanr(judged.score, judged.true).statistic,
            "brier": brier_score_loss(judged.true, judged.probabilities, labels=list(labels), scale_by_half=False),
        }
    return {name: float(value) for name, value in found.items()}


@given(graded())
@REPEATED
def test_weighted_figures_are_those_of_repeated_slides_in_other_libraries(drawn: tuple[Judged, np.ndarray]) -> None:
    judged, weights = drawn
    found, wanted = under(judged, weights), reference(repeated(judged, weights))
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, nan_ok=True, abs=1e-9)


@given(graded())
@REPEATED
def test_auc_is_the_mean_over_the_limits_that_the_data_have(drawn: tuple[Judged, np.ndarray]) -> None:
    judged, weights = drawn
    there = repeated(judged, weights)
    limits = [k for k in range(len(judged.grades) - 1) if 0 < (judged.true > k).sum() < len(judged.true)]
    if limits and all(0 < (there.true > k).sum() < len(there.true) for k in limits):
        wanted = np.mean([roc_auc_score(there.true > k, there.score) for k in limits])
    else:
        wanted = np.nan
    assert under(judged, weights)["auc"] == pytest.approx(wanted, nan_ok=True)


@given(graded())
@REPEATED
def test_figures_of_slides_without_patients_are_those_under_equal_weights(drawn: tuple[Judged, np.ndarray]) -> None:
    judged, _ = drawn
    found, wanted = figures(judged, resamples=20), reference(judged)
    pairs = {"kappa": "quadratic_kappa", "balanced": "balanced_accuracy"}
    for name, value in wanted.items():
        assert found[pairs.get(name, name)] == (pytest.approx(value) if np.isfinite(value) else None)
    labels = range(len(judged.grades))
    assert found["confusion"] == confusion_matrix(judged.true, judged.said, labels=labels).tolist()


@given(graded())
@REPEATED
def test_intervals_contain_the_figure(drawn: tuple[Judged, np.ndarray]) -> None:
    found = figures(drawn[0], resamples=40)
    for name in FIGURES:
        if found[f"{name}_low"] is not None:
            assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"]
    assert found["accuracy_low"] is not None


def probable(shares: list[float]) -> np.ndarray:
    """Probabilities of two grades, from that of the second."""
    return np.stack([1 - np.array(shares), shares], axis=1)


def test_calibration_by_hand() -> None:
    shares = [0.95, 0.95, 0.95, 0.95, 0.65, 0.65]
    judged = made([1, 1, 1, 0, 1, 0], [1] * 6, probabilities=probable(shares), grades=2)
    found = figures(judged, resamples=10)
    # Three of four right at 0.95, one of two at 0.65.
    assert found["ece"] == pytest.approx((4 * 0.20 + 2 * 0.15) / 6)
    assert [(entry["from"], entry["count"]) for entry in found["reliability"] if entry["count"]] == [(0.6, 2), (0.9, 4)]
    top = found["reliability"][9]
    assert (top["probability"], top["right"]) == (pytest.approx(0.95), 0.75)
    assert found["reliability"][0]["probability"] is None
    assert found["brier"] == pytest.approx(2 * (3 * 0.05**2 + 0.95**2 + 0.35**2 + 0.65**2) / 6)


def test_the_interval_of_the_calibration_error_reaches_to_it() -> None:
    """Where it is zero, resamples have more: they are hardly ever right as often as in all five bins."""
    shares = np.repeat([0.55, 0.65, 0.75, 0.85, 0.95], 20)
    true = np.concatenate([np.arange(20) < right for right in (11, 13, 15, 17, 19)]).astype(int)
    found = figures(made(true, [1] * 100, probabilities=probable(list(shares)), grades=2))
    assert found["ece"] == pytest.approx(0)
    assert found["ece_low"] == found["ece"]
    assert found["ece_high"] > 0.05


def test_a_probability_of_one_is_in_the_last_bin() -> None:
    found = figures(made([1, 1], [1, 1], probabilities=probable([1.0, 1.0]), grades=2), resamples=10)
    assert found["reliability"][9]["count"] == 2
    assert found["ece"] == 0


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [
        # Seven of ten: the first six are right, and the seventh is wrong.
        ([0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93, 0.7, 0.6, 0.55], 6 / 7),
        # Six are certain, and the seventh is one of four equally certain ones, of which one is right.
        ([0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.6, 0.6, 0.6, 0.6], 6.25 / 7),
    ],
)
def test_accuracy_of_the_most_certain(shares: list[float], wanted: float) -> None:
    true = [1] * 6 + [0, 0, 0, 1]
    judged = made(true, [1] * 10, probabilities=probable(shares), grades=2)
    assert figures(judged, resamples=10)["selective_accuracy"] == pytest.approx(wanted)


def test_certainty_is_the_probability_of_the_grade_that_is_given() -> None:
    """A grader that gives the median of its distribution need not give the likeliest grade."""
    probabilities = np.array([[0.9, 0.05, 0.05]] * 3 + [[0.1, 0.8, 0.1]] * 7)
    judged = made([0] * 3 + [1] * 7, [1] * 10, probabilities=probabilities)
    assert figures(judged, resamples=10)["selective_accuracy"] == 1


def test_prediction_sets() -> None:
    sets = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 1]], bool)
    found = figures(made([0, 1, 2, 2], [-1, 0, 2, -1], sets=sets), resamples=10)
    assert (found["coverage"], found["set_size"], found["graded"]) == (0.75, 1.75, 0.5)
    assert found["confusion"] == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_a_slide_without_a_set_is_not_one_with_an_empty_set() -> None:
    judged = made([0, 1, 2], [0, 1, 2], sets=np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], bool))
    assert figures(judged, resamples=10)["coverage"] == pytest.approx(1 / 3)
    some = replace(judged, with_set=np.array([True, True, False]))
    assert (figures(some, resamples=10)["coverage"], figures(some, resamples=10)["set_size"]) == (0.5, 0.5)
    assert figures(some.part(np.array([0, 2])), resamples=10)["coverage"] == 1


def test_slides_without_a_grade_count_for_nothing_but_their_share() -> None:
    score, shares = np.array([0.0, 1.0, 2.0, 9.0]), np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0, 0, 1], [1, 0, 0]])
    most = made([0, 1, 2, 0], [0, 1, 2, -1], score, shares)
    found, without = figures(most, resamples=10), figures(most.part(np.arange(3)), resamples=10)
    assert (found["graded"], without["graded"]) == (0.75, 1)
    assert {name: found[name] for name in FIGURES if name != "graded"} == {
        name: without[name] for name in FIGURES if name != "graded"
    }


def test_a_patient_is_the_mean_of_its_slides_and_the_median_of_their_grades() -> None:
    patients = ("a", "a", "b", "b", "b", "", "a")
    score, sets = np.array([0.0, 1.0, 2.0, 4.0, np.nan, 5.0, 99.0]), np.ones((7, 3), bool)
    sets[0] = sets[6] = (False, True, False)
    shares = np.array([[0.4, 0.6, 0], [0.8, 0.2, 0], [0, 0, 1], [0, 0, 1], [np.nan] * 3, [0, 0, 1], [0, 0, 1]])
    # The last slide, of patient a, has no grade: of it only the set counts.
    judged = made([0, 0, 2, 2, 2, 2, 0], [0, 1, 1, 2, 2, -1, -1], score, shares, sets, patients)
    found = figures(judged, resamples=10)
    assert (found["unit"], found["n_patients"], found["n_slides"]) == ("patient", 3, 7)
    assert found["confusion"] == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert found["brier"] == pytest.approx((0.4**2 + 0.4**2) / 2)
    assert found["coverage"] == pytest.approx((1 / 3 + 1 + 1) / 3)
    assert found["set_size"] == pytest.approx((5 / 3 + 3 + 3) / 3)
    assert found["graded"] == pytest.approx(2 / 3)
    assert found["spearman"] == 1


def test_slides_are_counted_where_those_of_a_patient_differ() -> None:
    found = figures(made([0, 1, 2, 2], [0, 1, 2, 1], patients=("a", "a", "b", "b")), resamples=10)
    assert (found["unit"], found["n_patients"], found["n_slides"]) == ("slide", 2, 4)
    assert found["accuracy"] == 0.75


def test_slides_of_no_patient_are_not_thrown_together() -> None:
    assert figures(made([0, 1, 2], [0, 1, 2]), resamples=10)["n_patients"] == 3


def test_intervals_are_over_patients() -> None:
    """Ten slides of each patient are alike: there are forty things to draw from and not four hundred."""
    rng = np.random.default_rng(1)
    true = np.repeat(rng.integers(0, 3, 40), 10)
    said = np.where(np.repeat(rng.random(40) < 0.6, 10), true, (true + 1) % 3)
    true[::10] = (true[::10] + 1) % 3  # so that the unit is the slide both times
    names = tuple(f"p{place // 10}" for place in range(400))
    together, apart = figures(made(true, said, patients=names)), figures(made(true, said))
    assert together["unit"] == "slide"
    for name in ("quadratic_kappa", "accuracy"):
        assert together[name] == apart[name]
        wide, narrow = (found[f"{name}_high"] - found[f"{name}_low"] for found in (together, apart))
        assert wide > 2 * narrow


def test_the_interval_of_a_share_is_that_of_the_binomial_distribution() -> None:
    found = figures(made([0] * 100, [0] * 80 + [1] * 20))
    assert found["accuracy_low"] == pytest.approx(0.8 - 1.96 * 0.04, abs=0.015)
    assert found["accuracy_high"] == pytest.approx(0.8 + 1.96 * 0.04, abs=0.015)


def test_the_same_slides_give_the_same_figures_however_many_resamples_are_held_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    true, shares = rng.integers(0, 3, 60), rng.dirichlet((1, 1, 1), 60)
    judged = made(true, shares.argmax(axis=1), shares @ np.arange(3), shares)
    found = figures(judged, resamples=100)
    monkeypatch.setattr("pathopipe.evaluation.grade_metrics._CELLS", 7 * 60)
    assert figures(judged, resamples=100) == found


def test_what_is_not_known_is_none_and_the_notes_say_why() -> None:
    found = figures(made([0, 1, 2, 0], [0, 1, 2, 1]), resamples=10)
    for name in ("spearman", "auc", "ece", "brier", "selective_accuracy", "coverage", "set_size"):
        assert found[name] is found[f"{name}_low"] is found[f"{name}_high"] is None
    assert found["notes"][:3] == [
        "spearman, auc: not computed, because no graded patient has a score.",
        "ece, brier, selective_accuracy: not computed, because no graded patient has probabilities.",
        "coverage, set_size: not computed, because there are no prediction sets.",
    ]


def test_one_true_grade_alone() -> None:
    found = figures(made([1, 1, 1], [1, 1, 1], score=np.arange(3)), resamples=10)
    assert (found["quadratic_kappa"], found["spearman"], found["auc"], found["accuracy"]) == (None, None, None, 1)
    assert "No patient has the true grade 1 or 3." in found["notes"]
    assert any(
        note.startswith("quadratic_kappa, spearman, auc: not computed, because all graded patients have the same")
        for note in found["notes"]
    )


def test_resamples_without_a_figure_are_skipped_and_counted() -> None:
    """One of six is worse: in a third of the resamples, (5/6)^6, it is not drawn."""
    found = figures(made([0] * 5 + [1], [0] * 5 + [1], score=np.arange(6), grades=2))
    (note,) = [note for note in found["notes"] if "auc" in note]
    assert note.startswith("quadratic_kappa, spearman, auc: not defined in ")
    skipped = int(note.split("not defined in ")[1].split()[0])
    assert skipped == pytest.approx(1000 * (5 / 6) ** 6, abs=60)
    assert (found["auc_low"], found["auc_high"]) == (1, 1)


def test_a_figure_that_most_resamples_lack_has_no_interval() -> None:
    """With one slide of each of five grades, resamples with both the best and the worst are 42 of 100."""
    found = figures(made(range(5), range(5), score=np.arange(5), grades=5))
    assert (found["auc"], found["auc_low"], found["auc_high"]) == (1, None, None)
    assert found["spearman_low"] == 1
    (note,) = [note for note in found["notes"] if note.startswith("auc")]
    assert note.endswith("of 1,000 resamples; no interval is given.")


def test_there_is_no_interval_of_one_patient() -> None:
    alone = figures(made([0, 1], [0, 1], score=np.arange(2), grades=2, patients=("a", "a")), resamples=1000)
    assert (alone["auc"], alone["auc_low"], alone["unit"]) == (1, None, "slide")
    assert alone["notes"][-1] == "There are no intervals, because there are fewer than two patients to draw from."


def test_figures_alone_without_resamples() -> None:
    found = figures(made([0, 1, 2], [0, 1, 2], score=np.arange(3)), resamples=0)
    assert (found["auc"], found["auc_low"]) == (1, None)
    assert not any("interval" in note for note in found["notes"])


@pytest.mark.parametrize("said", [[], [-1, -1, -1]])
def test_nothing_to_judge(said: list[int]) -> None:
    found = figures(made([0, 1, 2][: len(said)], said, sets=np.ones((len(said), 3), bool)), resamples=10)
    assert found["quadratic_kappa"] is found["brier"] is found["auc"] is None
    assert found["confusion"] == [[0] * 3] * 3
    assert found["graded"] == (0 if said else None)
    assert any(("no patient has a grade" if said else "there are no slides") in note for note in found["notes"])


def test_two_readers() -> None:
    a, b = np.array([0, 1, 2, 2, 0]), np.array([0, 2, 2, 1, -1])
    found = agreement(("1", "2", "3"), a, b, ("a", "b", "c", "d", "e"), resamples=50)
    assert found["quadratic_kappa"] == pytest.approx(cohen_kappa_score(a[:4], b[:4], weights="quadratic"))
    assert found["spearman"] == pytest.approx(spearmanr(a[:4], b[:4]).statistic)
    assert (found["accuracy"], found["auc"], found["balanced_accuracy"], found["graded"]) == (0.5, None, None, None)
    assert found["confusion"] == [[1, 0, 0], [0, 0, 1], [0, 1, 1]]
    assert all("ece" not in note for note in found["notes"])


@pytest.mark.parametrize(
    "changes",
    [
        {"true": np.array([0, 3])},
        {"said": np.array([0])},
        {"true": np.array([-1, 0])},
        {"probabilities": np.zeros((2, 2))},
        {"sets": np.zeros((2, 4), bool)},
        {"grades": ("1",), "probabilities": np.zeros((2, 1)), "true": np.array([0, 0]), "said": np.array([0, 0])},
    ],
    ids="-".join,
)
def test_arrays_that_do_not_fit_together_are_a_mistake(changes: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="grades"):
        replace(made([0, 1], [0, 1]), **changes)


def test_a_part_keeps_slides_together() -> None:
    whole = made([0, 1, 2], [2, 1, -1], np.arange(3), sets=np.eye(3, dtype=bool), patients=("a", "b", "c"))
    part = whole.part(np.array([True, False, True]))
    assert (part.true.tolist(), part.said.tolist(), part.patients) == ([0, 2], [2, -1], ("a", "c"))
    assert part.sets is not None
    assert part.sets.tolist() == [[True, False, False], [False, False, True]]
