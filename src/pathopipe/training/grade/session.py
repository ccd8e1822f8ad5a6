"""From graded slides to a grader with a card and an honest test: what ``pathopipe train grade`` does."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from pathopipe.errors import RefusalError
from pathopipe.evaluation.grade_metrics import FIGURES
from pathopipe.evaluation.grade_plot import reliability_plot
from pathopipe.files import write_whole
from pathopipe.grading.card import GraderCard, Kind, References, sealed
from pathopipe.grading.predictors import range_of
from pathopipe.models.weights import save_weights
from pathopipe.provenance import sha256
from pathopipe.results.links import files, refuse_links
from pathopipe.training.grade.card_page import to_markdown
from pathopipe.training.grade.cohort import Cohort, read_cohort
from pathopipe.training.grade.learning import Terms, check_card, learn
from pathopipe.training.grade.nested import Progress, Tested, evaluation, test
from pathopipe.training.grade.order import is_known
from pathopipe.training.grade.references import references_of
from pathopipe.training.grade.worth import chance, curve, foretold, importance

_LEAST_PATIENTS: Final = 5
_FORETELLS: Final = 0.3
"""Rank correlation from which a column that foretells the grade is reported."""
_CHANCE: Final = 0.05
ON: Final = "patients kept apart"


@dataclass(frozen=True)
class Request:
    """What is asked for: a grader of this name, and what it is to be learned from."""

    sheet: Path
    results: Path
    label: str
    group: str
    out: Path
    name: str
    kinds: tuple[Kind, ...] = ("linear",)
    order: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    coverage: float = 0.9
    licence: str = "not stated"
    data: tuple[str, ...] = ()
    seed: int = 0
    more: bool = True


@dataclass(frozen=True)
class Report:
    """What came out: the grader's file, the content of ``evaluation.json``, and figures by kind of grader."""

    path: Path
    cohort: Cohort
    evaluation: dict[str, Any]
    by_kind: dict[str, dict[str, Any]]


def run(request: Request, progress: Progress) -> Report:
    """Learn, test, and write the grader, ``evaluation.json``, a card to read, and a plot of the reliability.

    The first of the kinds is saved; others are tested beside it.

    Raises
    ------
    RefusalError
        Where nothing can be learned from the slides, and why; and when there are symbolic links where it would write.
    """
    from threadpoolctl import threadpool_limits

    # Of small matrices threads cost more than they bring, and sums would depend on their number.
    with threadpool_limits(1):
        return _run(request, progress)


def _run(request: Request, progress: Progress) -> Report:
    names = [f"{request.name}.safetensors", f"{request.name}.md", "evaluation.json", "reliability.svg"]
    refuse_links(request.out, files(*names))
    cohort = read_cohort(
        request.sheet,
        request.results,
        request.label,
        request.group,
        request.order,
        regions=request.regions,
        ordered=set(request.kinds) != {"nominal"},
        with_fields="fields" in request.kinds,
    )
    _check(cohort, request.label)
    terms = _terms(request, cohort)
    check_card(cohort, terms)
    kind = request.kinds[0]
    tested = {one: test(cohort, one, request.seed, progress) for one in request.kinds}
    by_kind: dict[str, dict[str, Any]] = {one: evaluation(it, request.coverage) for one, it in tested.items()}
    found = by_kind[kind] | _worth(cohort, tested[kind], kind, request, progress)
    learned = learn(cohort, kind, request.seed, terms)
    found |= {"grader": request.name, "kind": kind, "label": request.label, "shares": dict(learned.shares)}
    weights = learned.grader.weights
    card = sealed(_with_figures(weights.card, cohort, request, by_kind, found["reported"]), weights.tensors)
    path = request.out / names[0]
    save_weights(path, card, weights.tensors)
    write_whole(request.out / names[1], to_markdown(card, sha256(path), found).encode())
    write_whole(request.out / names[2], (json.dumps(found, indent=2, sort_keys=True, allow_nan=False) + "\n").encode())
    if plot := reliability_plot(found):
        write_whole(request.out / names[3], plot)
    return Report(path, cohort, found, by_kind)


def _check(cohort: Cohort, label: str) -> None:
    patients = len(set(cohort.patients))
    if patients < _LEAST_PATIENTS:
        raise RefusalError(
            f"the slides are of {patients} patients, at least {_LEAST_PATIENTS} are needed to test on patients kept "
            "apart: add slides of others, or name the right column with --group"
        )
    for place, grade in enumerate(cohort.grades):
        own = {patient for patient, true in zip(cohort.patients, cohort.truth.tolist(), strict=True) if true == place}
        if len(own) < 2:
            raise RefusalError(
                f"grade '{grade}' in column '{label}' is that of one patient alone, and cannot be learned and tested "
                "on different ones: add slides of others, or leave it out"
            )
    texts = [cohort.grades[place] for place in cohort.truth.tolist()]
    for name, values in cohort.about.items():
        if list(values) == texts:
            raise RefusalError(
                f"column '{name}' of the sheet equals the label '{label}' on every slide: take it out of the sheet, so "
                "that nobody takes it for a finding"
            )
    _check_columns(cohort)


