"""Grades of finished results beside what the sample sheet says of the same slides."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.evaluation.grade_metrics import Judged
from pathopipe.pipeline import GRADE, stages_up_to
from pathopipe.results.documents import damaged
from pathopipe.results.reader import Results, SlideResults
from pathopipe.samples import Sample, read_samples
from pathopipe.wording import counted

_SHOWN = 3


@dataclass(frozen=True)
class Asked:
    """Which columns of the sample sheet to read.

    Attributes
    ----------
    label
        The true grades.
    reader
        Grades by another reader.
    group
        What names the patient; None for the column ``patient`` where the sheet has it.
    by
        What tells subgroups apart.
    """

    label: str
    reader: str | None = None
    group: str | None = None
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gathered:
    """The slides with a label, as far as `grade` has finished with them.

    Attributes
    ----------
    judged
        Their grades; of those that were rejected or abstained on none is given.
    samples
        Their lines of the sheet.
    left_out, abstained
        Why other slides are not among them, and why some of them have no grade: how many each.
    probabilities_are
        What the grader says that its probabilities are.
    """

    grader: str
    judged: Judged
    samples: tuple[Sample, ...]
    left_out: dict[str, int]
    abstained: dict[str, int]
    probabilities_are: str


def gather(sheet: Path, results: Results, asked: Asked) -> Gathered:
    """Read the labels from the sample sheet and the grades from the results.

    Raises
    ------
    RefusalError
        A column that is not there, a label that is none of the grader's grades, several graders, damaged results (all
        of them at once), or neither a grade nor a prediction set on any slide.
    """
    samples = read_samples(sheet)
    _check_columns(sheet, samples, asked)
    labelled = [sample for sample in samples if sample.cell(asked.label)]
    found, left_out = _read(labelled, results)
    if len(samples) > len(labelled):
        left_out = {"no label": len(samples) - len(labelled), **left_out}
    known = [(sample, found[sample.slide]) for sample in labelled if sample.slide in found]
    abstained = Counter(str(grade["reason"]) for _, grade in known if grade["grade"] is None)
    if not any(grade["grade"] is not None or grade.get("prediction_set") for _, grade in known):
        raise RefusalError(_nothing(results.folder, asked.label, left_out, abstained))
    grades = _one_grader([(sample.slide, grade) for sample, grade in known])
    chosen = tuple(sample for sample, _ in known)
    judged = _judged(sheet, asked, grades, known)
    some = next((grade for _, grade in known if grade["grade"] is not None), known[0][1])
    return Gathered(some["grader"], judged, chosen, left_out, dict(abstained.most_common()), some["probabilities_are"])


def places(sheet: Path, samples: Sequence[Sample], column: str, grades: Sequence[str]) -> list[int]:
    """Place of each slide's grade in a column among the grader's grades; -1 where the column is empty.

    Raises
    ------
    RefusalError
        Naming the grades that the grader doesn't know.
    """
    unknown = sorted({text for sample in samples if (text := sample.cell(column)) and text not in grades})
    if unknown:
        shown = ", ".join(f"'{text}'" for text in unknown[:10]) + (", …" if len(unknown) > 10 else "")
        raise RefusalError(
            f"{sheet}: the column '{column}' has {shown}, but the grader's grades are {', '.join(grades)}: "
            "write them as the grader does"
        )
    return [grades.index(text) if (text := sample.cell(column)) else -1 for sample in samples]


def _check_columns(sheet: Path, samples: Sequence[Sample], asked: Asked) -> None:
    names = [name for name in ("grade", "patient") if any(sample.cell(name) for sample in samples)]
    names += dict.fromkeys(name for sample in samples for name in sample.extra)
    wanted = (asked.label, *(name for name in (asked.reader, asked.group) if name is not None), *asked.by)
    if missing := [name for name in dict.fromkeys(wanted) if name not in names]:
        usable = f"columns that can be used: {', '.join(names) or 'none'}"
        raise RefusalError(*(f"{sheet}: the column '{name}' is missing or empty; {usable}" for name in missing))
    asked_for = [("--label", asked.label), ("--reader", asked.reader), *(("--by", name) for name in asked.by)]
    for option, name in asked_for:
        if name is not None and name in {"patient", asked.group}:
            raise RefusalError(f"{option} {name}: names patients, and those are never written: give another column")


def _read(samples: Iterable[Sample], made: Results) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Content of ``grade.json`` by slide, and why other slides have none."""
    found, left_out, broken = dict[str, dict[str, Any]](), Counter[str](), list[str]()
    for sample in samples:
        slide = made.get(sample.slide)
        if missing := _missing(slide):
            left_out[missing] += 1
            continue
        try:
            found[sample.slide] = _checked(made[sample.slide])
        except ArtifactError as error:
            broken.append(str(error))
    if broken:
        raise RefusalError(*broken)
    return found, dict(left_out)


