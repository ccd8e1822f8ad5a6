"""Take channels out of a network, level by level: weights for `distill.py` to start from.

    python recipes/narrow.py WEIGHTS SHEETS OUT.safetensors --widths 32 64 128

Channels go one after another, each time the one whose loss would change least what the next layers are given (as in He
et al., ICCV 2017): by its variance that the others don't explain, and by the weights that read it. What the others do
explain of it is put into those weights, by least squares over crops of sheets/open.tsv and sheets/organs.tsv.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from pathopipe.annotations import read_sheet
from pathopipe.models.architecture import Architecture
from pathopipe.models.network import NucleusNet, load_tensors
from pathopipe.models.registry import weights_of
from pathopipe.models.weights import Weights, save_weights
from pathopipe.training.augment import Augmentation
from pathopipe.training.examples import make_fields, read_examples
from pathopipe.training.loop import Schedule, batch

BATCHES = 12
PLACES = 6000


@dataclass(frozen=True)
class Level:
    """The layers of one level, by their names in the weights.

    ``stream`` has what runs through the whole level and loses the same channels everywhere: where it is seen, and the
    layers that read it there. ``makers`` put it out; ``blocks`` have channels of their own inside.
    """

    stream: dict[str, str]
    makers: tuple[str, ...]
    blocks: tuple[str, ...]


def level_of(shape: Architecture, number: int) -> Level:
    """The level with this number, the finest one being 0."""
    entry = f"down.{number}.0" if number else "stem"
    down = [f"down.{number}.{block + (number > 0)}" for block in range(shape.blocks[number])]
    last = number == len(shape.widths) - 1
    up = [] if last else [f"up.{number}.{block}" for block in range(shape.up_blocks[number])]
    below = f"lateral.{number - 1}" if last else f"down.{number + 1}.0"
    stream = dict(zip([entry, *down], [*(f"{block}.first" for block in down), below], strict=True))
    if not last:
        leaving = f"lateral.{number - 1}" if number else "head"
        stream |= dict(zip([f"up.{number} in", *up], [*(f"{block}.first" for block in up), leaving], strict=True))
    makers = [entry, *(f"{block}.second" for block in (*down, *up)), *([] if last else [f"lateral.{number}"])]
    return Level(stream, tuple(makers), (*down, *up))


@dataclass
class Seen:
    """Mean (C,) and covariance (C, C) of features."""

    mean: np.ndarray
    covariance: np.ndarray


def look(network: NucleusNet, level: Level, number: int, images: list[np.ndarray]) -> dict[str, Seen]:
    """What the layers of a level put out."""
    kept: dict[str, list[np.ndarray]] = {}

    def keep(name: str, features: torch.Tensor) -> None:
        flat = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
        kept.setdefault(name, []).append(flat[torch.randperm(len(flat))[:PLACES]].double().numpy())

    def watch(name: str) -> None:
        network.get_submodule(name).register_forward_hook(lambda _module, _given, made: keep(name, made))

    for name in (*level.stream, *(f"{block}.first" for block in level.blocks)):
        if not name.endswith(" in"):
            watch(name)
    if f"up.{number} in" in level.stream:
        network.up[number].register_forward_pre_hook(lambda _, given: keep(f"up.{number} in", given[0].clone()))
    with torch.inference_mode():
        for image in images:
            network(torch.from_numpy(image).permute(0, 3, 1, 2).float().div_(255))
    features = {name: np.concatenate(parts) for name, parts in kept.items()}
    return {name: Seen(values.mean(axis=0), np.cov(values.T)) for name, values in features.items()}


def chosen(readers: list[tuple[Seen, np.ndarray]], width: int) -> list[int]:
    """The channels that stay; of each place what is seen there, and the kernel that reads it."""
    stay = list(range(len(readers[0][0].mean)))
    while len(stay) > width:
        cost = np.zeros(len(stay))
        for seen, weight in readers:
            covariance = seen.covariance + 1e-6 * np.trace(seen.covariance) / len(seen.mean) * np.eye(len(seen.mean))
            alone = 1 / np.diag(np.linalg.inv(covariance[np.ix_(stay, stay)]))
            force = (weight**2).sum(axis=(0, 2, 3))
            cost += alone * force[stay] / (np.diag(covariance) * force).sum()
        stay.pop(int(cost.argmin()))
    return stay


def without(tensors: dict[str, np.ndarray], reader: str, seen: Seen, stay: list[int]) -> None:
    """Let a layer read only the channels that stay, and what they say of the others."""
    gone = [channel for channel in range(len(seen.mean)) if channel not in stay]
    own = seen.covariance[np.ix_(stay, stay)]
    own = own + 1e-3 * np.trace(own) / len(own) * np.eye(len(own))
    share = np.linalg.solve(own, seen.covariance[np.ix_(stay, gone)])
    rest = seen.mean[gone] - seen.mean[stay] @ share
    plain = f"{reader}.weight" in tensors
    name = f"{reader}.weight" if plain else f"{reader}.0.weight"
    weight = tensors[name].astype(np.float64)
    added = np.einsum("ogyx,sg->osyx", weight[:, gone], share)
    constant = weight[:, gone].sum(axis=(2, 3)) @ rest
    tensors[name] = (weight[:, stay] + added).astype(np.float32)
    if plain:
        tensors[f"{reader}.bias"] = (tensors[f"{reader}.bias"] + constant).astype(np.float32)
    else:
        tensors[f"{reader}.1.running_mean"] = (tensors[f"{reader}.1.running_mean"] - constant).astype(np.float32)


def rows(tensors: dict[str, np.ndarray], maker: str, stay: list[int]) -> None:
    """Let a layer put out only the channels that stay."""
    for name in [name for name in tensors if name.startswith(f"{maker}.")]:
        tensors[name] = tensors[name][stay]


def reading(tensors: dict[str, np.ndarray], reader: str) -> np.ndarray:
    """A layer's kernel, scaled as the normalization after it does."""
    if f"{reader}.weight" in tensors:
        return tensors[f"{reader}.weight"]
    scale = tensors[f"{reader}.1.weight"] / np.sqrt(tensors[f"{reader}.1.running_var"] + 1e-5)
    return tensors[f"{reader}.0.weight"] * scale[:, None, None, None]


