"""The content of ``evaluation.json`` as text for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pathopipe.evaluation.grade_metrics import FIGURES
from pathopipe.evaluation.layout import Cell, Estimate, Line, aligned
from pathopipe.wording import counted

_OF_SUBGROUPS: Final = ("graded", "quadratic_kappa", "spearman", "auc", "balanced_accuracy")
_OF_READERS: Final = ("quadratic_kappa", "spearman", "accuracy")
_REASONS: Final = 10


def shown(content: Mapping[str, Any]) -> str:
    """Lay out an evaluation: figures, confusion matrix, subgroups, readers, and what was left out."""
    return "\n\n".join(_blocks(content))


def _blocks(content: Mapping[str, Any]) -> Iterator[str]:
    patients, slides, unit = (content[name] for name in ("n_patients", "n_slides", "unit"))
    yield (
        f"{content['grader']} against the column '{content['label']}': {counted(slides)} of "
        f"{counted(patients, 'patient')}, counted by {unit}; 95% intervals over patients in brackets"
    )
    yield aligned([{"figure": name, "value": _cell(content, name)} for name in FIGURES])
    yield f"True grades (lines) and the grades given (columns), by {unit}\n{aligned(_confusion(content))}"
    for column, groups in content.get("by", {}).items():
        yield f"By {column}\n{aligned([_subgroup(column, name, part) for name, part in groups.items()])}"
    if readers := content.get("readers"):
        pairs = readers["pairs"]
        title = f"Readers and grader on the {counted(pairs[0]['n_slides'])} that all three graded"
        yield f"{title}\n{aligned([_pair(pair) for pair in pairs])}"
    yield from _remarks(content)


def _cell(content: Mapping[str, Any], name: str) -> Cell:
    if content[name] is None:
        return "-"
    return Estimate(content[name], content[f"{name}_low"], content[f"{name}_high"])


def _confusion(content: Mapping[str, Any]) -> list[Line]:
    grades = content["grades"]
    return [
        {"": grade, **{f"{given}": str(number) for given, number in zip(grades, row, strict=True)}}
        for grade, row in zip(grades, content["confusion"], strict=True)
    ]


def _subgroup(column: str, name: str, part: Mapping[str, Any]) -> Line:
    return {column: name, "slides": f"{part['n_slides']:,}"} | {figure: _cell(part, figure) for figure in _OF_SUBGROUPS}


def _pair(pair: Mapping[str, Any]) -> Line:
    return {"one": pair["true"], "other": pair["given"]} | {figure: _cell(pair, figure) for figure in _OF_READERS}


def _remarks(content: Mapping[str, Any]) -> Iterator[str]:
    """What is not among the figures, and why."""
    if content["left_out"]:
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in content["left_out"].items())
        yield f"Slides left out: {reasons}"
    if abstained := content["abstained"]:
        lines = [f"  {count:,}: {reason}" for reason, count in list(abstained.items())[:_REASONS]]
        if len(abstained) > _REASONS:
            lines.append(f"  {sum(list(abstained.values())[_REASONS:]):,}: other reasons")
        yield "\n".join([f"Slides without a grade: {sum(abstained.values()):,}", *lines])
    if content["notes"]:
        yield "\n".join(content["notes"])
    if content["probabilities_are"]:
        yield f"Probabilities: {content['probabilities_are']}"
