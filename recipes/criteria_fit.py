"""Fit graders by criteria on pathologists' grades, and say how well they hold: nested cross-validation by case."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from pathopipe.grading.criteria_card import Item, Limit, Statistic
from pathopipe.grading.criteria_score import item_values
from pathopipe.ops.resampling import interval, resamples

FOLDS, REPEATS, DRAWS = 10, 10, 1000
GRADES = 3
ABSTAINS = -1


@dataclass(frozen=True)
class Cohort:
    """Fields (n) of cases, with the pathologists' grade of the case from 0 on.

    ``known`` are statistics (n, 201), first those of the field itself, then of resamples; ``counts`` of nuclei by type.
    """

    slides: tuple[str, ...]
    cases: np.ndarray
    histology: np.ndarray
    grades: np.ndarray
    known: Mapping[Statistic, np.ndarray]
    counts: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Candidate:
    """A grader that might be: the mean of these items, standardized."""

    name: str
    items: tuple[Item, ...]

    def values(self, cohort: Cohort) -> np.ndarray:
        """Items of all fields and resamples, (items, n, 201)."""
        return np.stack([item_values(item, cohort.known) for item in self.items])

    def eligible(self, cohort: Cohort, fewest: int, fewest_compared: int) -> np.ndarray:
        """Which fields have enough nuclei, (n,)."""
        enough = np.isfinite(self.values(cohort)[..., 0]).all(axis=0)
        for item in self.items:
            enough &= cohort.counts[item.of.type] >= fewest
            if item.over:
                enough &= cohort.counts[item.over.type] >= fewest_compared
        return enough


@dataclass(frozen=True)
class Fitted:
    center: np.ndarray
    scale: np.ndarray
    limits: np.ndarray

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Scores of values (items, …)."""
        shape = (-1, *([1] * (values.ndim - 1)))
        return np.mean((values - self.center.reshape(shape)) / self.scale.reshape(shape), axis=0)

    def grades(self, values: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.limits, self.scores(values), side="right")


def fit(values: np.ndarray, grades: np.ndarray) -> Fitted:
    """Standardize values (items, n), and set limits so that each grade is given as often as pathologists gave it."""
    center, scale = values.mean(axis=1), values.std(axis=1)
    plain = Fitted(center, scale, np.empty(0))
    return Fitted(center, scale, quota(plain.scores(values), grades))


def quota(scores: np.ndarray, grades: np.ndarray) -> np.ndarray:
    """Limits between scores (n,) that give each grade as often as ``grades`` have it."""
    ordered = np.sort(scores)
    below = np.cumsum(np.bincount(grades, minlength=GRADES))[:-1]
    padded = np.concatenate([ordered[:1], ordered, np.nextafter(ordered[-1:], np.inf)])
    return (padded[below] + padded[below + 1]) / 2


