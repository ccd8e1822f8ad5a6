"""The content of ``evaluation.json`` of a finished run: figures over all slides, subgroups, and between readers."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from pathopipe.evaluation.grade_metrics import agreement, figures
from pathopipe.evaluation.grade_results import Asked, Gathered, gather, places
from pathopipe.results.reader import Results

NOT_STATED: Final = "not stated"
"""The subgroup of slides whose cell is empty."""


def evaluate_grades(sheet: Path, results: Results, asked: Asked, resamples: int = 1000) -> dict[str, Any]:
    """Compare the grades of a finished run with labels in the sample sheet.

    Returns
    -------
    dict
        What `grade_metrics.figures` returns, and ``grader``, ``label`` (the column), ``left_out`` and ``abstained``
        (number of slides by reason), ``probabilities_are``; ``by`` has figures by column and its values, ``readers``
        those of each pair of the two readers and the grader, on the slides that all three graded. No patient is named.

    Raises
    ------
    RefusalError
        As `grade_results.gather`.
    """
    found = gather(sheet, results, asked)
    content = {
        "grader": found.grader,
        "label": asked.label,
        "left_out": found.left_out,
        "abstained": found.abstained,
        "probabilities_are": found.probabilities_are,
        **figures(found.judged, resamples),
    }
    if asked.by:
        content["by"] = {column: _by(found, column, resamples) for column in asked.by}
    if asked.reader is not None:
        content["readers"] = _readers(sheet, found, asked.label, asked.reader, resamples)
    return content


def _by(found: Gathered, column: str, resamples: int) -> dict[str, Any]:
    values = np.array([sample.cell(column) or NOT_STATED for sample in found.samples], object)
    return {
        name: figures(found.judged.part(np.flatnonzero(values == name)), resamples)
        for name in sorted(set(values.tolist()))
    }


def _readers(sheet: Path, found: Gathered, label: str, reader: str, resamples: int) -> dict[str, Any]:
    judged, other = found.judged, np.array(places(sheet, found.samples, reader, found.judged.grades), np.int64)
    both = np.flatnonzero((other >= 0) & (judged.said >= 0))
    first, second, said = judged.true[both], other[both], judged.said[both]
    patients = judged.part(both).patients
    pairs = ((label, reader, first, second), (label, found.grader, first, said), (reader, found.grader, second, said))
    return {
        "columns": [label, reader],
        "pairs": [
            {"true": one, "given": another, **agreement(judged.grades, a, b, patients, resamples)}
            for one, another, a, b in pairs
        ],
    }
