"""The rows of the page of the cohort, for the script that shows them: a few at a time, sorted, filtered, grouped."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pathopipe.grading.patients import PatientGrade
from pathopipe.reporting.cohort_entry import CohortEntry, shade
from pathopipe.results.schemas.statistics import KINDS
from pathopipe.text import count, number


def cell(entry: CohortEntry, statistic: str) -> str:
    """Write a statistic of a slide, ready to read."""
    value = entry.row.statistics.get(statistic)
    return count(value) if KINDS.get(statistic) == "int64" else number(value)


def rows(
    entries: Sequence[CohortEntry],
    grades: Sequence[str],
    statistics: Sequence[str],
    extra: Sequence[str],
    patients: Sequence[PatientGrade],
) -> Markup:
    """Write all rows as JSON that can stand inside a page: no text in it can end the element that holds it."""
    of_patient = {slide: place for place, patient in enumerate(patients) for slide in patient.slides}
    data = {
        "statistics": list(statistics),
        "order": list(grades),
        "grades": {grade: shade(grade, grades) for grade in grades},
        "warnings": {warning.code: warning.label for entry in entries for warning in entry.marks},
        "patients": [_patient(patient) for patient in patients],
        "rows": [_row(entry, statistics, extra, of_patient) for entry in entries],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - without any character that markup is made of


def _patient(patient: PatientGrade) -> str:
    grade = "no grade" if patient.grade is None else f"grade {patient.grade}"
    return " ".join([f"Patient of {', '.join(patient.slides)}: {grade}.", *patient.remarks])


def _row(
    entry: CohortEntry, statistics: Sequence[str], extra: Sequence[str], of_patient: Mapping[str, int]
) -> dict[str, Any]:
    """What is shown of a slide; what it does not have is left out."""
    row = entry.row
    shown = {
        "slide": row.slide,
        "href": entry.href,
        "picture": entry.thumbnail,
        "state": row.state,
        "grade": row.grade,
        "stability": entry.stability,
        "outside": bool(row.outside_scope),
        "reason": row.reason,
        "stopped": entry.stopped,
        "warnings": [[mark.code, mark.message, mark.stops_grade] for mark in entry.marks],
        "numbers": [cell(entry, name) for name in statistics] if row.state == "done" else [],
        "far": {name: round(z, 1) for name, z in entry.far.items()},
        "patient": of_patient.get(row.slide, -1) + 1,
        "sheet": [row.extra.get(name, "") for name in extra],
    }
    return {key: value for key, value in shown.items() if value}
