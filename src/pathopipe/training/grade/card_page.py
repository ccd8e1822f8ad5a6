"""The card of a trained grader as a page of text, in Markdown."""

from collections.abc import Iterator
from typing import Any

from pathopipe.evaluation.grade_metrics import FIGURES
from pathopipe.grading.card import GraderCard


def to_markdown(card: GraderCard, sha256: str, found: dict[str, Any]) -> str:
    """Say what a grader is, what it may be used for, what it was trained on, and what was measured."""
    return "\n".join(_lines(card, sha256, found)) + "\n"


def _lines(card: GraderCard, sha256: str, found: dict[str, Any]) -> Iterator[str]:
    yield from (f"# Grader `{card.name}`", "", card.not_for, "")
    yield f"* **License:** {card.licence}"
    yield f"* **Scope:** {card.scope}"
    yield f"* **Grades:** {', '.join(card.grades)}, from best to worst, as in column `{card.label}`"
    yield f"* **Input:** {len(card.architecture.columns):,} statistics of nuclei, without pixels"
    yield from (f"* **SHA-256:** `{sha256}`", "")
    if card.reported:
        yield from ("## What to know first", "", *(f"* {line}" for line in card.reported), "")
    if card.data:
        yield from ("## Trained on", "", *(f"* {line}" for line in card.data), "")
    yield from ("## How", "", *(f"* {key}: {value}" for key, value in card.training.items()), "")
    for where, row in card.figures.items():
        yield from (f"## Measured on {where}", "", "| figure | value | 95% interval |", "|---|---|---|")
        for name in FIGURES:
            if name in row:
                interval = f"{row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f}" if f"{name}_low" in row else ""
                yield f"| {name} | {row[name]:.3f} | {interval} |"
        yield ""
    yield from _confusion(card, found)
    yield from _worth(found)
    yield from _references(card)


def _confusion(card: GraderCard, found: dict[str, Any]) -> Iterator[str]:
    yield from ("## Confusion", "", f"| true | {' | '.join(card.grades)} |", "|---" * (1 + len(card.grades)) + "|")
    for grade, row in zip(card.grades, found["confusion"], strict=True):
        yield f"| {grade} | {' | '.join(map(str, row))} |"
    yield ""


def _worth(found: dict[str, Any]) -> Iterator[str]:
    if "chance" in found:
        chance = found["chance"]
        yield from ("## Against chance", "")
        yield (
            f"Rank correlation of the linear score on patients kept apart: {chance['spearman']:.3f}; with grades dealt "
            f"out anew to the patients {chance['by_chance']:.3f} on average (p {chance['p']:.3f}, "
            f"{chance['permutations']} deals)."
        )
        yield ""
    if found.get("learning_curve"):
        yield from ("## Learning curve", "", "| slides learned from | rank correlation |", "|---|---|")
        yield from (f"| {row['slides']} | {row['spearman']:.3f} |" for row in found["learning_curve"])
        yield ""
    if found.get("importance"):
        yield from (
            "## What it goes by",
            "",
            "| statistics | drop of the rank correlation when shuffled |",
            "|---|---|",
        )
        yield from (f"| {', '.join(row['families'])} | {row['drop']:.3f} |" for row in found["importance"])


def _references(card: GraderCard) -> Iterator[str]:
    if not card.references.groups:
        return
    groups = [f"{grade} ({slides} slides)" for grade, slides in card.references.groups]
    yield from ("", "## Slides learned from", "", "Medians, in brackets the middle half; reports show them.", "")
    yield from (f"| nuclei | statistic | {' | '.join(groups)} |", "|---|---" + "|---" * len(groups) + "|")
    for one in card.references.statistics:
        cells = [f"{middle:.4g} ({low:.4g} to {high:.4g})" for _, low, middle, high, _ in one.quantiles]
        yield f"| {one.row} | {one.column} | {' | '.join(cells)} |"