def kappa(confusion: np.ndarray) -> np.ndarray:
    """Quadratic-weighted kappa (Cohen 1968) of confusion matrices (…, 3, 3)."""
    weight = np.subtract.outer(np.arange(GRADES), np.arange(GRADES)) ** 2
    total = confusion.sum(axis=(-2, -1))
    by_chance = np.einsum("...i,...j,ij->...", confusion.sum(axis=-1), confusion.sum(axis=-2), weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - total * (confusion * weight).sum(axis=(-2, -1)) / by_chance


def confusions(cases: np.ndarray, grades: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Confusion matrix of every case, of what was graded: (cases, 3, 3)."""
    number = np.unique(cases, return_inverse=True)[1]
    found = np.zeros((number.max() + 1, GRADES, GRADES))
    graded = given != ABSTAINS
    np.add.at(found, (number[graded], grades[graded], given[graded]), 1)
    return found


def folds(cases: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Masks (n,) of the fields that are kept apart, ten times; all of a case together."""
    shuffled = np.random.default_rng(seed).permutation(np.unique(cases))
    return (np.isin(cases, shuffled[start::FOLDS]) for start in range(FOLDS))


Choose = Callable[[np.ndarray, int], int]


@dataclass(frozen=True)
class Contest:
    """Candidates, in order of preference, with their values (items, n, 201) and the fields that they can grade (n,)."""

    cohort: Cohort
    candidates: tuple[Candidate, ...]
    values: tuple[np.ndarray, ...]
    eligible: tuple[np.ndarray, ...]

    def apart(self, place: int, among: np.ndarray, seed: int) -> np.ndarray:
        """Grades (n,) by one candidate of the fields of a mask, each fitted on the other cases of it."""
        values, eligible = self.values[place][..., 0], self.eligible[place] & among
        given = np.full(len(among), ABSTAINS)
        for test in folds(self.cohort.cases[among], seed):
            held = np.flatnonzero(among)[test]
            learn = eligible.copy()
            learn[held] = False
            rows = held[eligible[held]]
            given[rows] = fit(values[:, learn], self.cohort.grades[learn]).grades(values[:, rows])
        return given

    def inner(self, learn: np.ndarray, seed: int) -> list[np.ndarray]:
        """Confusion matrices of the cases of a mask, (cases, 3, 3) by candidate."""
        cases, grades = self.cohort.cases[learn], self.cohort.grades[learn]
        return [confusions(cases, grades, self.apart(k, learn, seed)[learn]) for k in range(len(self.candidates))]

    def choose(self, learn: np.ndarray, seed: int) -> int:
        """The first candidate within a standard error (over cases) of the best one (Breiman et al. 1984)."""
        each = self.inner(learn, seed)
        found = np.array([kappa(one.sum(axis=0)) for one in each])
        drawn = resamples(len(each[0]), 200, seed) @ each[int(found.argmax())].reshape(len(each[0]), -1)
        spread = np.nanstd(kappa(drawn.reshape(-1, GRADES, GRADES)))
        return int(np.flatnonzero(found >= found.max() - spread)[0])

    def best(self, learn: np.ndarray, seed: int) -> int:
        """The candidate with the highest kappa."""
        return int(np.argmax([kappa(one.sum(axis=0)) for one in self.inner(learn, seed)]))


@dataclass(frozen=True)
class Outcome:
    """What cross-validation gave, (repeats, n): grades, scores, stability; and which candidate was chosen how often."""

    given: np.ndarray
    scores: np.ndarray
    stability: np.ndarray
    chosen: Mapping[str, int]


def cross_validate(contest: Contest, choose: Choose) -> Outcome:
    """Grade every case by a grader that was chosen and fitted without it."""
    cohort = contest.cohort
    shape = (REPEATS, len(cohort.grades))
    given, scores, stability = np.full(shape, ABSTAINS), np.full(shape, np.nan), np.full(shape, np.nan)
    chosen = dict.fromkeys((one.name for one in contest.candidates), 0)
    for repeat in range(REPEATS):
        for test in folds(cohort.cases, repeat):
            place = choose(~test, repeat)
            chosen[contest.candidates[place].name] += 1
            values, eligible = contest.values[place], contest.eligible[place]
            fitted = fit(values[:, eligible & ~test, 0], cohort.grades[eligible & ~test])
            rows = np.flatnonzero(test & eligible)
            grades = fitted.grades(values[:, rows])
            known = np.isfinite(fitted.scores(values[:, rows]))[:, 1:]
            agree = (grades[:, 1:] == grades[:, :1]) & known
            given[repeat, rows], scores[repeat, rows] = grades[:, 0], fitted.scores(values[:, rows])[:, 0]
            stability[repeat, rows] = agree.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return Outcome(given, scores, stability, {name: times for name, times in chosen.items() if times})


def figures(cohort: Cohort, found: Outcome, least: float, among: np.ndarray) -> dict[str, float]:
    """Agreement on the fields of a mask, means of the repeats, with 95 % intervals over cases."""
    given = np.where(found.stability >= least, found.given, ABSTAINS)[:, among]
    cases, grades = cohort.cases[among], cohort.grades[among]
    counts = np.stack([confusions(cases, grades, one) for one in given], axis=1)
    flat = counts.reshape(len(counts), -1)

    def mean_kappa(sums: np.ndarray) -> np.ndarray:
        return np.nanmean(kappa(sums.reshape(len(sums), REPEATS, GRADES, GRADES)), axis=1)[:, None]

    ends = interval(flat, mean_kappa, DRAWS)
    said = {"quadratic_kappa": float(mean_kappa(flat.sum(axis=0)[None])[0, 0])}
    said |= {"quadratic_kappa_low": float(ends[0, 0]), "quadratic_kappa_high": float(ends[1, 0])}
    said |= _spearman(cases, grades, np.where(given == ABSTAINS, np.nan, found.scores[:, among]))
    return {key: round(value, 3) for key, value in said.items()} | {
        "graded": round(float((given != ABSTAINS).mean()), 3),
        "n_fields": int(among.sum()),
        "n_cases": len(np.unique(cases)),
    }


def _spearman(cases: np.ndarray, grades: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    names = np.unique(cases)
    rows = [np.flatnonzero(cases == name) for name in names]

    def mean_of(chosen: np.ndarray) -> float:
        return float(np.mean([spearmanr(one[chosen], grades[chosen], nan_policy="omit").statistic for one in scores]))

    weights = resamples(len(names), DRAWS // 5, 0)
    drawn = [mean_of(np.concatenate([np.repeat(rows[k], times) for k, times in enumerate(one)])) for one in weights]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return {"spearman": mean_of(np.arange(len(cases))), "spearman_low": float(low), "spearman_high": float(high)}


def limits_of(fitted_values: np.ndarray, cohort: Cohort, rows: np.ndarray) -> tuple[Limit, ...]:
    """Limits of scores or items (n,) of some fields, with 95 % intervals over cases."""
    cases, grades = cohort.cases[rows], cohort.grades[rows]
    names = np.unique(cases)
    places = [np.flatnonzero(cases == name) for name in names]
    drawn = []
    for weights in resamples(len(names), DRAWS, 1):
        chosen = np.concatenate([np.repeat(places[k], times) for k, times in enumerate(weights)])
        drawn.append(quota(fitted_values[chosen], grades[chosen]))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    values = quota(fitted_values, grades)
    return tuple(
        Limit(round(value, 4), round(min(value, under), 4), round(max(value, over), 4))
        for value, under, over in zip(values.tolist(), low.tolist(), high.tolist(), strict=True)
    )
