from itertools import pairwise

import numpy as np
import pytest

from pathopipe.training.grade import nested
from pathopipe.training.grade.nested import evaluation
from pathopipe.training.grade.worth import chance, curve, foretold, importance
from tests.training.grade.graded_slides import cohort


def quiet(done, total, what):
    pass


@pytest.fixture(scope="module")
def tested():
    return nested.test(cohort(90), "linear", 0, quiet)


def test_what_is_tested_was_not_learned_from(tested):
    for grader, rows in tested.folds:
        assert grader.card.architecture.slides == 90 - rows.sum()
    assert np.sum([rows for _, rows in tested.folds], axis=0).tolist() == [1] * 90


def test_grades_without_meaning_are_told_no_better_than_by_chance():
    """With hundreds of silent columns, and folds that are right, there is nothing to be found."""
    slides = cohort(60, noise=1e4)
    rng = np.random.default_rng(0)
    noise = type(slides)(
        **(
            vars(slides)
            | {"values": rng.normal(size=(60, 300)), "families": {"all size": tuple(f"c{k}" for k in range(300))}}
        )
    )
    found = evaluation(nested.test(noise, "linear", 0, quiet), 0.9)
    assert abs(found["quadratic_kappa"]) < 0.35
    assert found["spearman_low"] < 0.1
    assert chance(noise, 0)["p"] > 0.02


def test_figures_are_of_all_slides_and_graded_is_the_share_not_abstained_on(tested):
    found = evaluation(tested, 0.9)
    assert np.sum(found["confusion"]) == 90
    assert 0.5 < found["graded"] < 1
    assert found["graded_low"] <= found["graded"] <= found["graded_high"]
    assert found["quadratic_kappa"] > 0.8
    assert found["coverage"] == pytest.approx(0.92, abs=0.08)
    assert found["of_graded"]["accuracy"] > found["accuracy"]
    levels = found["by_coverage"]
    assert [row["asked"] for row in levels] == [0.9, 0.8, 0.7, 0.6, 0.5]
    assert all(one["coverage"] >= other["coverage"] for one, other in pairwise(levels))


def test_what_tells_is_important_and_its_families_are_shuffled_together(tested):
    first, *others = importance(tested, 0)
    assert first["families"] == ["all size"]
    assert first["drop"] > 0.5
    assert all(abs(entry["drop"]) < 0.1 for entry in others)
    assert sum(len(entry["families"]) for entry in [first, *others]) == 4


def test_against_chance_a_real_score_stands_out():
    found = chance(cohort(60), 0)
    assert (found["p"], found["permutations"]) == (0.005, 199)
    assert found["spearman"] > 0.8 > 0.3 > abs(found["by_chance"])


def test_more_slides_help_where_there_is_noise():
    rows = curve(cohort(90, noise=12.0), "linear", 0, quiet)
    assert [row["share"] for row in rows] == [0.25, 0.5]
    assert rows[0]["slides"] < rows[1]["slides"] < 81
    assert all(-1 <= row["spearman"] <= 1 for row in rows)


def test_a_column_that_foretells_the_grade_is_found_and_one_that_does_not_is_not():
    slides = cohort(60)
    about = {
        "site": tuple("abc"[truth] for truth in slides.truth),
        "block": tuple("ab"[place % 2] for place in range(60)),
        "size of the file": tuple(100.0 * truth + place % 7 for place, truth in enumerate(slides.truth)),
        "constant": ("x",) * 60,
        "id": tuple(f"i{place}" for place in range(60)),
    }
    found = foretold(type(slides)(**(vars(slides) | {"about": about})), 0)
    assert set(found) == {"site", "block", "size of the file", "id"}
    assert found["site"] == {"spearman": pytest.approx(1.0), "p": 0.005}
    assert found["size of the file"]["spearman"] > 0.9
    assert found["block"]["p"] > 0.05
    assert found["id"]["spearman"] == 0.0


def test_numbers_of_the_sheet_are_held_against_grades_though_no_two_slides_share_one():
    slides = cohort(60)
    about = {
        "age": tuple(f"{80 - 10 * truth + place / 100}" for place, truth in enumerate(slides.truth)),
        "gaps": tuple("" if place % 3 == 0 else f"{truth + place / 100}" for place, truth in enumerate(slides.truth)),
        "lot": tuple(f"{place * 37 % 61}" for place in range(60)),
        "one": ("7", *[""] * 59),
    }
    found = foretold(type(slides)(**(vars(slides) | {"about": about})), 0)
    assert all(found[name]["spearman"] > 0.8 and found[name]["p"] == 0.005 for name in ("age", "gaps"))
    assert all(found[name]["p"] > 0.05 for name in ("lot", "one"))