def _missing(made: SlideResults | None) -> str | None:
    """Why there is no grade of a slide yet."""
    if made is None:
        return "not in the results"
    if all(stage in made.ended and not made.is_overtaken(stage) for stage in stages_up_to(GRADE.name)):
        return None
    return "failed" if made.state == "failed" else "not finished"


def _checked(made: SlideResults) -> dict[str, Any]:
    """Content of ``grade.json``, whose grades, score and set are what they should be."""
    content: dict[str, Any] = {**made.grade}
    given = [] if content["grade"] is None else [content["grade"]]
    named = {*given, *content["probabilities"], *(content.get("prediction_set") or ())}
    score = content.get("score")
    sound = score is None or (isinstance(score, int | float) and math.isfinite(score))
    if not sound or len(content["grades"]) < 2 or not named <= set(content["grades"]):
        raise damaged(made.file("grade", "grade.json"))
    return content


def _one_grader(known: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[str, ...]:
    """The grades that all slides were graded by; a refusal where these are not the same."""
    slides = dict[tuple[str, tuple[str, ...]], list[str]]()
    for slide, grade in known:
        slides.setdefault((grade["grader"], tuple(grade["grades"])), []).append(slide)
    if len(slides) > 1:
        shown = "; ".join(
            f"{grader} ({', '.join(grades)}): {counted(len(some))}, such as {some[0]}"
            for (grader, grades), some in slides.items()
        )
        raise RefusalError(f"the slides were not all graded by the same grader ({shown}): grade them again with one")
    return next(iter(slides))[1]


def _judged(
    sheet: Path, asked: Asked, grades: tuple[str, ...], known: Sequence[tuple[Sample, Mapping[str, Any]]]
) -> Judged:
    samples, found = [sample for sample, _ in known], [grade for _, grade in known]
    probabilities = np.array(
        [[grade["probabilities"].get(name, 0.0) for name in grades] for grade in found], np.float64
    )
    probabilities[[not grade["probabilities"] for grade in found]] = np.nan
    score = np.array([np.nan if grade.get("score") is None else grade["score"] for grade in found], np.float64)
    if np.isnan(score).all():  # a grader that gives none, or results of an earlier version
        score = probabilities @ np.arange(len(grades))
    with_set = np.array([grade.get("prediction_set") is not None for grade in found])
    sets = np.array([[name in (grade.get("prediction_set") or ()) for name in grades] for grade in found])
    return Judged(
        grades,
        np.array(places(sheet, samples, asked.label, grades), np.int64),
        np.array([-1 if grade["grade"] is None else grades.index(grade["grade"]) for grade in found], np.int64),
        score,
        probabilities,
        sets if with_set.any() else None,
        tuple(sample.cell(asked.group or "patient") for sample in samples),
        with_set,
    )


def _nothing(results: Path, label: str, left_out: Mapping[str, int], abstained: Mapping[str, int]) -> str:
    reasons = [f"{count:,} {reason}" for reason, count in left_out.items()]
    most = Counter(dict(abstained)).most_common(_SHOWN)
    reasons += [f"{count:,} without a grade ({reason.rstrip('.')})" for reason, count in most]
    if len(abstained) > _SHOWN:
        reasons.append("others without a grade for other reasons")
    return f"{results}: no slide that has a label in the column '{label}' was graded: {'; '.join(reasons)}"
