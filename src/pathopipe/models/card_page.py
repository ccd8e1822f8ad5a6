"""The card of weights as a page of text, in Markdown."""

from collections.abc import Iterator

from pathopipe.models.weights import Weights


def to_markdown(weights: Weights) -> str:
    """Say what weights are, what they may be used for, what they were trained on, and what was measured."""
    return "\n".join(_lines(weights)) + "\n"


def _lines(weights: Weights) -> Iterator[str]:
    card = weights.card
    parameters = sum(tensor.size for tensor in weights.tensors.values())
    yield from (f"# Nucleus network `{card.name}`", "")
    yield from ("For research use only. Not for diagnosis.", "")
    yield f"* **License:** {card.licence}"
    reach = f"receptive field: {card.traits.radius} pixels in each direction"
    yield f"* **Input:** H&E, brightfield RGB at {card.mpp:g} µm per pixel; {reach}"
    channels = ", ".join(card.architecture.channels)
    yield f"* **Output:** maps at {card.mpp / card.traits.upsampling:g} µm per pixel: {channels}"
    yield f"* **Size:** {parameters / 1e6:.2f} million parameters, widths {card.architecture.widths}"
    yield from (f"* **SHA-256:** `{weights.sha256}`", "")
    yield from ("## Trained on", "", *(f"* {line}" for line in card.data), "")
    yield from ("## How", "", *(f"* {key}: {value}" for key, value in card.training.items()), "")
    if card.figures:
        names = list(next(iter(card.figures.values())))
        yield from ("## Measured", "", f"| on | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|")
        for where, row in card.figures.items():
            yield f"| {where} | {' | '.join(f'{row[name]:g}' if name in row else '' for name in names)} |"