def narrowed(weights: Weights, number: int, width: int, images: list[np.ndarray]) -> Weights:
    """The weights with another width of one level."""
    shape, tensors = weights.card.architecture, dict(weights.tensors)
    network = NucleusNet(shape).eval()
    load_tensors(network, tensors)
    level = level_of(shape, number)
    seen = look(network, level, number, images)
    stay = chosen([(seen[place], reading(tensors, reader)) for place, reader in level.stream.items()], width)
    inner = {
        block: chosen([(seen[f"{block}.first"], reading(tensors, f"{block}.second"))], width) for block in level.blocks
    }
    for place, reader in level.stream.items():
        without(tensors, reader, seen[place], stay)
    for maker in level.makers:
        rows(tensors, maker, stay)
    for block, own in inner.items():
        without(tensors, f"{block}.second", seen[f"{block}.first"], own)
        rows(tensors, f"{block}.first", own)
    widths = tuple(width if place == number else before for place, before in enumerate(shape.widths))
    return replace(weights, card=replace(weights.card, architecture=replace(shape, widths=widths)), tensors=tensors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights")
    parser.add_argument("sheets", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", required=True)
    given = parser.parse_args()
    weights = weights_of(given.weights)
    lines = [*read_sheet(given.sheets / "teacher.tsv"), *read_sheet(given.sheets / "organs.tsv")[::5]]
    fields = make_fields(read_examples(lines, weights.card.mpp), None)
    how = Augmentation(zoom=1.6)
    images = [batch(fields, Schedule(), weights.card.mpp, how, [1, number])[0] for number in range(BATCHES)]
    torch.manual_seed(0)
    for number, (before, width) in enumerate(zip(weights.card.architecture.widths, given.widths, strict=True)):
        if width < before:
            weights = narrowed(weights, number, width, images)
    save_weights(given.out, replace(weights.card, name="narrow"), weights.tensors)


if __name__ == "__main__":
    main()
