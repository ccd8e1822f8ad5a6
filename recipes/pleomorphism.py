"""Fit the grader `nottingham-pleomorphism` on pathologists' scores, and say how well it holds.

    pip install lightgbm scikit-learn
    python recipes/pleomorphism.py RESULTS --points POINTS --scores SCORES.tsv --out OUT

RESULTS are those of the fields of BRCA-M2C (0.5 um per pixel), up to `features`; POINTS is its folder of points;
SCORES.tsv has the columns case, histology and pleomorphism (1 to 3). A slide belongs to the case whose name its own
contains. Writes OUT/nottingham-pleomorphism.json, the card, and OUT/candidates.tsv, all that was tried. What is in the
card besides numbers is in pleomorphism_card.py.

Candidates are fixed in advance from the wording of the criteria (Elston and Ellis 1991). Which one is taken, and its
limits, are chosen anew in every fold of the outer cross-validation, so the figures are of the whole procedure.
"""

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from criteria_fit import Candidate, Cohort, Contest, Outcome, cross_validate, figures, fit, limits_of
from pleomorphism_card import card_of
from unseen_types import Field, read_field, unseen_types

from pathopipe.grading.base import Parts
from pathopipe.grading.criteria_card import Item, Limit, Statistic, to_json
from pathopipe.grading.criteria_score import resample
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.results.reader import open_results

MPP = 0.5
FEWEST, FEWEST_COMPARED, LEAST_SHARE = 10, 5, 0.4
ANY = "all"
NO_LIMITS = (Limit(0.0, 0.0, 0.0), Limit(0.0, 0.0, 0.0))
DUCTAL = "Invasive ductal carcinoma"

AREA, SPREAD, VARIATION = (("area_um2_" + kind, "", True) for kind in ("mean", "sd", "cv"))
CLUMPS, PALE, DOTS = ((f"{name}_count_mean", "chromatin", False) for name in ("clump", "bright", "dot"))
OUTLINE, FORM = ("circularity_sd", "", True), ("eccentricity_sd", "", True)
Column = tuple[str, str, bool]


def item(name: str, column: Column, over: str | None = None, of: str = "epithelial") -> Item:
    below = Statistic(over, *column) if over else None
    return Item(name, "to be said", "", Statistic(of, *column), below, 0.0, 1.0, NO_LIMITS)


SIZE = item("size_ratio", AREA, "stromal")
SIZE_LYMPHOCYTES = item("size_lymphocytes", AREA, "inflammatory")
SIZE_UM2, SPREAD_UM2, CV = item("size_um2", AREA), item("spread_um2", SPREAD), item("size_variation", VARIATION)
CHROMATIN, CLUMP_COUNT = item("chromatin_ratio", CLUMPS, "stromal"), item("clumps", CLUMPS)
PALE_RATIO, PALE_COUNT = item("pale_ratio", PALE, "stromal"), item("pale_spots", PALE)
UNTYPED = tuple(item(f"all_{name}", column, of=ANY) for name, column in (("area", AREA), ("cv", VARIATION)))

# In order of preference: what is compared with the slide's own nuclei does not depend on scanner and laboratory.
CANDIDATES = tuple(
    Candidate(name, items)
    for name, items in (
        ("size, variation, chromatin; against stroma", (SIZE, CV, CHROMATIN)),
        ("the same with pale spots", (SIZE, CV, CHROMATIN, PALE_RATIO)),
        ("the same with irregular outlines", (SIZE, CV, item("outline", OUTLINE), CHROMATIN)),
        ("the same with variation of form", (SIZE, CV, item("form", FORM), CHROMATIN)),
        ("the same with nucleoli", (SIZE, CV, CHROMATIN, item("nucleoli", DOTS))),
        ("size, variation; against stroma", (SIZE, CV)),
        ("size against stroma, variation, number of clumps", (SIZE, CV, CLUMP_COUNT)),
        ("size in um2, variation, number of clumps", (SIZE_UM2, CV, CLUMP_COUNT)),
        ("size in um2, variation, clumps and pale spots", (SIZE_UM2, CV, CLUMP_COUNT, PALE_COUNT)),
        ("size in um2, variation", (SIZE_UM2, CV)),
        ("size against stroma", (SIZE,)),
        ("size against lymphocytes", (SIZE_LYMPHOCYTES,)),
        ("size in um2", (SIZE_UM2,)),
        ("variation (CV of area)", (CV,)),
        ("SD of area", (SPREAD_UM2,)),
        ("chromatin against stroma", (CHROMATIN,)),
        ("number of clumps", (CLUMP_COUNT,)),
        ("nucleoli (dots)", (item("nucleoli", DOTS),)),
        ("without types: size in um2", UNTYPED[:1]),
        ("without types: variation", UNTYPED[1:]),
        ("without types: size in um2, variation, number of clumps", (*UNTYPED, item("all_clumps", CLUMPS, of=ANY))),
    )
)


