"""Types of nuclei by a model that did not see their patient, for cases that the types `breast` were learned from.

Gradient-boosted trees on all measures of nuclei, fitted on the points of BRCA-M2C, five folds by patient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.model_selection import GroupKFold

from pathopipe.ops.nucleus_types import TYPES, type_named
from pathopipe.results.reader import SlideResults

FOLDS, SEED, WITHIN_PX = 5, 1, 12.0
# A nucleus that no type reaches this share of has none.
SURE = 0.5
TREES = {
    "n_estimators": 250,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_child_samples": 40,
    "subsample": 0.7,
    "subsample_freq": 1,
    "colsample_bytree": 0.4,
    "class_weight": "balanced",
    "n_jobs": 1,
    "verbose": -1,
}


@dataclass(frozen=True)
class Field:
    """A field of a case: its measures (N, M), centers in um (N, 2) and annotated types (N,), -1 where there is none."""

    slide: str
    case: str
    measures: pd.DataFrame
    points_um: np.ndarray
    annotated: np.ndarray


def read_field(slide: SlideResults, case: str, points: Path, mpp: float) -> Field:
    measures = slide.table("features").drop(columns="nucleus_id")
    centers = slide.table("nuclei", ["x_px", "y_px"]).to_numpy()
    return Field(slide.id, case, measures, centers * mpp, _annotated(centers, pd.read_csv(points, sep="\t")))


def _annotated(centers: np.ndarray, points: pd.DataFrame) -> np.ndarray:
    """Type of the point that is nearest to each nucleus."""
    types = np.full(len(centers), -1)
    apart, which = cKDTree(centers).query(points[["x", "y"]] + 0.5, distance_upper_bound=WITHIN_PX)
    # The nearest is written last.
    for place in np.argsort(-apart, kind="stable"):
        if np.isfinite(apart[place]):
            types[which[place]] = TYPES.index(type_named(points["type"][place]))
    return types


def unseen_types(fields: list[Field]) -> Mapping[str, np.ndarray]:
    """Places in `TYPES` by slide, (N,) each; -1 where no type is likely."""
    measures = np.vstack([field.measures for field in fields])
    annotated = np.concatenate([field.annotated for field in fields])
    cases = np.repeat([field.case for field in fields], [len(field.annotated) for field in fields])
    found = np.full(len(annotated), -1)
    for learn, rest in GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(measures, annotated, cases):
        known = learn[annotated[learn] >= 0]
        model = lightgbm.LGBMClassifier(**TREES).fit(measures[known], annotated[known])
        shares = model.predict_proba(measures[rest])
        found[rest] = np.where(shares.max(axis=1) >= SURE, model.classes_[shares.argmax(axis=1)], -1)
    known = annotated >= 0
    agree = {name: f1(found[known] == place, annotated[known] == place) for place, name in enumerate(TYPES[:3])}
    print("types by a model that did not see the patient, F1 at points:", agree)
    ends = np.cumsum([len(field.annotated) for field in fields])[:-1]
    return {field.slide: types for field, types in zip(fields, np.split(found, ends), strict=True)}


def f1(found: np.ndarray, true: np.ndarray) -> float:
    return round(2 * np.count_nonzero(found & true) / (found.sum() + true.sum()), 3)
