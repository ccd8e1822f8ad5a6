"""Fit the rule that tells types from what the teacher sees, on points in breast and on what organs consist of.

    python recipes/nucleus_types.py SHEETS TEACHER.safetensors OUT

Types are known of points in breast alone (BRCA-M2C), and a rule fitted to them takes every nucleus of a thymus for an
epithelial one. So the rule is also asked to find about the shares of types that an organ has (`SHARES`, our estimates
from histology; expectation regularization, Mann and McCallum 2007). Organs in `KEPT_APART` are not fitted on. The
weights of both demands were chosen on patients of BRCA-M2C that were kept apart, and on these organs. Prints F1 at
annotated points, and what nuclei of all organs are taken for. Writes OUT/types.safetensors, which recipes/ship_types.py
puts into the package.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.optimize import minimize
from sheets import organ
from teacher import CLASSES, for_choosing
from teacher_network import Teacher, description

from pathopipe.annotations import Outlines, read_sheet
from pathopipe.models.types.architecture import DESCRIBED, TypeArchitecture
from pathopipe.models.types.card import TypeCard
from pathopipe.models.types.graph import compile_description
from pathopipe.models.types.model import TypeModel, softmax
from pathopipe.models.weights import save_weights
from pathopipe.ops.nucleus_types import TYPES, type_named
from pathopipe.training.examples import Example, read_examples
from pathopipe.training.type_rule import Rule, choose_temperature, f1_by_type
from pathopipe.training.type_session import known_of

# Epithelial, inflammatory, stromal, other.
SHARES = {
    "liver": (0.78, 0.05, 0.16, 0.01),
    "kidney": (0.85, 0.03, 0.11, 0.01),
    "pancreas": (0.85, 0.03, 0.11, 0.01),
    "placenta": (0.62, 0.03, 0.34, 0.01),
    "spleen": (0.01, 0.86, 0.12, 0.01),
    "muscle": (0.01, 0.02, 0.37, 0.60),
    "subscapula": (0.01, 0.02, 0.37, 0.60),
    "umbilical_cord": (0.02, 0.02, 0.95, 0.01),
}
KEPT_APART = ("salivory", "thymus", "brain")
ORGANS_WEIGHT, RIDGE = 1.0, 1e-3


def begin(teacher: Path) -> Teacher:
    """The teacher with a fourth type, which nothing that it learned from was of."""
    known = load_file(str(teacher))
    network = Teacher(len(TYPES))
    weight = torch.zeros(len(TYPES), DESCRIBED, 1, 1)
    weight[:CLASSES] = known["rule.weight"]
    bias = torch.cat([known["rule.bias"], known["rule.bias"].mean()[None] - 2])
    network.load_state_dict(known | {"rule.weight": weight, "rule.bias": bias})
    return network.to(memory_format=torch.channels_last)


def model_of(network: Teacher) -> TypeModel:
    """The model with a rule of temperature 1 that takes all for known."""
    tensors = description(network) | {
        "known.mean": np.zeros(DESCRIBED, np.float32),
        "known.whiten": np.eye(DESCRIBED, dtype=np.float32),
    }
    card = TypeCard("breast", "CC BY 4.0", TypeArchitecture(TYPES))
    return TypeModel(card, "", tensors, compile_description(tensors, "auto", 1))


def at_points(model: TypeModel, examples: list[Example]) -> tuple[np.ndarray, np.ndarray]:
    """Descriptions and types of all annotated points."""
    places = [example.points / (example.grid.factor_x, example.grid.factor_y) for example in examples]
    described = [model.describe_at(one.working, place) for one, place in zip(examples, places, strict=True)]
    types = [TYPES.index(type_named(name)) for example in examples for name in example.types]
    return np.concatenate(described), np.array(types)


def in_organs(model: TypeModel, examples: list[Example]) -> dict[str, np.ndarray]:
    """Descriptions of all labeled nuclei by organ."""
    found: dict[str, list[np.ndarray]] = {}
    for example in examples:
        places = Outlines(example.labels).points().xy / (example.grid.factor_x, example.grid.factor_y)
        found.setdefault(organ(example.group), []).append(model.describe_at(example.working, places))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def fit(model: TypeModel, described: np.ndarray, types: np.ndarray, organs: dict[str, np.ndarray]) -> Rule:
    """Fit a rule to typed points, to the shares of types in organs, and to what it was before."""
    shift, scale = described.mean(axis=0), described.std(axis=0) + 1e-6
    points = (described - shift) / scale
    fields = {name: (organs[name] - shift) / scale for name in SHARES}
    before = model.tensors["rule.weight"], model.tensors["rule.bias"]
    origin = np.c_[before[0] * scale, before[1] + before[0] @ shift].astype(np.float64)
    each = 1 / np.sqrt(np.bincount(types, minlength=len(TYPES))[types])
    each, wanted = each / each.sum(), np.eye(len(TYPES))[types]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        rule = flat.reshape(origin.shape)
        seen = softmax(points @ rule[:, :-1].T + rule[:, -1]).astype(np.float64)
        cost = -(each * np.log(np.maximum((seen * wanted).sum(axis=1), 1e-12))).sum()
        off = (seen - wanted) * each[:, None]
        slope = np.c_[off.T @ points, off.sum(axis=0)]
        for name, field in fields.items():
            seen = softmax(field @ rule[:, :-1].T + rule[:, -1]).astype(np.float64)
            asked, found = np.array(SHARES[name]), np.maximum(seen.mean(axis=0), 1e-9)
            weight = ORGANS_WEIGHT / len(fields)
            cost += weight * (asked * np.log(asked / found)).sum()
            pull = -asked / found
            off = seen * (pull - (seen * pull).sum(axis=1, keepdims=True)) * weight / len(field)
            slope += np.c_[off.T @ field, off.sum(axis=0)]
        apart = (rule - origin) * np.r_[np.ones(points.shape[1]), 0.0]
        return cost + RIDGE * (apart**2).sum() / 2, (slope + RIDGE * apart).ravel()

    found = minimize(loss, origin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    rule = found.x.reshape(origin.shape)
    return Rule(rule[:, :-1] / scale, rule[:, -1] - (rule[:, :-1] / scale) @ shift)


def main() -> None:
    sheets, teacher, out = map(Path, sys.argv[1:4])
    out.mkdir(parents=True, exist_ok=True)
    points = [one for one in read_examples(read_sheet(sheets / "open.tsv"), 0.5) if one.points is not None]
    lines = [*read_sheet(sheets / "organs.tsv"), *read_sheet(sheets / "organs_test.tsv")]
    model = model_of(begin(teacher).eval())
    learned = at_points(model, [example for example in points if not for_choosing(example.group)])
    chosen = at_points(model, [example for example in points if for_choosing(example.group)])
    tested = at_points(model, read_examples(read_sheet(sheets / "points_test.tsv"), 0.5))
    organs = in_organs(model, read_examples(lines, 0.5))
    rule = fit(model, *learned, organs)
    for name, (described, types) in (("fitted on", learned), ("for choosing", chosen), ("test", tested)):
        print(f"{name}: F1 at points {np.round(f1_by_type(rule.values(described), types)[:CLASSES], 3)}")
    for name, described in organs.items():
        said = np.bincount(rule.values(described).argmax(axis=1), minlength=len(TYPES)) / len(described)
        how = "fitted on" if name in SHARES else "kept apart" if name in KEPT_APART else "not looked at"
        print(f"{name} ({how}): " + ", ".join(f"{kind} {share:.2f}" for kind, share in zip(TYPES, said, strict=True)))
    seen = np.concatenate([learned[0], *(organs[name] for name in SHARES)]).astype(np.float64)
    known, temperature = known_of(seen), choose_temperature(rule.values(chosen[0]), chosen[1])
    tensors = dict(model.tensors) | {
        "rule.weight": rule.weight.astype(np.float32),
        "rule.bias": rule.bias.astype(np.float32),
        "known.mean": known.mean,
        "known.whiten": known.whiten,
    }
    card = TypeCard("breast", "CC BY 4.0", TypeArchitecture(TYPES), round(temperature, 4), round(known.limit, 4))
    print(f"temperature {card.temperature}, limit {card.limit}")
    save_weights(out / "types.safetensors", card, tensors)


if __name__ == "__main__":
    main()
