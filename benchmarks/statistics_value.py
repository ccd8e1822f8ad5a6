"""What the statistics of slides are worth: known grades and scores, predicted from them.

    python benchmarks/statistics_value.py RESULTS --grades SLIDES.TSV
    python benchmarks/statistics_value.py RESULTS --scores SCORES.TSV

RESULTS are finished up to `statistics`. The first takes a table with the columns `slide`, `patient` and `grade`
(`benign` or `malignant`) and prints the AUC of a plain logistic regression that leaves one patient out at a time, with
an interval from resampling patients; on what the statistics were before (15 measures, nine statistics each) and are
now. The second takes a table with the columns `case` and `pleomorphism` and prints rank correlations of single
statistics of all nuclei and of the epithelial ones with the scores; the case is a part of the slide's id.
Nothing is fitted that a product uses.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import rankdata, spearmanr

from pathopipe import open_results

BEFORE = (
    *("area_um2", "perimeter_um", "major_axis_um", "minor_axis_um", "eccentricity", "solidity", "circularity"),
    *(f"{stain}_{name}" for stain in ("hematoxylin", "eosin") for name in ("mean", "sd", "edge")),
    *("nearest_um", "neighbors_50um"),
)
STATISTICS = ("mean", "sd", "cv", "p05", "p25", "p50", "p75", "p95", "skew")
RIDGE = 1.0
RESAMPLES = 1000
FEWEST = 20


def rows(results: Path, of_type: str) -> pd.DataFrame:
    """The row of each slide about the nuclei of a type, by slide."""
    found = {}
    for slide in open_results(results).slides:
        if slide.state != "rejected":
            table = slide.table("statistics")
            here = table[(table["region"] == "slide") & (table["type"] == of_type)]
            if len(here):
                found[slide.id] = here.iloc[0]
    return pd.DataFrame(found).T


def numbers(table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Columns with a value in nine of ten slides that is not the same everywhere; gaps get the median."""
    values = table[columns].apply(pd.to_numeric, errors="coerce")
    values = values.loc[:, (values.notna().mean() > 0.9) & (values.nunique() > 1)]
    return values.fillna(values.median()).to_numpy(np.float64)


def fitted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights of a logistic regression with a ridge, the last for the intercept."""
    signs, padded = 2 * y - 1, np.column_stack([x, np.ones(len(x))])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (padded @ w)
        slope = -signs / (1 + np.exp(np.clip(margins, -50, 50)))
        penalty = RIDGE * np.append(w[:-1], 0.0)
        return float(np.logaddexp(0, -margins).sum() + penalty @ w / 2), padded.T @ slope + penalty

    return np.asarray(minimize(loss, np.zeros(padded.shape[1]), jac=True, method="L-BFGS-B").x)


def left_out(x: np.ndarray, y: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Score of each slide by a regression that has not seen its patient."""
    scores = np.empty(len(y))
    for patient in np.unique(patients):
        out = patients == patient
        mean, sd = x[~out].mean(axis=0), x[~out].std(axis=0)
        scaled = (x - mean) / np.where(sd > 0, sd, 1.0) / np.sqrt(x.shape[1])
        w = fitted(scaled[~out], y[~out])
        scores[out] = scaled[out] @ w[:-1] + w[-1]
    return scores


def auc(scores: np.ndarray, y: np.ndarray) -> float:
    ranks, ones = rankdata(scores), int(y.sum())
    return float((ranks[y == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(y) - ones)))


def interval(scores: np.ndarray, y: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    rng, names, found = np.random.default_rng(0), np.unique(patients), []
    while len(found) < RESAMPLES:
        drawn = np.concatenate([np.flatnonzero(patients == p) for p in rng.choice(names, len(names))])
        if 0 < y[drawn].sum() < len(drawn):
            found.append(auc(scores[drawn], y[drawn]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def grades(results: Path, sheet: Path) -> None:
    known = pd.read_csv(sheet, sep="\t", dtype=str).set_index("slide")
    table = rows(results, "all")
    table.index = [re.sub("^glas_", "", slide) for slide in table.index]
    table = table.loc[[slide for slide in known.index if slide in table.index]]
    known = known.loc[table.index]
    y, patients = (known["grade"] == "malignant").to_numpy(int), known["patient"].to_numpy()
    before = ["nuclei_per_mm2", *(f"{name}_{statistic}" for name in BEFORE for statistic in STATISTICS)]
    words = {"region", "type"}
    spatial = [name for name in table if name.startswith("spatial_")]
    now = [name for name in table if name not in words]
    print(f"{len(y)} slides of {len(np.unique(patients))} patients, {y.sum()} malignant")
    for name, columns in (
        ("before: 15 measures", before),
        ("now, without how nuclei lie", [name for name in now if name not in spatial]),
        ("how nuclei lie alone", spatial),
        ("now", now),
    ):
        x = numbers(table, columns)
        scores = left_out(x, y, patients)
        low, high = interval(scores, y, patients)
        print(f"{name:30} {x.shape[1]:5d} columns  AUC {auc(scores, y):.3f} ({low:.3f} to {high:.3f})")


def scores(results: Path, sheet: Path) -> None:
    known = pd.read_csv(sheet, sep="\t").set_index("case")["pleomorphism"]
    for of_type in ("all", "epithelial"):
        table = rows(results, of_type)
        cases = [next((case for case in known.index if case in slide), None) for slide in table.index]
        table = table[[case is not None for case in cases]]
        cases = [case for case in cases if case is not None]
        enough = (pd.to_numeric(table["nuclei_count"]) >= FEWEST).to_numpy()
        table, y = table[enough], known.loc[[case for case, kept in zip(cases, enough, strict=True) if kept]].to_numpy()
        values = table.drop(columns=["region", "type"]).apply(pd.to_numeric, errors="coerce")
        values = values.loc[:, (values.notna().mean() > 0.9) & (values.nunique() > 5)]
        found = values.apply(spearmanr, args=(y,), nan_policy="omit").loc[0]
        print(f"{of_type} nuclei, {len(y)} fields, {values.shape[1]} statistics; Spearman with nuclear pleomorphism:")
        for name in ("area_um2_sd", "area_um2_mean", "area_um2_cv", "circularity_p50", "hematoxylin_mean_mean"):
            print(f"  {name:44} {found.get(name, np.nan):+.3f}")
        print("  highest of all (the best of so many is too good to be true):")
        for name in found.abs().sort_values(ascending=False).index[:12]:
            print(f"  {name:44} {found[name]:+.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--grades", type=Path)
    parser.add_argument("--scores", type=Path)
    asked = parser.parse_args()
    if asked.grades:
        grades(asked.results, asked.grades)
    if asked.scores:
        scores(asked.results, asked.scores)


if __name__ == "__main__":
    main()