def _check_columns(cohort: Cohort) -> None:
    """Refuse a statistic that is the grade under another name."""
    columns = [(family, name) for family, names in cohort.families.items() for name in names]
    by_grade = np.stack([range_of(cohort.values[cohort.truth == grade]) for grade in range(len(cohort.grades))])
    same = (by_grade[:, 0] == by_grade[:, 1]).all(axis=0)
    if same.any():
        family, name = columns[int(np.flatnonzero(same)[0])]
        raise RefusalError(
            f"the statistic {name} ({family}) has one value in each grade: it is the label under another name, and "
            "nothing would be learned about nuclei"
        )


def _worth(cohort: Cohort, tested: Tested, kind: Kind, request: Request, progress: Progress) -> dict[str, Any]:
    told = foretold(cohort, request.seed)
    sentences = [
        f"The grade goes with '{name}' (rank correlation {found['spearman']:.2f}, p {found['p']:.3f}): unless that is "
        "another reading of the same slides, the grader may have learned it instead of what nuclei are like."
        for name, found in told.items()
        if found["spearman"] >= _FORETELLS and found["p"] <= _CHANCE
    ]
    more: dict[str, Any] = {}
    if request.more:
        progress(0, 1, "chance")
        more = {"chance": chance(cohort, request.seed), "importance": importance(tested, request.seed)}
        more["learning_curve"] = curve(cohort, kind, request.seed, progress) if kind == "linear" else []
    return {
        "foretold": dict(told),
        "reported": [*_alone(cohort), *_few(cohort), *_unordered(cohort, request), *sentences],
        "left_out": _counted(cohort),
    } | more


def _alone(cohort: Cohort) -> list[str]:
    """Say that slides may be of one patient without anybody knowing."""
    if not cohort.without_patient:
        return []
    slides = len(cohort.slides)
    told = (
        f"{cohort.without_patient} of the {slides} slides name no patient, and each of them counts as a patient of its "
        "own: if some are of one patient, the figures are too good."
    )
    return [told]


def _unordered(cohort: Cohort, request: Request) -> list[str]:
    """Say which figures mean nothing; of two grades, either order gives the same ones."""
    if request.order or is_known(cohort.grades) or len(cohort.grades) == 2:
        return []
    told = (
        "No order of the grades is known, and they go by the alphabet: quadratic_kappa, the test against chance, and "
        "what is said of columns that go with the grade rest on that order. If there is one, give it as --order."
    )
    return [told]


def _few(cohort: Cohort) -> list[str]:
    patients = len(set(cohort.patients))
    if patients >= 50:
        return []
    return [f"It was learned from {patients} patients: figures of other patients may differ much."]


def _counted(cohort: Cohort) -> dict[str, int]:
    reasons = list(cohort.left_out.values())
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


def _terms(request: Request, cohort: Cohort) -> Terms:
    tissue = f" of {' and '.join(cohort.made_for['tissue'])}" if "tissue" in cohort.made_for else ""
    where = "" if tissue else " The sheet named no tissue, so that the scope is not checked."
    scope = (
        f"Learned column '{request.label}' from {len(cohort.slides)} slides{tissue} of {len(set(cohort.patients))} "
        f"patients; not measured on others.{where}"
    )
    return Terms(request.name, request.licence, scope, request.data)


def _with_figures(
    card: GraderCard, cohort: Cohort, request: Request, by_kind: dict[str, dict[str, Any]], reported: Sequence[str]
) -> GraderCard:
    figures = {
        (ON if kind == request.kinds[0] else f"{ON}, {kind} instead"): {
            name + end: float(found[name + end])
            for name in FIGURES
            for end in ("", "_low", "_high")
            if found.get(name + end) is not None
        }
        for kind, found in by_kind.items()
    }
    counts = np.bincount(cohort.truth, minlength=len(cohort.grades)).tolist()
    training = {
        "kind": request.kinds[0],
        **({"regions beside the whole slide": ", ".join(request.regions)} if request.regions else {}),
        "slides": len(cohort.slides),
        "patients": len(set(cohort.patients)),
        **{f"slides of grade {grade}": count for grade, count in zip(cohort.grades, counts, strict=True)},
        "seed": request.seed,
        "coverage of the prediction sets tested": request.coverage,
    }
    # Of fields it learned no statistics of slides.
    references = References() if request.kinds[0] == "fields" else references_of(cohort)
    return replace(card, figures=figures, training=training, reported=tuple(reported), references=references)
