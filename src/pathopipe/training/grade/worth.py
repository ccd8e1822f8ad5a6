"""Whether a grader found more than chance, what it goes by, and whether more slides would help."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from pathopipe.grading.card import Kind
from pathopipe.grading.field_grader import FieldGrader
from pathopipe.grading.predictors import Places, quantiles_of
from pathopipe.training.grade.cohort import Cohort
from pathopipe.training.grade.folds import folds_of
from pathopipe.training.grade.learning import LEVELS, learn
from pathopipe.training.grade.nested import FOLDS, MOST_ALONE, Progress, Tested
from pathopipe.training.grade.ridge import PENALTIES, Ridge, see, shares_of

PERMUTATIONS: Final = 199
_DRAWS: Final = 20
_ALIKE: Final = 0.7
"""Correlation from which families of columns are shuffled together: one would stand in for the other."""
_PARTS: Final = (0.25, 0.5)
_LEAST: Final = 5
"""Slides that a number must be known of to be held against their grades."""

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def chance(cohort: Cohort, seed: int) -> dict[str, Any]:
    """Compare the linear score with those of grades that were dealt out anew to the patients.

    Returns the rank correlation with the grades of patients that were not seen, the same under `PERMUTATIONS` deals,
    and the p value (Phipson and Smyth 2010). Penalties and the stack are fitted anew for each; only the look at the
    columns, which knows no grade, is shared.
    """
    places = Places(quantiles_of(cohort.values, min(LEVELS, len(cohort.slides)))).scores(cohort.values)
    patients = np.unique(cohort.patients, return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    dealt = np.column_stack([cohort.truth, *(_dealt(cohort.truth, patients, rng) for _ in range(PERMUTATIONS))])
    wanted = dealt.astype(np.float64)
    everyone = np.ones(len(patients), np.bool_)
    unseen = [_unseen(family.on(everyone, patients), wanted) for family in see(places, cohort.parts).values()]
    found = [
        _correlation(np.column_stack([one[:, deal] for one in unseen]), wanted[:, deal])
        for deal in range(wanted.shape[1])
    ]
    above = sum(other >= found[0] for other in found[1:])
    return {
        "spearman": found[0],
        "by_chance": float(np.mean(found[1:])),
        "p": (1 + above) / (1 + PERMUTATIONS),
        "permutations": PERMUTATIONS,
    }


def _dealt(truth: Whole, patients: Whole, rng: np.random.Generator) -> Whole:
    """Grades dealt out anew: each patient gets those of another, repeated or cut to its number of slides."""
    own = [truth[patients == patient] for patient in range(patients.max() + 1)]
    found = np.empty_like(truth)
    for patient, other in enumerate(rng.permutation(len(own)).tolist()):
        here = patients == patient
        found[here] = np.resize(own[other], int(here.sum()))
    return found


def _unseen(ridge: Ridge, wanted: Floats) -> Floats:
    """Predictions (n, P), each by the penalty under which patients not seen are predicted best."""
    tried = np.stack([ridge.unseen(wanted, penalty) for penalty in PENALTIES])
    best = ((tried - wanted) ** 2).sum(axis=1).argmin(axis=0)
    return np.asarray(np.take_along_axis(tried, best[None, None, :], axis=0)[0])


def _correlation(unseen: Floats, wanted: Floats) -> float:
    scores = (unseen - wanted.mean()) @ shares_of(unseen, wanted)
    return float(spearmanr(scores, wanted)[0]) if scores.std() > 0 and wanted.std() > 0 else 0.0


def importance(tested: Tested, seed: int) -> list[dict[str, Any]]:
    """How much the rank correlation drops where a family of columns is another slide's (Breiman 2001).

    Families whose parts of the score go together are shuffled together, for one would stand in for the other. Empty for
    graders without a score, and for those that look at fields: there is no one row of theirs to shuffle.
    """
    cohort, rng = tested.cohort, np.random.default_rng(seed)
    if not np.isfinite(tested.scores).all() or isinstance(tested.folds[0][0], FieldGrader):
        return []
    folds = [(grader, rows, grader.places.scores(cohort.values)) for grader, rows in tested.folds]
    before = float(spearmanr(tested.scores, cohort.truth)[0])
    found = []
    for names in _groups(tested, folds[0]):
        drops = [before - _shuffled(cohort, folds, names, rng) for _ in range(_DRAWS)]
        found.append({"families": names, "drop": float(np.mean(drops)), "sd": float(np.std(drops))})
    return sorted(found, key=lambda entry: -entry["drop"])


def _shuffled(cohort: Cohort, folds: list[Any], names: list[str], rng: np.random.Generator) -> float:
    order, scores = rng.permutation(len(cohort.slides)), np.empty(len(cohort.slides))
    for grader, rows, places in folds:
        changed, others = places[rows], places[order[rows]]
        for name in names:
            changed[:, cohort.parts[name]] = others[:, cohort.parts[name]]
        scores[rows] = grader.judge_places(changed).scores
    return float(spearmanr(scores, cohort.truth)[0])


def _groups(tested: Tested, fold: Any) -> list[list[str]]:
    """Families joined where their first principal components go together."""
    _, _, places = fold
    parts = tested.cohort.parts
    first = np.column_stack([_component(places[:, part]) for part in parts.values()])
    together = np.abs(np.corrcoef(first.T)) >= _ALIKE if first.shape[1] > 1 else np.ones((1, 1), np.bool_)
    from scipy.sparse.csgraph import connected_components

    _, group = connected_components(together, directed=False)
    return [
        [name for name, own in zip(parts, group.tolist(), strict=True) if own == number]
        for number in range(max(group) + 1)
    ]


def _component(columns: Floats) -> Floats:
    centered = columns - columns.mean(axis=0)
    values, vectors = np.linalg.eigh(centered @ centered.T)
    return np.asarray(vectors[:, -1] * np.sqrt(max(values[-1], 0)) + 1e-12 * np.arange(len(centered)))


def curve(cohort: Cohort, kind: Kind, seed: int, progress: Progress) -> list[dict[str, Any]]:
    """Rank correlation of scores on patients kept apart, after learning from parts of the other patients."""
    folds, found = folds_of(cohort, MOST_ALONE, FOLDS), []
    for number, part in enumerate(_PARTS):
        progress(number, len(_PARTS), "learning curve")
        rng, scores, sizes = np.random.default_rng(seed), np.full(len(cohort.slides), np.nan), []
        for tested in folds:
            chosen = _some(cohort, ~tested, part, rng)
            smaller = cohort.part(chosen)
            if len(set(smaller.truth.tolist())) < len(cohort.grades):
                continue
            sizes.append(len(smaller.slides))
            scores[tested] = learn(smaller, kind, seed).grader.judge(cohort.values[tested]).scores
        known = np.isfinite(scores)
        if known.sum() > len(known) / 2:
            rho = float(spearmanr(scores[known], cohort.truth[known])[0])
            found.append({"share": part, "slides": int(np.mean(sizes)), "spearman": rho})
    return found


def _some(cohort: Cohort, learned: NDArray[np.bool_], part: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Part of the patients of each highest grade, at least two."""
    names = np.array(cohort.patients)
    of_grade: dict[int, list[str]] = {}
    for name in sorted(set(names[learned].tolist())):
        of_grade.setdefault(int(cohort.truth[names == name].max()), []).append(name)
    kept: list[str] = []
    for patients in of_grade.values():
        kept += rng.permutation(patients)[: max(2, round(part * len(patients)))].tolist()
    return learned & np.isin(names, kept)


