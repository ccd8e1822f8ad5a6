"""The card of weights that tell types as a page of text, in Markdown."""

from collections.abc import Iterator

from pathopipe.models.types.architecture import STRIDE_OUT
from pathopipe.models.types.card import MPP, TypeCard
from pathopipe.models.weights import Loaded


def to_markdown(weights: Loaded[TypeCard]) -> str:
    """Say what weights are, what they may be used for, what they were trained on, and what was measured."""
    return "\n".join(_lines(weights)) + "\n"


def _lines(weights: Loaded[TypeCard]) -> Iterator[str]:
    card = weights.card
    parameters = sum(tensor.size for tensor in weights.tensors.values())
    yield from (f"# Model of types `{card.name}`", "")
    yield from ("For research use only. Not for diagnosis.", "")
    yield f"* **License:** {card.licence}"
    yield f"* **Scope:** {card.scope}"
    yield f"* **Input:** H&E, brightfield RGB at {MPP:g} µm per pixel, and places of nuclei"
    yield f"* **Output:** a probability of each of {', '.join(card.architecture.classes)}"
    yield f"* **Size:** {parameters / 1e6:.2f} million parameters, a description per {STRIDE_OUT * MPP:g} µm"
    yield from (f"* **SHA-256:** `{weights.sha256}`", "")
    yield from ("## Trained on", "", *(f"* {line}" for line in card.data), "")
    yield from ("## How", "", *(f"* {key}: {value}" for key, value in card.training.items()), "")
    for where, row in card.figures.items():
        yield from (f"## Measured: {where}", "", f"| {' | '.join(row)} |", "|---" * len(row) + "|")
        yield f"| {' | '.join(f'{value:g}' for value in row.values())} |"