def read_cohort(results: Path, points: Path, scores: pd.DataFrame) -> Cohort:
    fields = list(_fields(results, points))
    types = unseen_types(fields)
    fields = [field for field in fields if field.case in scores.index]
    cases = np.array([field.case for field in fields])
    each = [_statistics(field, types[field.slide]) for field in fields]
    counts = {name: np.array([np.sum(types[one.slide] == k) for one in fields]) for k, name in enumerate(TYPES)}
    return Cohort(
        tuple(field.slide for field in fields),
        cases,
        scores.histology.reindex(cases).to_numpy(),
        scores.pleomorphism.reindex(cases).to_numpy() - 1,
        {statistic: np.stack([known[statistic] for known in each]) for statistic in each[0]},
        counts | {ANY: np.array([len(field.measures) for field in fields])},
    )


def _fields(results: Path, points: Path) -> Iterator[Field]:
    slides = open_results(results).slides
    for path in sorted(points.glob("*.tsv")):
        for slide in slides:
            if slide.id.endswith(path.stem.replace(".", "_")) and len(slide.table("nuclei", ["nucleus_id"])):
                yield read_field(slide, path.stem[:12], path, MPP)


def _statistics(field: Field, types: np.ndarray) -> Mapping[Statistic, np.ndarray]:
    """Statistics of a field and of resamples of it, of types and of all nuclei, as the grader computes them."""
    parts = (part for one in CANDIDATES for item in one.items for part in (item.of, item.over) if part)
    wanted = tuple(dict.fromkeys(parts))
    typed = resample(_parts(field, types), tuple(one for one in wanted if one.type != ANY)).known
    plain = {one: Statistic(TYPES[0], one.column, one.group, one.whole) for one in wanted if one.type == ANY}
    untyped = resample(_parts(field, np.zeros_like(types)), tuple(plain.values())).known
    return typed | {one: untyped[other] for one, other in plain.items()}


def _parts(field: Field, types: np.ndarray) -> Parts:
    columns = {name: field.measures[name].to_numpy(np.float64) for name in field.measures}
    columns |= {"type": types, "x_um": field.points_um[:, 0], "y_um": field.points_um[:, 1]}
    return lambda names: iter([{name: columns[name] for name in names}])


def contest_of(cohort: Cohort, candidates: Sequence[Candidate]) -> Contest:
    values = tuple(one.values(cohort) for one in candidates)
    eligible = tuple(one.eligible(cohort, FEWEST, FEWEST_COMPARED) for one in candidates)
    return Contest(cohort, tuple(candidates), values, eligible)


def rows_of(cohort: Cohort) -> Iterator[tuple[dict[str, object], Outcome]]:
    """Figures of the procedure and of each candidate by itself, its limits fitted on the other cases."""
    everything = contest_of(cohort, CANDIDATES)
    tried = [(f"nested: {how}", everything, choose) for how, choose in (
        ("first within a standard error of the best", everything.choose), ("the best", everything.best)
    )]  # fmt: skip
    tried += [(one.name, contest_of(cohort, [one]), lambda *_: 0) for one in CANDIDATES]
    all_of, ductal = np.ones(len(cohort.grades), bool), cohort.histology == DUCTAL
    for name, contest, choose in tried:
        found = cross_validate(contest, choose)
        for called, among in (("all cases", all_of), ("ductal carcinoma", ductal)):
            yield {"what": name, "cases": called} | figures(cohort, found, LEAST_SHARE, among), found


def fitted_items(cohort: Cohort, chosen: Candidate, rows: np.ndarray) -> tuple[tuple[Item, ...], tuple[Limit, ...]]:
    """Items with their numbers, and the limits of the score."""
    values = chosen.values(cohort)[:, rows, 0]
    fitted = fit(values, cohort.grades[rows])
    center, scale = fitted.center.round(4), fitted.scale.round(4)
    items = tuple(
        Item(one.name, one.meaning, one.unit, one.of, one.over, m, s, limits_of(value, cohort, rows))
        for one, m, s, value in zip(chosen.items, center.tolist(), scale.tolist(), values, strict=True)
    )
    rounded = fitted.__class__(center, scale, fitted.limits)
    return items, limits_of(rounded.scores(values), cohort, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("results", type=Path)
    for name in ("--points", "--scores", "--out"):
        parser.add_argument(name, type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    cohort = read_cohort(given.results, given.points, pd.read_csv(given.scores, sep="\t").set_index("case"))
    rows = list(rows_of(cohort))
    with (given.out / "candidates.tsv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0][0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row, _ in rows)
    for name, outcome in ((row["what"], outcome) for row, outcome in rows if row["cases"] == "all cases"):
        print(name, outcome.chosen)
    everything = contest_of(cohort, CANDIDATES)
    place = everything.choose(np.ones(len(cohort.grades), bool), 0)
    kept = np.flatnonzero(everything.eligible[place])
    items, limits = fitted_items(cohort, CANDIDATES[place], kept)
    card = card_of(items, limits, [row for row, _ in rows], FEWEST_COMPARED)
    (given.out / "nottingham-pleomorphism.json").write_bytes(to_json(card))
    print(f"{CANDIDATES[place].name}: fitted on {len(kept)} fields; limits {limits}")


if __name__ == "__main__":
    main()