def foretold(cohort: Cohort, seed: int) -> Mapping[str, dict[str, float]]:
    """How well each thing that is none of the nuclei's foretells the grade: site, scanner, size of the file.

    By name: rank correlation of the grade with the number, or with the mean grade of the other patients that share the
    text (of a column of the sheet that holds numbers, the greater of both), and p of its size among deals of the grades
    to the patients.
    """
    patients = np.unique(cohort.patients, return_inverse=True)[1]
    found, rng = dict[str, dict[str, float]](), np.random.default_rng(seed)
    for name, values in cohort.about.items():
        if len(set(values)) < 2:
            continue
        rho = _foretells(values, cohort.truth, patients)
        others = [_foretells(values, _dealt(cohort.truth, patients, rng), patients) for _ in range(PERMUTATIONS)]
        above = sum(other >= rho for other in others)
        found[name] = {"spearman": rho, "p": (1 + above) / (1 + PERMUTATIONS)}
    return found


def _foretells(values: tuple[Any, ...], truth: Whole, patients: Whole) -> float:
    """Rank correlation with numbers, or with the other patients that share a text; of numbers as texts the greater."""
    numbers = _numbers(values)
    known = np.isfinite(numbers)
    by_number = abs(_rank_correlation(numbers[known], truth[known]))
    if all(isinstance(value, float) for value in values):
        return by_number
    texts, guess = np.array(values), np.full(len(truth), float(truth.mean()))
    for place in range(len(truth)):
        alike = (texts == texts[place]) & (patients != patients[place])
        if alike.any():
            guess[place] = truth[alike].mean()
    return max(by_number, _rank_correlation(guess, truth))


def _numbers(values: tuple[Any, ...]) -> Floats:
    """Numbers (n,), nan for empty cells; all nan where any cell holds something else."""
    try:
        found = np.array([np.nan if value == "" else float(value) for value in values])
    except ValueError:
        return np.full(len(values), np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _rank_correlation(guess: Floats, truth: Whole) -> float:
    """0 where there is nothing to correlate."""
    told = len(guess) > _LEAST and guess.std() > 0 and truth.std() > 0
    return float(spearmanr(guess, truth)[0]) if told else 0.0
